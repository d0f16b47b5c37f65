//! What is wrong inside the files that a configuration names, before a start finds it.

use crate::{audit, config::Config, context::Context, http::tls::Tls, otlp};

/// Reads the certificates and keys that `config` names, and those of authorities that it needs, as a start does; what is unusable,
/// a line each, which begins with the key.
pub fn unusable_files(config: &Config) -> Vec<String> {
    let tls = config.server.tls.as_ref().and_then(|files| Tls::load(files, &Context::system()).err());
    let endpoint = config.tracing.endpoint.as_ref();
    let tracing = endpoint.and_then(|endpoint| otlp::client(endpoint, &config.tracing).err());
    let datastorage = config.datastorage.url.as_ref();
    let audit = datastorage.and_then(|url| audit::client(url, &config.datastorage).err());
    let lines = [tls.map(|it| it.to_string()), tracing.map(|it| it.to_string()), audit.map(|it| it.to_string())];
    lines.into_iter().flatten().collect()
}

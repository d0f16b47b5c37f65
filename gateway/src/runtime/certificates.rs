//! What is wrong inside the files that a configuration names, before a start finds it.

use crate::{config::Config, context::Context, http::tls::Tls, otlp};

/// Reads the certificates and keys that `config` names as a start does; what is unusable, a line each, which begins with the key.
pub fn unusable_files(config: &Config) -> Vec<String> {
    let tls = config.server.tls.as_ref().and_then(|files| Tls::load(files, &Context::system()).err());
    let endpoint = config.tracing.endpoint.as_ref();
    let tracing = endpoint.and_then(|endpoint| otlp::client(endpoint, &config.tracing).err());
    tls.map(|error| error.to_string()).into_iter().chain(tracing.map(|error| error.to_string())).collect()
}

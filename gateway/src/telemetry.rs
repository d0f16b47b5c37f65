//! Log output of the process: JSON lines or text on standard output, which is where Kubernetes collects a pod's logs.
//!
//! What is logged is `logging.level` and nothing else: `RUST_LOG` is not consulted, so that the configuration tells the
//! whole truth.

use tracing_subscriber::{EnvFilter, util::SubscriberInitExt as _};

use crate::config::{LogFormat, Logging};

/// Logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter cannot be read.
    #[error("logging.level: `{level}` is no filter such as `info` or `gateway=debug,kube=warn`: {message}")]
    Filter {
        /// As configured.
        level: String,
        /// What is wrong with it.
        message: String,
    },
    /// The process has a subscriber already.
    #[error("logging: {0}")]
    Init(#[from] tracing_subscriber::util::TryInitError),
}

/// Sends the process's events to standard output, as `logging` says.
///
/// # Errors
/// If the filter is bad, or logging was started before.
pub fn init(logging: &Logging) -> Result<(), Error> {
    let Logging { level, format } = logging;
    let builder = tracing_subscriber::fmt().with_env_filter(filter(level)?).with_writer(std::io::stdout);
    match format {
        // The innermost span names the request; the list of all would only repeat it.
        LogFormat::Json => builder.json().flatten_event(true).with_span_list(false).finish().try_init()?,
        LogFormat::Human => builder.finish().try_init()?,
    }
    Ok(())
}

/// Reads a filter; an empty one would silently turn everything off but errors.
pub(crate) fn filter(level: &str) -> Result<EnvFilter, Error> {
    let bad = |message: String| Error::Filter { level: level.to_owned(), message };
    if level.trim().is_empty() {
        return Err(bad("it is empty".to_owned()));
    }
    // A bare word is read as the target of that name: a misspelt level would log nothing of ours.
    let known = ["off", "error", "warn", "info", "debug", "trace"];
    for word in level.split(',').map(str::trim).filter(|word| !word.contains(['=', '['])) {
        let is_level = known.iter().any(|name| name.eq_ignore_ascii_case(word));
        if !is_level {
            return Err(bad(format!("`{word}` is no level")));
        }
    }
    EnvFilter::builder().parse(level).map_err(|error| bad(error.to_string()))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::level("info", true)]
    #[case::targets("info,gateway=debug,kube=warn", true)]
    #[case::misspelt("inof", false)]
    #[case::bad_level("gateway=loud", false)]
    #[case::empty(" ", false)]
    fn a_bad_filter_is_an_error_that_names_the_key(#[case] level: &str, #[case] good: bool) {
        match filter(level) {
            Ok(_) => assert!(good, "{level} was taken"),
            Err(error) => {
                assert!(!good && error.to_string().starts_with("logging.level: "), "{error}");
            }
        }
    }
}

//! Log output of the process: JSON lines or text on standard output, which is where Kubernetes collects a pod's logs.
//!
//! What is logged is `logging.level` and nothing else: `RUST_LOG` is not consulted, so that the configuration tells the
//! whole truth.

use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{InvalidFilter, LogFormat, Logging};

/// Logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter cannot be read.
    #[error(transparent)]
    Filter(#[from] InvalidFilter),
    /// The process has a subscriber already.
    #[error("logging: {0}")]
    Init(#[from] tracing_subscriber::util::TryInitError),
}

/// Sends the process's events to standard output, as `logging` says.
///
/// # Errors
/// If the filter is bad, or logging was started before.
pub fn init(logging: &Logging) -> Result<(), Error> {
    let builder = tracing_subscriber::fmt().with_env_filter(logging.filter()?).with_writer(std::io::stdout);
    match logging.format {
        // The innermost span names the request; the list of all would only repeat it.
        LogFormat::Json => builder.json().flatten_event(true).with_span_list(false).finish().try_init()?,
        LogFormat::Human => builder.finish().try_init()?,
    }
    Ok(())
}

//! Why nothing can be explained.

use crate::{config, kubernetes, metrics, signal::Rejection};

/// Bytes of an input: as much as the largest body that a gateway can be told to take.
pub(super) const MAX_INPUT_BYTES: u64 = 16 * 1024 * 1024;

/// Why nothing can be explained.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration is not valid.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// The input, which the first field names, cannot be read.
    #[error("cannot read {0}: {1}; pass a JSON file with a webhook, an alert or an event, or `-`")]
    Read(String, std::io::Error),
    /// The input is too large.
    #[error("{0} is larger than {MAX_INPUT_BYTES} bytes, which no gateway accepts; pass a single webhook or event")]
    TooLarge(String),
    /// The input as a whole would be refused.
    #[error(
        "{0}: the gateway would answer 400: {1}; explain reads a webhook of Alertmanager, an alert or a list of alerts as its \
         API shows them, or one Event, as JSON"
    )]
    Refused(String, Rejection),
    /// No client can be created for the cluster.
    #[error("{0}; or use --offline to do without a cluster")]
    Cluster(#[from] kubernetes::cluster::Error),
    /// The metrics, which are kept and not shown.
    #[error(transparent)]
    Metrics(#[from] metrics::Error),
    /// Standard output cannot be written to.
    #[error("cannot write the report: {0}")]
    Write(#[from] std::io::Error),
}

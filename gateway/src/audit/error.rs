//! Why there is no audit trail.

/// The audit trail cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The HTTP client cannot be built.
    #[error(
        "no HTTP client for datastorage.url: {0}; https needs authorities to trust: set SSL_CERT_FILE to their PEM file"
    )]
    Client(#[from] reqwest::Error),
    /// The address cannot carry a path.
    #[error("datastorage.url: `{0}` can have no path")]
    Url(url::Url),
}

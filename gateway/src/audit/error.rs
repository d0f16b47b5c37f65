//! Why there is no audit trail.

/// The audit trail cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The HTTP client cannot be built.
    #[error(
        "datastorage.url: no HTTP client: {0}; https needs trusted CA certificates: set SSL_CERT_FILE to a PEM file"
    )]
    Client(#[from] reqwest::Error),
    /// The address cannot carry a path.
    #[error("datastorage.url: `{0}` is not a valid base address")]
    Url(url::Url),
}

//! Why spans cannot be sent.

use std::{io, path::PathBuf};

/// Why there is no pipeline.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The certificates of authorities.
    #[error("tracing.caFile: {file}: {source}; it must be a PEM file of certificates", file = file.display())]
    CaFile {
        /// The path in `tracing.caFile`.
        file: PathBuf,
        /// Why the file cannot be read or parsed.
        source: io::Error,
    },
    /// The HTTP client, or certificates that are none.
    #[error(
        "tracing.endpoint: cannot create the HTTP client: {0}; check the certificates of `tracing.caFile` or of the system"
    )]
    Client(#[from] reqwest::Error),
    /// `tracing.headers` has this name, and the name or its value is not valid in HTTP.
    #[error("tracing.headers: `{0}` is not a valid header name, or its value has invalid characters")]
    Header(String),
}

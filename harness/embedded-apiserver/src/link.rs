//! A caller's connections to the server.

use tokio_util::sync::CancellationToken;

/// The life of one caller's connections.
#[derive(Clone, Debug, Default)]
pub(super) struct Link {
    /// Cancelled when the caller crashes.
    pub(super) dead: CancellationToken,
    /// Whether requests that were sent before a crash still take effect.
    pub(super) lands: CancellationToken,
    /// Cancelled when its watches break.
    pub(super) watches: CancellationToken,
}

/// The connection broke: the request may or may not have taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("connection reset by peer")]
pub struct ConnectionReset;

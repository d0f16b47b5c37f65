//! What a body's sender is told, and who finds it out.

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::{
    context::Monotonic,
    dedup::{Accepted, Error},
    remediation::{Fingerprint, Source},
    signal::Rejection,
};

/// What turns a body into RemediationRequests.
pub trait SignalHandler: Send + Sync + 'static {
    /// Handles what `source` sent, until `deadline` at most; one item per alert or event, in the order sent.
    ///
    /// An error is about the body as a whole: it is not what its source should send.
    ///
    /// The future is run to its end even if the client has gone: a signal may be half done.
    fn handle(&self, source: Source, body: Bytes, deadline: Monotonic) -> BoxFuture<'_, Result<Vec<Item>, Rejection>>;
}

/// What became of one alert or event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// It is durable.
    Accepted(Accepted, Fingerprint),
    /// It is malformed, and always will be.
    Rejected(Rejection),
    /// Its resource is none that this gateway is to care for.
    OutOfScope {
        /// What the sender is told: how to bring it into scope.
        message: String,
    },
    /// There is nothing to do, as for a resolved alert.
    Ignored {
        /// What the sender is told.
        message: String,
    },
    /// It may succeed when it is sent again.
    Failed(Error),
}

//! What is known of a request from its head on.

use std::{net::SocketAddr, sync::Arc};

use crate::context::Monotonic;

/// What answers and logs say of a request.
#[derive(Clone, Debug)]
pub(super) struct RequestInfo {
    pub(super) id: Arc<str>,
    pub(super) path: Arc<str>,
    pub(super) received: Monotonic,
}

/// The other end of the connection that a request came by; a request that is made in process has none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

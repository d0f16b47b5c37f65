//! What is known of a request from its head on.

use std::{net::SocketAddr, sync::Arc};

use http::Uri;

use crate::context::Monotonic;

/// What answers and logs say of a request.
#[derive(Clone, Debug)]
pub(super) struct RequestInfo {
    pub(super) id: Arc<str>,
    pub(super) path: Arc<str>,
    pub(super) received: Monotonic,
}

/// Bytes of a path that are shown: longer than any of ours.
const PATH_BYTES_MAX: usize = 128;

/// The path of `uri` as answers repeat it: what is longer than any path that exists is cut.
pub(super) fn shown_path(uri: &Uri) -> Arc<str> {
    let path = uri.path();
    // A path is ASCII.
    path.get(..PATH_BYTES_MAX).unwrap_or(path).into()
}

/// The other end of the connection that a request came by; a request that is made in process has none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

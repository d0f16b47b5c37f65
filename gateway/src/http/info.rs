//! What is known of a request from its head on.

use std::sync::Arc;

use crate::context::Monotonic;

/// What answers and logs say of a request.
#[derive(Clone, Debug)]
pub(super) struct RequestInfo {
    pub(super) id: Arc<str>,
    pub(super) path: Arc<str>,
    pub(super) received: Monotonic,
}

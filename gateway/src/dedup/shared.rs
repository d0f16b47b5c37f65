//! What a deduplicator shares with its workers.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::{core::Core, queue::Queues};

/// The state of one gateway instance.
pub(super) struct Shared {
    pub(super) core: Arc<Core>,
    pub(super) queues: Queues,
    pub(super) draining: AtomicBool,
}

impl Shared {
    /// Whether no more signals are taken.
    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}

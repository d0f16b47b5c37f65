//! What a deduplicator shares with its workers.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio_util::task::TaskTracker;

use super::{core::Core, inbox::Inboxes};

/// The state of one gateway instance.
pub(super) struct Shared {
    pub(super) core: Arc<Core>,
    pub(super) inboxes: Inboxes,
    /// No more signals are taken.
    pub(super) draining: AtomicBool,
    /// Workers, and what they started: awaited at shutdown.
    pub(super) tasks: TaskTracker,
}

impl Shared {
    /// Whether no more signals are taken.
    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Starts a task that a shutdown waits for.
    pub(super) fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) {
        let token = self.tasks.token();
        self.core.context.spawn(async move {
            task.await;
            drop(token);
        });
    }
}

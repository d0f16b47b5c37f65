//! How many releases of claims are under way in the background.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// The releases under way in the background: a shutdown waits for them.
#[derive(Clone, Default)]
pub(super) struct Releases(Arc<AtomicUsize>);

impl Releases {
    /// Begins one, which ends when what is returned is dropped.
    pub(super) fn begin(&self) -> Release {
        self.0.fetch_add(1, Ordering::AcqRel);
        Release(self.clone())
    }

    /// Whether none is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }
}

/// A release under way.
pub(super) struct Release(Releases);

impl Drop for Release {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}

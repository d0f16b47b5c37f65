//! A number that tasks wait on, woken in the order in which they began to wait.
//!
//! tokio's own watch channel wakes its receivers in a random order: one seed would have many histories.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::Notify;

/// The number; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Signal {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    value: AtomicU64,
    notify: Notify,
}

impl Signal {
    pub(super) fn get(&self) -> u64 {
        self.shared.value.load(Ordering::SeqCst)
    }

    /// Sets it, and wakes all who wait.
    pub(super) fn set(&self, value: u64) {
        self.shared.value.store(value, Ordering::SeqCst);
        self.shared.notify.notify_waiters();
    }

    /// Adds one, and wakes all who wait.
    pub(super) fn bump(&self) {
        self.shared.value.fetch_add(1, Ordering::SeqCst);
        self.shared.notify.notify_waiters();
    }

    /// Waits until `is_enough` holds for it.
    pub(super) async fn wait_for(&self, is_enough: impl Fn(u64) -> bool) {
        loop {
            let mut notified = std::pin::pin!(self.shared.notify.notified());
            // Registered before the look, so that no change falls between the look and the wait.
            notified.as_mut().enable();
            if is_enough(self.get()) {
                return;
            }
            notified.await;
        }
    }

    /// Waits until it differs from `seen`.
    pub(super) async fn differs_from(&self, seen: u64) {
        self.wait_for(|value| value != seen).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::{FutureExt, future::join_all};

    use super::*;

    #[tokio::test]
    async fn those_who_wait_are_woken_in_their_order() {
        let (signal, woken) = (Signal::default(), Mutex::new(Vec::new()));
        let waiters = join_all((0..50).map(|number| {
            let (signal, woken) = (&signal, &woken);
            async move {
                signal.differs_from(0).await;
                woken.lock().unwrap().push(number);
            }
        }));
        let mut waiters = std::pin::pin!(waiters);
        assert!(waiters.as_mut().now_or_never().is_none());
        signal.set(3);
        waiters.await;
        assert_eq!(*woken.lock().unwrap(), (0..50).collect::<Vec<_>>());
        assert!(signal.wait_for(|value| value > 3).now_or_never().is_none());
        signal.bump();
        assert!(signal.wait_for(|value| value > 3).now_or_never().is_some());
    }
}

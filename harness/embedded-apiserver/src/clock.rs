//! Wall time of the embedded API, driven by tokio's (usually paused) clock.
#![allow(clippy::disallowed_methods, reason = "the one place of the embedded API that reads clocks, sleeps and spawns")]

use std::{future::Future, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// The server's clock: shows `epoch` at its creation and advances with tokio's time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    epoch: Timestamp,
    start: Instant,
}

impl Clock {
    pub(super) fn new(epoch: Timestamp) -> Self {
        Self { epoch, start: Instant::now() }
    }

    /// Time since the server's creation.
    pub(super) fn elapsed(&self) -> Duration {
        Instant::now().saturating_duration_since(self.start)
    }

    /// The wall time.
    pub(super) fn now(&self) -> Timestamp {
        self.at(self.elapsed())
    }

    /// The wall time `elapsed` after the server's creation.
    pub(super) fn at(&self, elapsed: Duration) -> Timestamp {
        let elapsed = SignedDuration::try_from(elapsed).unwrap_or(SignedDuration::MAX);
        self.epoch.saturating_add(elapsed).unwrap_or(self.epoch)
    }

    /// The wall time in whole seconds, as `metav1.Time` is written.
    pub(super) fn seconds(&self) -> String {
        let now = self.now().as_second();
        Timestamp::from_second(now).unwrap_or(self.epoch).to_string()
    }

    /// Waits until `elapsed` after the server's creation.
    pub(super) async fn sleep_until(&self, elapsed: Duration) {
        sleep(elapsed.saturating_sub(self.elapsed())).await;
    }

    /// Waits for `event`, until `elapsed` after the server's creation at most.
    pub(super) async fn wait_until(&self, elapsed: Duration, event: impl Future) {
        // What is waited for is looked at again afterwards.
        let _ = tokio::time::timeout_at(self.start + elapsed, event).await;
    }
}

/// Waits for `duration`; returns at once, without a timer, if it is zero.
pub(super) async fn sleep(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}

/// Runs `task` to its end, whatever becomes of the request that caused it.
pub(super) fn spawn<F>(task: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(task);
}

/// As [`spawn`], if there is a runtime.
pub(super) fn try_spawn<F>(task: F) -> bool
where
    F: Future<Output = ()> + Send + 'static,
{
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => {
            runtime.spawn(task);
            true
        }
        Err(_) => false,
    }
}

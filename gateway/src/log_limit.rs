//! Log lines that senders cause: a few of each reason in a minute, the rest counted and told in one line.
//!
//! A sender that is misconfigured, or means harm, repeats itself; its lines must neither fill the log nor vanish from it.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::RwLock;
use tracing::Level;

use crate::context::{Context, Monotonic};

/// Lines of one reason in a [`WINDOW`].
const LINES: u32 = 10;
/// After it, what was left out is told, and the next lines are let through.
const WINDOW: Duration = Duration::from_secs(60);

/// Decides which lines are written; cheap to clone, and the clones share their counts.
#[derive(Clone)]
pub struct LogLimit {
    inner: Arc<Inner>,
}

struct Inner {
    context: Context,
    /// By reason. Reasons are constants of this program, so the map is bounded.
    windows: RwLock<BTreeMap<&'static str, Window>>,
}

struct Window {
    began: Monotonic,
    /// What the lines are written at.
    level: Level,
    written: u32,
    /// Suppressed lines, counted without a lock and without reading the clock: there may be a million per second.
    left_out: AtomicU64,
}

impl fmt::Debug for LogLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogLimit").finish_non_exhaustive()
    }
}

impl LogLimit {
    /// All reasons begin with a whole window.
    pub fn new(context: Context) -> Self {
        Self { inner: Arc::new(Inner { context, windows: RwLock::default() }) }
    }

    /// Whether a line of `reason` may be written at `level`. One that may not is counted, and told at the end of its
    /// window, at the same level.
    pub fn admits(&self, reason: &'static str, level: Level) -> bool {
        if self.inner.left_out_again(reason) {
            return false;
        }
        let now = self.inner.context.monotonic();
        let mut windows = self.inner.windows.write();
        let window = windows.entry(reason).or_insert_with(|| Window::new(now, level));
        let left_out = *window.left_out.get_mut();
        // One that has left lines out is ended by its summary.
        if left_out == 0 && now.since(window.began) >= WINDOW {
            *window = Window::new(now, level);
        }
        if left_out == 0 && window.written < LINES {
            window.written += 1;
            return true;
        }
        *window.left_out.get_mut() += 1;
        if left_out == 0 {
            let (inner, end) = (Arc::clone(&self.inner), window.began + WINDOW);
            self.inner.context.spawn(async move {
                inner.context.sleep_until(end).await;
                inner.sum_up(reason);
            });
        }
        false
    }

    /// Tells what was left out so far, for the end of the process.
    pub fn flush(&self) {
        let windows = self.inner.windows.read();
        let reasons: Vec<_> = windows.keys().copied().collect();
        drop(windows);
        for reason in reasons {
            self.inner.sum_up(reason);
        }
    }
}

impl Window {
    fn new(began: Monotonic, level: Level) -> Self {
        Self { began, level, written: 0, left_out: AtomicU64::new(0) }
    }
}

impl Inner {
    /// Counts a line of a reason of which lines are left out already; false if none are.
    fn left_out_again(&self, reason: &str) -> bool {
        let windows = self.windows.read();
        let Some(Window { left_out, .. }) = windows.get(reason) else { return false };
        // Nobody ends the window meanwhile: that takes the lock for writing.
        let is_leaving_out = left_out.load(Ordering::Relaxed) > 0;
        if is_leaving_out {
            left_out.fetch_add(1, Ordering::Relaxed);
        }
        is_leaving_out
    }

    fn sum_up(&self, reason: &'static str) {
        let window = self.windows.write().remove(reason);
        let Some(Window { level, left_out, .. }) = window else { return };
        match (left_out.into_inner(), level) {
            (0, _) => {}
            (more, Level::WARN | Level::ERROR) => {
                tracing::warn!(reason, more, "{more} more like this in the last minute")
            }
            (more, _) => tracing::info!(reason, more, "{more} more like this in the last minute"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its monotonic clock is tokio's, which the tests have paused.
    fn limit() -> LogLimit {
        LogLimit::new(Context::system())
    }

    fn written(log: &LogLimit, reason: &'static str, lines: usize) -> usize {
        (0..lines).filter(|_| log.admits(reason, Level::WARN)).count()
    }

    fn left_out(log: &LogLimit, reason: &str) -> Option<u64> {
        log.inner.windows.read().get(reason).map(|window| window.left_out.load(Ordering::Relaxed))
    }

    #[tokio::test(start_paused = true)]
    async fn ten_lines_of_each_reason_are_written_in_a_minute_and_the_others_counted() {
        let log = limit();
        assert_eq!((written(&log, "a", 67), written(&log, "b", 9)), (10, 9));
        assert_eq!((left_out(&log, "a"), left_out(&log, "b")), (Some(57), Some(0)));
        log.inner.context.sleep(Duration::from_secs(59)).await;
        assert_eq!((written(&log, "a", 1), written(&log, "b", 2)), (0, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_left_out_is_told_when_the_minute_is_over_and_lines_are_written_again() {
        let log = limit();
        written(&log, "a", 67);
        log.inner.context.sleep(Duration::from_secs(61)).await;
        assert_eq!(left_out(&log, "a"), None, "the summary was written");
        assert_eq!(written(&log, "a", 11), 10);
        log.flush();
        assert_eq!(left_out(&log, "a"), None, "nothing is left untold at the end");
    }
}

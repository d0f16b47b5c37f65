//! Work on a thread of its own, as a simulation needs, which has its own runtime; and how long one may take.

use std::{
    panic,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

/// How long a scenario may take, which takes some hundredths of a second: longer on a slow machine that is busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// Time is counted in these, so that the time for which all of this process was stopped does not count.
pub(crate) const TICK: Duration = Duration::from_millis(200);

/// What is told of a scenario that took longer than `patience`.
pub(crate) fn not_ended(patience: Duration) -> String {
    format!("the scenario had not ended after {} s of real time", patience.as_secs())
}

/// Does `work`, however long it takes.
pub(crate) fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| match scope.spawn(work).join() {
        Ok(result) => result,
        Err(panic) => panic::resume_unwind(panic),
    })
}

/// Does `work`, which counts its `steps`; none if none of them ends for longer than `patience`, and then it goes on until the
/// process ends.
pub(crate) fn within<T: Send + 'static>(
    patience: Duration,
    steps: &AtomicUsize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (done, result) = mpsc::channel();
    let worker = thread::spawn(move || {
        let _ = done.send(work());
    });
    let (mut seen, mut since) = (0, Duration::ZERO);
    loop {
        match result.recv_timeout(TICK) {
            Ok(result) => return Some(result),
            Err(RecvTimeoutError::Disconnected) => {
                return worker.join().map_or_else(|panic| panic::resume_unwind(panic), |()| None);
            }
            Err(RecvTimeoutError::Timeout) => {
                let now = steps.load(Ordering::Relaxed);
                since = if now == seen { since + TICK } else { Duration::ZERO };
                seen = now;
                if since > patience {
                    return None;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn work_that_stands_still_is_given_up_and_work_that_moves_is_not() {
        let steps = Arc::new(AtomicUsize::new(0));
        let (never, waits) = mpsc::channel::<()>();
        let stands_still = within(Duration::ZERO, &steps, move || waits.recv());
        assert!(stands_still.is_none());
        drop(never);
        let moved = Arc::clone(&steps);
        let moves = within(TICK, &steps, move || {
            for _ in 0..5 {
                moved.fetch_add(1, Ordering::Relaxed);
                thread::sleep(TICK);
            }
        });
        assert!(moves.is_some());
    }
}

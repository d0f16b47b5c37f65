//! Time, randomness and tasks of one gateway instance.
//!
//! Everything in this crate that reads a clock, sleeps, draws a random number or starts a task does so through a
//! [`Context`], so that a simulator can give each replica clocks that are wrong, a seed, and a sudden death.
#![allow(clippy::disallowed_methods, reason = "the one place that touches clocks and entropy")]

use std::{
    fmt,
    future::{Future, poll_fn},
    ops::{Add, Sub},
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{self, Poll, Waker},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// A reading of the replica's monotonic clock: the time since the instance started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Monotonic(Duration);

impl Monotonic {
    /// The reading `since_start` after the instance's start.
    pub const fn from_start(since_start: Duration) -> Self {
        Self(since_start)
    }

    /// The time since the instance's start.
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// The time from `earlier` to this reading, zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Monotonic {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(rhs))
    }
}

impl Sub<Duration> for Monotonic {
    type Output = Self;

    fn sub(self, rhs: Duration) -> Self {
        Self(self.0.saturating_sub(rhs))
    }
}

/// The time ran out before the future was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("deadline exceeded")]
pub struct Elapsed;

/// How a simulated replica's clocks differ from the simulation's.
#[derive(Clone, Copy, Debug)]
pub struct SimulatedClock {
    /// What the wall clock of a replica without offset shows when the simulation starts.
    pub epoch: Timestamp,
    /// Added to this replica's wall clock.
    pub offset: SignedDuration,
    /// Local seconds per simulated second, in parts per million: 1,000,000 is exact.
    pub rate_ppm: u32,
}

#[derive(Clone, Copy)]
enum Wall {
    System,
    Simulated { epoch: Timestamp, offset: SignedDuration, epoch_instant: Instant },
}

/// The time, randomness and tasks of one gateway instance; cheap to clone.
#[derive(Clone)]
pub struct Context {
    inner: Arc<Inner>,
}

struct Inner {
    start: Instant,
    wall: Wall,
    rate_ppm: u32,
    rng: Mutex<StdRng>,
    killed: CancellationToken,
    tasks: TaskTracker,
    pause: Pause,
}

const EXACT_PPM: u32 = 1_000_000;

impl Context {
    /// The machine's own clocks and entropy.
    pub fn system() -> Self {
        Self::new(Wall::System, EXACT_PPM, rand::make_rng())
    }

    /// Clocks driven by tokio's (usually paused) time and randomness drawn from `seed`.
    ///
    /// `epoch_instant` is the instant at which the simulation's wall clock shows `clock.epoch`: a replica that
    /// restarts later gets a fresh monotonic clock, but not a fresh wall clock.
    pub fn simulated(clock: SimulatedClock, epoch_instant: Instant, seed: u64) -> Self {
        let wall = Wall::Simulated { epoch: clock.epoch, offset: clock.offset, epoch_instant };
        Self::new(wall, clock.rate_ppm.max(1), StdRng::seed_from_u64(seed))
    }

    fn new(wall: Wall, rate_ppm: u32, rng: StdRng) -> Self {
        let inner = Inner {
            start: Instant::now(),
            wall,
            rate_ppm,
            rng: Mutex::new(rng),
            killed: CancellationToken::new(),
            tasks: TaskTracker::new(),
            pause: Pause::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The replica's wall clock. Other replicas' clocks may differ.
    pub fn now(&self) -> Timestamp {
        match self.inner.wall {
            Wall::System => Timestamp::now(),
            Wall::Simulated { epoch, offset, epoch_instant } => {
                let elapsed = self.to_local(Instant::now().saturating_duration_since(epoch_instant));
                let elapsed = SignedDuration::try_from(elapsed).unwrap_or(SignedDuration::MAX);
                epoch.saturating_add(offset.saturating_add(elapsed)).unwrap_or(epoch)
            }
        }
    }

    /// The replica's monotonic clock.
    pub fn monotonic(&self) -> Monotonic {
        Monotonic(self.to_local(Instant::now().saturating_duration_since(self.inner.start)))
    }

    /// Waits for `duration` of the replica's own time.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(self.to_runtime(duration)).await;
    }

    /// Waits until the replica's monotonic clock shows `deadline`.
    pub async fn sleep_until(&self, deadline: Monotonic) {
        self.sleep(deadline.since(self.monotonic())).await;
    }

    /// Runs `future`, for `duration` of the replica's own time at most.
    pub async fn timeout<F: Future>(&self, duration: Duration, future: F) -> Result<F::Output, Elapsed> {
        tokio::time::timeout(self.to_runtime(duration), future).await.map_err(|_| Elapsed)
    }

    /// Runs `future` until the replica's monotonic clock shows `deadline` at most.
    pub async fn timeout_at<F: Future>(&self, deadline: Monotonic, future: F) -> Result<F::Output, Elapsed> {
        self.timeout(deadline.since(self.monotonic()), future).await
    }

    /// Starts a task that ends with the instance: it is dropped at its next suspension once [`Context::kill`] was called.
    pub fn spawn<F>(&self, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let killed = self.inner.killed.clone();
        // Each layer around it would move it and hold it twice, and it is large.
        let task = self.pausable(Box::pin(future));
        self.inner.tasks.spawn(async move {
            killed.run_until_cancelled_owned(task).await;
        });
    }

    /// Stops the instance as SIGSTOP would: none of its tasks goes on, and timers that come due are late.
    pub fn pause(&self) {
        self.inner.pause.set(true);
    }

    /// Lets a paused instance go on.
    pub fn resume(&self) {
        self.inner.pause.set(false);
    }

    /// `future` as a part of this instance: it stands still while the instance is paused.
    pub fn pausable<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        let inner = Arc::clone(&self.inner);
        async move {
            let mut future = pin!(future);
            poll_fn(|cx| if inner.pause.holds(cx) { Poll::Pending } else { future.as_mut().poll(cx) }).await
        }
    }

    /// Ends the instance as a crash would: its tasks are dropped wherever they are suspended.
    pub fn kill(&self) {
        self.inner.killed.cancel();
    }

    /// Resolves once [`Context::kill`] was called.
    pub async fn killed(&self) {
        self.inner.killed.cancelled().await;
    }

    /// Waits until every task started with [`Context::spawn`] has ended.
    pub async fn drained(&self) {
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    /// A random number from the whole range of `u64`.
    pub fn random(&self) -> u64 {
        self.with_rng(|rng| rng.next_u64())
    }

    /// A random duration in `low..=high`.
    pub fn jitter(&self, low: Duration, high: Duration) -> Duration {
        if low >= high {
            return low;
        }
        self.with_rng(|rng| rng.random_range(low..=high))
    }

    fn with_rng<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        draw(&mut self.inner.rng.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn to_local(&self, runtime: Duration) -> Duration {
        scale(runtime, self.inner.rate_ppm, EXACT_PPM)
    }

    fn to_runtime(&self, local: Duration) -> Duration {
        scale(local, EXACT_PPM, self.inner.rate_ppm)
    }
}

/// Whether an instance stands still, and who is to be woken when it goes on.
#[derive(Default)]
struct Pause {
    paused: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

impl Pause {
    fn set(&self, paused: bool) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.paused.store(paused, Ordering::Release);
        if !paused {
            waiting.drain(..).for_each(Waker::wake);
        }
    }

    /// Whether the task of `cx` must wait; it is then woken by the end of the pause.
    fn holds(&self, cx: &task::Context<'_>) -> bool {
        if !self.paused.load(Ordering::Acquire) {
            return false;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // Again under the lock: the pause may just have ended.
        let holds = self.paused.load(Ordering::Acquire);
        if holds && !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        holds
    }
}

fn scale(duration: Duration, numerator: u32, denominator: u32) -> Duration {
    if numerator == denominator {
        return duration;
    }
    duration.checked_mul(numerator).map_or(duration, |scaled| scaled / denominator)
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("monotonic", &self.monotonic()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_paused_instance_finds_its_timers_late_when_it_goes_on() {
        let clock = SimulatedClock { epoch: Timestamp::UNIX_EPOCH, offset: SignedDuration::ZERO, rate_ppm: EXACT_PPM };
        let context = Context::simulated(clock, Instant::now(), 1);
        let (woken, mut wakes) = tokio::sync::mpsc::unbounded_channel();
        let task = context.clone();
        context.spawn(async move {
            task.sleep(Duration::from_secs(1)).await;
            let _ = woken.send(task.monotonic().since_start().as_secs());
        });
        tokio::time::sleep(Duration::from_millis(500)).await;
        context.pause();
        tokio::time::sleep(Duration::from_secs(9)).await;
        assert!(wakes.try_recv().is_err(), "it ran while it was paused");
        context.resume();
        assert_eq!(wakes.recv().await, Some(9));
    }
}

//! Time, randomness and tasks of one gateway instance.
//!
//! Everything in this crate that reads a clock, sleeps, draws a random number or starts a task does so through a
//! [`Context`], so that a simulator can give each replica clocks that are wrong or stand still, a seed, and a sudden death.
//!
//! Timers run by tokio's clock, which a suspended machine stops. So what a decision rests on is never that a timer has not
//! fired yet, but [`Context::monotonic`], and a wait that must not end early ends by [`Context::steady`].
#![allow(clippy::disallowed_methods, reason = "the one place that touches clocks and entropy")]

use std::{
    fmt,
    future::{Future, poll_fn},
    ops::{Add, Sub},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use jiff::Timestamp;
use parking_lot::Mutex;
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    clock::{Gain, Machine, Simulation},
    pause::Pause,
};

mod clock;
mod pause;
#[cfg(test)]
mod tests;

pub use clock::SimulatedClock;

/// A reading of the replica's monotonic clock: the time since the instance started, at most.
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

enum Clock {
    System(Machine),
    Simulated(Simulation),
}

/// The time, randomness and tasks of one gateway instance; cheap to clone.
#[derive(Clone)]
pub struct Context {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Clock,
    gain: Mutex<Gain>,
    rng: Mutex<StdRng>,
    killed: CancellationToken,
    tasks: TaskTracker,
    pause: Pause,
}

impl Context {
    /// The machine's own clocks and entropy.
    pub fn system() -> Self {
        Self::new(Clock::System(Machine::start()), rand::make_rng())
    }

    /// Clocks driven by tokio's (usually paused) time and randomness drawn from `seed`.
    ///
    /// `epoch_instant` is the instant at which the simulation's wall clock shows `clock.epoch`: a replica that
    /// restarts later gets a fresh monotonic clock, but not a fresh wall clock.
    pub fn simulated(clock: SimulatedClock, epoch_instant: Instant, seed: u64) -> Self {
        Self::new(Clock::Simulated(Simulation::start(clock, epoch_instant)), StdRng::seed_from_u64(seed))
    }

    fn new(clock: Clock, rng: StdRng) -> Self {
        let inner = Inner {
            clock,
            gain: Mutex::default(),
            rng: Mutex::new(rng),
            killed: CancellationToken::new(),
            tasks: TaskTracker::new(),
            pause: Pause::default(),
        };
        let context = Self { inner: Arc::new(inner) };
        context.monotonic();
        context
    }

    /// The replica's wall clock. Other replicas' clocks may differ.
    pub fn now(&self) -> Timestamp {
        match &self.inner.clock {
            Clock::System(_) => Timestamp::now(),
            Clock::Simulated(simulation) => simulation.wall(),
        }
    }

    /// The most time that may have passed since the instance started: the monotonic clock, and what the wall clock has
    /// gained on it, which is what a suspended machine slept through. For ages and deadlines, where a moment too late is
    /// safe. They begin before the read or request that they are about.
    pub fn monotonic(&self) -> Monotonic {
        // In order, so that an older look at the clocks cannot pass for one at a wall clock that was set back.
        let mut gain = self.inner.gain.lock();
        let steady = self.steady();
        Monotonic(steady.saturating_add(gain.observe(steady, self.now())))
    }

    /// The time that has passed for certain since the instance started, whatever happened to the wall clock. For waits
    /// that must not end early.
    pub fn steady(&self) -> Duration {
        match &self.inner.clock {
            Clock::System(machine) => machine.elapsed(),
            Clock::Simulated(simulation) => simulation.elapsed(),
        }
    }

    /// Waits for `duration` of the replica's own time.
    pub async fn sleep(&self, duration: Duration) {
        let timer = Timer::start(self, duration);
        loop {
            tokio::time::sleep(timer.left().unwrap_or_default()).await;
            if timer.left().is_none() {
                return;
            }
        }
    }

    /// Waits until the replica's monotonic clock shows `deadline`.
    pub async fn sleep_until(&self, deadline: Monotonic) {
        self.sleep(deadline.since(self.monotonic())).await;
    }

    /// Runs `future`, for `duration` of the replica's own time at most.
    pub async fn timeout<F: Future>(&self, duration: Duration, future: F) -> Result<F::Output, Elapsed> {
        let timer = Timer::start(self, duration);
        let mut future = pin!(future);
        loop {
            let left = timer.left().unwrap_or_default();
            match tokio::time::timeout(left, future.as_mut()).await {
                Ok(output) => return Ok(output),
                Err(_) if timer.left().is_none() => return Err(Elapsed),
                Err(_) => {}
            }
        }
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

    /// Suspends the machine of a simulated instance: its monotonic clock and its timers stand still, while its wall clock
    /// goes on. One on the machine's own clocks is only paused.
    pub fn suspend(&self) {
        self.pause();
        if let Clock::Simulated(simulation) = &self.inner.clock {
            simulation.suspend();
        }
    }

    /// Lets a paused or suspended instance go on.
    pub fn resume(&self) {
        if let Clock::Simulated(simulation) = &self.inner.clock {
            simulation.resume();
        }
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
        draw(&mut self.inner.rng.lock())
    }

    /// `local`, of the replica's own time, in tokio's.
    fn to_runtime(&self, local: Duration) -> Duration {
        match &self.inner.clock {
            Clock::System(_) => local,
            Clock::Simulated(simulation) => simulation.to_runtime(local),
        }
    }

    /// For how long a simulated machine was suspended so far, in tokio's time.
    fn suspended(&self) -> Duration {
        match &self.inner.clock {
            Clock::System(_) => Duration::ZERO,
            Clock::Simulated(simulation) => simulation.suspended(),
        }
    }
}

/// A timer that stands still while its machine is suspended.
struct Timer<'a> {
    context: &'a Context,
    duration: Duration,
    start: Instant,
    suspended: Duration,
}

impl<'a> Timer<'a> {
    fn start(context: &'a Context, duration: Duration) -> Self {
        let duration = context.to_runtime(duration);
        Self { context, duration, start: Instant::now(), suspended: context.suspended() }
    }

    /// For how long tokio is to wait, unless the timer has run out.
    fn left(&self) -> Option<Duration> {
        let slept = self.context.suspended().saturating_sub(self.suspended);
        let left = self.duration.saturating_add(slept).saturating_sub(self.start.elapsed());
        (!left.is_zero()).then_some(left)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("monotonic", &self.monotonic()).finish_non_exhaustive()
    }
}

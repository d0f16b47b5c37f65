//! How much time has passed, for an instance that may have slept.
//!
//! When a machine is suspended, CLOCK_MONOTONIC stands still; when a virtual one is, CLOCK_BOOTTIME may stand still too.
//! The wall clock is put right once it goes on: what it has gained on the monotonic clock may have been slept through.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use tokio::time::Instant;

/// The wall clock may fall behind the monotonic one by so much (a slewed clock, or a thread that was held up between its
/// two readings) before it counts as set back. A sleep that is shorter may go unseen then.
const SET_BACK: SignedDuration = SignedDuration::from_millis(100);

/// The time since an instance started during which its machine was certainly running or known to sleep.
#[derive(Debug)]
pub(super) struct Machine {
    /// CLOCK_MONOTONIC, or the simulation's.
    start: Instant,
    boot: Duration,
}

impl Machine {
    pub(super) fn start() -> Self {
        Self { start: Instant::now(), boot: since_boot() }
    }

    /// By the clock that shows the longer.
    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed().max(since_boot().saturating_sub(self.boot))
    }
}

/// CLOCK_BOOTTIME, which counts suspensions.
#[cfg(target_os = "linux")]
fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(not(target_os = "linux"))]
fn since_boot() -> Duration {
    Duration::ZERO
}

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

/// The clocks of a simulated machine, driven by tokio's time.
pub(super) struct Simulation {
    clock: SimulatedClock,
    epoch: Instant,
    start: Instant,
    suspension: Mutex<Suspension>,
}

/// When a simulated machine stood still, in tokio's time.
#[derive(Default)]
struct Suspension {
    since: Option<Instant>,
    total: Duration,
}

const EXACT_PPM: u32 = 1_000_000;

impl Simulation {
    pub(super) fn start(clock: SimulatedClock, epoch: Instant) -> Self {
        let clock = SimulatedClock { rate_ppm: clock.rate_ppm.max(1), ..clock };
        Self { clock, epoch, start: Instant::now(), suspension: Mutex::default() }
    }

    /// The wall clock, which suspensions do not stop.
    pub(super) fn wall(&self) -> Timestamp {
        let SimulatedClock { epoch, offset, .. } = self.clock;
        let elapsed = SignedDuration::try_from(self.to_local(self.epoch.elapsed())).unwrap_or(SignedDuration::MAX);
        epoch.saturating_add(offset.saturating_add(elapsed)).unwrap_or(epoch)
    }

    /// The monotonic clock, which stands still while suspended.
    pub(super) fn elapsed(&self) -> Duration {
        self.to_local(self.start.elapsed().saturating_sub(self.suspended()))
    }

    /// For how long the machine was suspended so far, in tokio's time.
    pub(super) fn suspended(&self) -> Duration {
        let suspension = self.suspension.lock();
        suspension.total + suspension.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    pub(super) fn suspend(&self) {
        self.suspension.lock().since.get_or_insert_with(Instant::now);
    }

    pub(super) fn resume(&self) {
        let mut suspension = self.suspension.lock();
        if let Some(since) = suspension.since.take() {
            suspension.total += since.elapsed();
        }
    }

    fn to_local(&self, runtime: Duration) -> Duration {
        scale(runtime, self.clock.rate_ppm, EXACT_PPM)
    }

    pub(super) fn to_runtime(&self, local: Duration) -> Duration {
        let runtime = scale(local, EXACT_PPM, self.clock.rate_ppm);
        // Rounded up: where a timer ends before its clock shows the end, whoever waits for that asks again without a pause.
        let is_early = self.to_local(runtime) < local;
        runtime.saturating_add(Duration::from_nanos(is_early.into()))
    }
}

fn scale(duration: Duration, numerator: u32, denominator: u32) -> Duration {
    if numerator == denominator {
        return duration;
    }
    duration.checked_mul(numerator).map_or(duration, |scaled| scaled / denominator)
}

/// What the wall clock has gained on the monotonic one.
#[derive(Debug, Default)]
pub(super) struct Gain {
    /// By how much it was ahead when it was looked at.
    lead: Option<SignedDuration>,
    total: Duration,
}

impl Gain {
    /// All that the wall clock has gained, now that it shows `wall` when `elapsed` has passed on the monotonic clock. What
    /// it loses is not subtracted: to be set back takes nothing from what was slept.
    pub(super) fn observe(&mut self, elapsed: Duration, wall: Timestamp) -> Duration {
        let elapsed = SignedDuration::try_from(elapsed).unwrap_or(SignedDuration::MAX);
        let lead = wall.as_duration().saturating_sub(elapsed);
        let before = *self.lead.get_or_insert(lead);
        let gained = lead.saturating_sub(before);
        if let Ok(gained) = Duration::try_from(gained) {
            self.total = self.total.saturating_add(gained);
            self.lead = Some(lead);
        } else if gained < -SET_BACK {
            self.lead = Some(lead);
        }
        self.total
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// Seconds of the monotonic and of the wall clock, at each look.
    #[rstest]
    #[case::together(&[(0, 1000), (10, 1010), (20, 1020)], 0)]
    #[case::suspended(&[(0, 1000), (10, 1010), (11, 1311)], 300)]
    #[case::suspended_twice(&[(0, 1000), (1, 1301), (2, 1402)], 400)]
    #[case::set_back(&[(0, 1000), (10, 510), (20, 520)], 0)]
    #[case::set_back_then_suspended(&[(0, 1000), (10, 510), (20, 820)], 300)]
    #[case::suspended_then_set_back(&[(0, 1000), (10, 1310), (20, 820), (30, 830)], 300)]
    #[case::before_1970(&[(0, -10), (10, 20)], 20)]
    fn what_the_wall_clock_gains_was_slept_through(#[case] looks: &[(u64, i64)], #[case] slept: u64) {
        let mut gain = Gain::default();
        let mut total = Duration::ZERO;
        for &(elapsed, wall) in looks {
            total = gain.observe(Duration::from_secs(elapsed), Timestamp::new(wall, 0).unwrap());
        }
        assert_eq!(total, Duration::from_secs(slept));
    }

    #[test]
    fn delays_between_the_readings_of_the_two_clocks_do_not_add_up() {
        let mut gain = Gain::default();
        for second in 0..10_000_i64 {
            // Every second look is held up for 20 ms between the two readings.
            let late = if second % 2 == 0 { 0 } else { 20_000_000 };
            gain.observe(Duration::from_secs(second.cast_unsigned()), Timestamp::new(1000 + second, late).unwrap());
        }
        assert_eq!(gain.total, Duration::from_millis(20));
    }

    #[test]
    fn the_machines_clock_goes_on() {
        let machine = Machine::start();
        let before = machine.elapsed();
        assert!((0..100_000_000).any(|_| machine.elapsed() > before));
    }
}

use jiff::SignedDuration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;

/// An instance whose clocks begin now.
fn instance(rate_ppm: u32) -> Context {
    let clock = SimulatedClock { epoch: Timestamp::UNIX_EPOCH, offset: SignedDuration::ZERO, rate_ppm };
    Context::simulated(clock, Instant::now(), 1)
}

/// An instance that tells after a second what its clocks show; half of that second is over.
async fn half_way() -> (Context, UnboundedReceiver<(u64, u64)>) {
    let context = instance(1_000_000);
    let (woken, wakes) = unbounded_channel();
    let task = context.clone();
    context.spawn(async move {
        task.sleep(Duration::from_secs(1)).await;
        let _ = woken.send((task.monotonic().since_start().as_secs(), task.steady().as_secs()));
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    (context, wakes)
}

#[tokio::test(start_paused = true)]
async fn a_paused_instance_finds_its_timers_late_when_it_goes_on() {
    let (context, mut wakes) = half_way().await;
    context.pause();
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert!(wakes.try_recv().is_err(), "it ran while it was paused");
    context.resume();
    assert_eq!(wakes.recv().await, Some((9, 9)));
}

#[tokio::test(start_paused = true)]
async fn a_suspended_machine_has_timers_that_go_on_where_they_stopped_and_knows_how_long_it_slept() {
    let (context, mut wakes) = half_way().await;
    context.suspend();
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert!(wakes.try_recv().is_err(), "it ran while it was suspended");
    context.resume();
    assert_eq!(context.monotonic(), Monotonic::from_start(Duration::from_millis(9500)));
    assert_eq!(wakes.recv().await, Some((10, 1)));
    assert_eq!(context.now(), Timestamp::from_second(10).unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_timeout_stands_still_while_its_machine_is_suspended() {
    let (context, _wakes) = half_way().await;
    let task = context.clone();
    let (ended, mut ends) = unbounded_channel();
    context.spawn(async move {
        let result = task.timeout(Duration::from_secs(2), std::future::pending::<()>()).await;
        let _ = ended.send((result, task.now().as_second()));
    });
    tokio::task::yield_now().await;
    context.suspend();
    tokio::time::sleep(Duration::from_secs(30)).await;
    context.resume();
    assert_eq!(ends.recv().await, Some((Err(Elapsed), 32)));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_fast_or_slow_shows_the_end_of_a_wait_when_that_is_over() {
    for rate_ppm in [950_000, 1_000_000, 1_000_001, 1_050_000] {
        let context = instance(rate_ppm);
        for nanos in [1, 2, 999_999, 1_000_000, 1_678_819] {
            let end = context.monotonic() + Duration::from_nanos(nanos);
            context.sleep_until(end).await;
            assert!(context.monotonic() >= end, "{nanos} ns at {rate_ppm} ppm");
        }
    }
}

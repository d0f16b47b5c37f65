//! Random faults over several replicas while remediations end and replicas crash; then all heals, and must be right.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use embedded_apiserver::{Caller, Effect, Fault, Faults, RequestInfo, WatchFault};
use harness::{
    fleet::{Fleet, Skew},
    replica::{Replica, config},
    testing::{assert_quiet, discard, end, name_of, rest, send, wait_ms},
};
use jiff::SignedDuration;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::Value;

use super::lineage::by_ordinal;

/// Faults at random while on.
struct Storm {
    rng: Mutex<StdRng>,
    on: std::sync::atomic::AtomicBool,
    /// Of a thousand requests, how many go wrong.
    per_mille: u32,
}

impl Storm {
    fn calm(&self) {
        self.on.store(false, std::sync::atomic::Ordering::SeqCst);
    }
}

impl Faults for Storm {
    fn decide(&self, request: &RequestInfo) -> Fault {
        let mut rng = self.rng.lock().unwrap();
        let mut delay = |max: u64| Duration::from_millis(rng.random_range(0..=max));
        let mut fault = Fault { delay_before: delay(4), delay_after: delay(4), ..Fault::default() };
        let of_gateway = request.caller.user.starts_with("gateway-pod-");
        let on = self.on.load(std::sync::atomic::Ordering::SeqCst);
        if !on || !of_gateway || rng.random_range(0..1000) >= self.per_mille {
            return fault;
        }
        match rng.random_range(0..8) {
            0 => fault.before = Some(Effect::Reset),
            1 => fault.after = Some(Effect::Reset),
            2 => fault.before = Some(Effect::internal_error()),
            3 => fault.after = Some(Effect::internal_error()),
            4 => fault.before = Some(Effect::unavailable()),
            5 => fault.after = Some(Effect::timed_out()),
            6 => fault.before = Some(Effect::throttled(1)),
            _ => fault.delay_before = Duration::from_millis(rng.random_range(0..20_000)),
        }
        fault
    }

    fn watch_event(&self, _: &Caller, _: &str) -> WatchFault {
        let mut rng = self.rng.lock().unwrap();
        let on = self.on.load(std::sync::atomic::Ordering::SeqCst);
        match rng.random_range(0..40) {
            0 if on => WatchFault::Break,
            1 if on => WatchFault::End,
            2 if on => WatchFault::Expire,
            3 if on => WatchFault::Delay(Duration::from_millis(rng.random_range(0..3_000))),
            _ => WatchFault::Delay(Duration::from_millis(rng.random_range(0..5))),
        }
    }
}

/// Ends the newest remediation now and then, as a controller that knows nothing of gateways.
async fn controller(fleet: &Fleet, rounds: usize) {
    for _ in 0..rounds {
        wait_ms(2_500).await;
        let newest = by_ordinal(fleet).pop();
        if let Some(newest) = newest.filter(|newest| newest["status"]["overallPhase"] == Value::Null) {
            end(fleet, &name_of(&newest), "Completed").await;
        }
    }
}

async fn sender(fleet: &Fleet, replica: &Replica, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    for _ in 0..12 {
        wait_ms(rng.random_range(0..1_500)).await;
        for _ in 0..3 {
            if send(fleet, replica, "random").await.status.is_success() {
                break;
            }
            wait_ms(500).await;
        }
    }
}

async fn run(seed: u64, per_mille: u32) {
    let fleet = Fleet::new(seed);
    let storm = Storm { rng: Mutex::new(StdRng::seed_from_u64(seed)), on: true.into(), per_mille };
    let storm = Arc::new(storm);
    let replicas = fleet.start_all(3).await;
    fleet.api.set_faults(storm.clone());
    let senders = (0..6_u64).map(|i| sender(&fleet, &replicas[(i % 3) as usize], seed * 100 + i));
    futures::join!(futures::future::join_all(senders), controller(&fleet, 6));
    storm.calm();
    // Requests on their way land, claims are cleared, leases collected.
    wait_ms(320_000).await;
    for replica in &replicas {
        assert!(send(&fleet, replica, "random").await.status.is_success(), "seed {seed}: it heals");
    }
    rest().await;
    let finalizers = fleet.requests().iter().filter(|r| !r["metadata"]["finalizers"].is_null()).count();
    assert_eq!(finalizers, 0, "seed {seed}");
    let violations = fleet.finish();
    assert!(violations.is_empty(), "seed {seed}: {violations:#?}");
    discard(&replicas);
}

#[tokio::test(start_paused = true)]
async fn random_faults_lose_no_count_and_make_no_second_active_remediation_request() {
    for seed in 0..30 {
        run(seed, [20, 100, 300][seed as usize % 3]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn clocks_that_are_wrong_cost_round_trips_and_nothing_else() {
    for seed in 0..10 {
        let fleet = Fleet::new(seed);
        harness::testing::script(&fleet);
        let hour = SignedDuration::from_hours(1);
        let skews =
            [Skew::default(), Skew { offset: hour, rate_ppm: 50_000 }, Skew { offset: -hour, rate_ppm: -50_000 }];
        let mut replicas = Vec::new();
        for (i, skew) in skews.into_iter().enumerate() {
            replicas.push(fleet.start_with(i + 1, config(), skew).await);
        }
        for round in 0..4_u64 {
            let sends = (0..12_usize).map(|i| send(&fleet, &replicas[i % 3], "clocks"));
            let answers = futures::future::join_all(sends).await;
            assert!(answers.iter().all(|answer| answer.status.is_success()), "seed {seed}: {answers:?}");
            rest().await;
            let all = by_ordinal(&fleet);
            assert_eq!(all.len() as u64, round + 1, "seed {seed}");
            assert_eq!(harness::testing::count_of(&all[round as usize]), 12, "seed {seed}");
            end(&fleet, &name_of(&all[round as usize]), "Completed").await;
            wait_ms(20).await;
        }
        rest().await;
        // A clock that is an hour ahead takes valid leases over: that is what the lease oracle is there to see.
        let others: Vec<_> = fleet.finish().into_iter().filter(|violation| violation.oracle != "leases").collect();
        assert!(others.is_empty(), "seed {seed}: {others:#?}");
        assert!(fleet.leases().is_empty());
        discard(&replicas);
    }
}

#[tokio::test(start_paused = true)]
async fn replicas_that_crash_and_restart_lose_nothing_that_was_acknowledged() {
    for seed in 0..20 {
        let fleet = Fleet::new(seed);
        let storm = Storm { rng: Mutex::new(StdRng::seed_from_u64(seed)), on: true.into(), per_mille: 30 };
        let storm = Arc::new(storm);
        fleet.api.set_faults(storm.clone());
        let mut rng = StdRng::seed_from_u64(seed);
        for _ in 0..5 {
            let replicas = fleet.start_all(2).await;
            let sends = (0..10_usize).map(|i| send(&fleet, &replicas[i % 2], "restarts"));
            let crash = async {
                wait_ms(rng.random_range(0..60)).await;
                for replica in &replicas {
                    replica.crash();
                    if seed % 2 == 0 {
                        fleet.api.disconnect(&replica.name);
                    } else {
                        fleet.api.disconnect_after_send(&replica.name);
                    }
                }
            };
            futures::join!(futures::future::join_all(sends), crash);
            if let Some(newest) = by_ordinal(&fleet).pop().filter(|_| rng.random_bool(0.5)) {
                end(&fleet, &name_of(&newest), "Failed").await;
            }
        }
        storm.calm();
        let last = fleet.start(1).await;
        assert!(send(&fleet, &last, "restarts").await.status.is_success(), "seed {seed}");
        wait_ms(320_000).await;
        assert_quiet(&fleet);
        discard(&[last]);
    }
}

//! One seed, one history: two runs of a seed have the same trace, and where two runs part is told.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use embedded_apiserver::{Caller, Effect, Fault, Faults, RequestInfo, WatchFault};
use futures::future::join_all;
use gateway::remediation::Fingerprint;
use harness::{
    baselines::Protocol,
    fleet::Fleet,
    load::webhook,
    trace::{Event, Life, Mode, Trace, What, first_difference},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rstest::rstest;

const PROMETHEUS: &str = "/api/v1/signals/prometheus";
const STARTS_AT: &str = "2026-10-31T23:00:00Z";

/// Latencies and a few losses, by seed.
struct Weather(Mutex<StdRng>);

impl Faults for Weather {
    fn decide(&self, _: &RequestInfo) -> Fault {
        let mut rng = self.0.lock().unwrap();
        let mut delay = || Duration::from_millis(rng.random_range(0..20));
        let mut fault = Fault { delay_before: delay(), delay_after: delay(), ..Fault::default() };
        match rng.random_range(0..20) {
            0 => fault.before = Some(Effect::Reset),
            1 => fault.after = Some(Effect::Reset),
            2 => fault.before = Some(Effect::unavailable()),
            _ => {}
        }
        fault
    }

    fn watch_event(&self, _: &Caller, _: &str) -> WatchFault {
        let mut rng = self.0.lock().unwrap();
        match rng.random_range(0..30) {
            0 => WatchFault::Break,
            delay => WatchFault::Delay(Duration::from_millis(delay)),
        }
    }
}

/// What a run leaves behind.
struct Run {
    hash: u64,
    events: Vec<Event>,
}

/// A run in a runtime of its own: what is left of another run would take part in it.
fn simulate(seed: u64, protocol: Protocol, mode: Mode, also: impl AsyncFn(&Trace)) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(scenario(seed, protocol, mode, also))
}

/// Three replicas, twelve signals on two resources, a crash, and whatever `also` does.
async fn scenario(seed: u64, protocol: Protocol, mode: Mode, also: impl AsyncFn(&Trace)) -> Run {
    let fleet = Fleet::new(seed).with_protocol(protocol).with_trace(mode);
    let replicas = fleet.start_all(3).await;
    fleet.api.set_faults(Arc::new(Weather(Mutex::new(StdRng::seed_from_u64(seed)))));
    let sends = (0..12_u64).map(async |number| {
        tokio::time::sleep(Duration::from_millis(number * 7)).await;
        let resource = format!("web-{}", number % 2);
        let fingerprint = Fingerprint::of(&format!("shop:Deployment:{resource}"));
        let body = webhook(&resource, STARTS_AT).to_string();
        let answer = fleet.send(&replicas[number as usize % 3], PROMETHEUS, body, fingerprint.as_str());
        let _ = tokio::time::timeout(Duration::from_secs(20), answer).await;
    });
    let crash = async {
        tokio::time::sleep(Duration::from_millis(60)).await;
        fleet.trace.life(&replicas[2].name, Life::Crashed);
        fleet.api.disconnect(&replicas[2].name);
        replicas[2].crash();
    };
    futures::join!(join_all(sends), crash, also(&fleet.trace));
    tokio::time::sleep(Duration::from_secs(60)).await;
    fleet.trace.end(&fleet.finish());
    for replica in &replicas {
        replica.crash();
    }
    Run { hash: fleet.trace.hash(), events: fleet.trace.events() }
}

fn run(seed: u64, mode: Mode) -> Run {
    simulate(seed, Protocol::Fenced, mode, async |_| {})
}

#[test]
fn two_runs_of_one_seed_are_the_same_and_two_seeds_differ() {
    let mut hashes = Vec::new();
    for seed in 0..8 {
        let (first, second) = (run(seed, Mode::Full), run(seed, Mode::Full));
        if let Some(difference) = first_difference(&first.events, &second.events) {
            panic!("seed {seed}: {difference}");
        }
        assert_eq!(first.hash, second.hash, "seed {seed}");
        assert!(first.events.len() > 100, "seed {seed}: {} events", first.events.len());
        hashes.push(first.hash);
    }
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 8);
}

#[rstest]
fn every_protocol_is_deterministic(
    #[values(Protocol::FenceOnly, Protocol::DerivedOnly, Protocol::LeaseOnly, Protocol::Unlocked)] protocol: Protocol,
) {
    let first = simulate(3, protocol, Mode::Hash, async |_| {});
    assert_eq!(first.hash, simulate(3, protocol, Mode::Hash, async |_| {}).hash);
}

#[test]
fn the_hash_is_the_same_whether_events_are_kept_or_not() {
    let (kept, hashed) = (run(5, Mode::Full), run(5, Mode::Hash));
    assert_eq!(kept.hash, hashed.hash);
    assert!(hashed.events.is_empty());
    let off = run(5, Mode::Off);
    assert!(off.events.is_empty());
    assert_ne!(off.hash, kept.hash, "nothing is recorded when off");
}

#[test]
fn a_run_that_differs_is_told_by_its_first_differing_event() {
    let first = run(1, Mode::Full);
    let second = simulate(1, Protocol::Fenced, Mode::Full, async |trace| {
        tokio::time::sleep(Duration::from_millis(40)).await;
        trace.note("user", "looks in");
    });
    assert_ne!(first.hash, second.hash);
    let difference = first_difference(&first.events, &second.events).expect("they differ");
    let event = difference.right.clone().expect("the second run has more");
    assert_eq!((event.actor.as_str(), &event.what), ("user", &What::Note("looks in".to_owned())));
    assert!(event.at >= Duration::from_millis(40));
    assert!(difference.after > 10);
    assert_eq!(first.events[..difference.after], second.events[..difference.after]);
    assert!(difference.to_string().contains("user: looks in"), "{difference}");
}

#[tokio::test(start_paused = true)]
async fn a_difference_in_a_part_that_is_not_shown_is_found_too() {
    let events = async |summary: &str| {
        let fleet = Fleet::new(1).with_trace(Mode::Full);
        let annotations = serde_json::json!({ "summary": summary });
        fleet.api.seed(serde_json::json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "n", "annotations": annotations },
        }));
        fleet.trace.events()
    };
    assert_eq!(first_difference(&events("same").await, &events("same").await), None);
    let difference = first_difference(&events("one").await, &events("other").await).expect("they differ");
    assert!(difference.to_string().contains("not shown"), "{difference}");
}

#[tokio::test(start_paused = true)]
async fn what_happens_after_the_end_is_no_part_of_the_trace() {
    let trace = Trace::new(Mode::Full);
    trace.note("user", "looks in");
    let (hash, posted) = (trace.hash(), trace.posted("gateway-pod-1", "f"));
    assert_ne!(hash, trace.hash());
    let hash = trace.hash();
    trace.end(&[]);
    drop(posted);
    assert_eq!((trace.hash(), trace.events().len()), (hash, 2));
}

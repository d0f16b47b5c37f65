//! Every signal is counted once, whatever replicas do at the same time.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use embedded_apiserver::{Fault, Faults, RequestInfo, WatchFault};
use harness::{
    fleet::Fleet,
    testing::{answered, assert_quiet, count_of, discard, lines, only, rest, send, wait_ms},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

/// Everything takes a random time, watches included.
struct Jitter {
    rng: Mutex<StdRng>,
    max_ms: u64,
}

impl Jitter {
    fn draw(&self) -> Duration {
        Duration::from_millis(self.rng.lock().unwrap().random_range(0..=self.max_ms))
    }
}

impl Faults for Jitter {
    fn decide(&self, request: &RequestInfo) -> Fault {
        if request.verb == "watch" {
            return Fault::default();
        }
        Fault { delay_before: self.draw(), delay_after: self.draw(), ..Fault::default() }
    }

    fn watch_event(&self, _: &embedded_apiserver::Caller, _: &str) -> WatchFault {
        WatchFault::Delay(self.draw() * 3)
    }
}

/// Registers on all counters.
fn registers(fleet: &Fleet) -> usize {
    let leases = fleet.api.objects("leases");
    let annotations = leases.iter().filter_map(|lease| lease["metadata"]["annotations"].as_object());
    annotations.flat_map(|annotations| annotations.keys()).filter(|key| !key.ends_with("/base")).count()
}

#[tokio::test(start_paused = true)]
async fn the_count_is_exact_over_replicas_and_latencies_without_any_conflict() {
    for seed in 0..20 {
        let fleet = Fleet::new(seed);
        let rng = Mutex::new(StdRng::seed_from_u64(seed));
        fleet.api.set_faults(Arc::new(Jitter { rng, max_ms: 1 + seed }));
        let replicas = fleet.start_all(3).await;
        let sends = (0..90_u64).map(|i| {
            let (fleet, replica) = (&fleet, &replicas[(i % 3) as usize]);
            async move {
                wait_ms(i * 7 % 100).await;
                send(fleet, replica, "accuracy").await
            }
        });
        let answers = futures::future::join_all(sends).await;
        assert_eq!((answered(&answers, 201), answered(&answers, 202)), (1, 89), "seed {seed}: {answers:?}");
        rest().await;
        assert_eq!(count_of(&only(&fleet)), 90, "seed {seed}");
        assert_eq!(registers(&fleet), 3, "seed {seed}: one of each replica");
        let refused =
            fleet.api.requests().into_iter().filter(|r| r.resource == "leases" && r.verb == "patch" && r.code != "200");
        assert_eq!(lines(&refused.collect::<Vec<_>>()), [""; 0], "seed {seed}: writers never conflict");
        assert_quiet(&fleet);
        discard(&replicas);
    }
}

#[tokio::test(start_paused = true)]
async fn the_count_is_exact_over_forty_replicas() {
    let fleet = Fleet::new(9);
    let replicas = fleet.start_all(40).await;
    for round in 0..3 {
        let sends = replicas.iter().map(|replica| send(&fleet, replica, "many-writers"));
        let answers = futures::future::join_all(sends).await;
        assert!(answers.iter().all(|answer| answer.status.is_success()), "round {round}");
    }
    rest().await;
    assert_eq!(count_of(&only(&fleet)), 120);
    assert_eq!(registers(&fleet), 40);
    assert_quiet(&fleet);
}

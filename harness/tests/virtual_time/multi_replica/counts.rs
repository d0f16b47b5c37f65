//! Every signal is counted once, whatever replicas do at the same time.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use embedded_apiserver::{Fault, Faults, RequestInfo, WatchFault};
use harness::{
    fleet::Fleet,
    testing::{answered, assert_quiet, count_of, discard, only, rest, send, wait_ms},
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

#[tokio::test(start_paused = true)]
async fn the_count_is_exact_over_replicas_latencies_and_conflicts() {
    let mut conflicts = 0.0;
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
        assert_eq!(count_of(&only(&fleet)), 90, "seed {seed}");
        let writers = only(&fleet)["status"]["deduplication"]["writers"].as_array().map_or(0, Vec::len);
        assert_eq!(writers, 3, "seed {seed}: one entry per replica");
        rest().await;
        assert_quiet(&fleet);
        conflicts += replicas.iter().filter_map(|r| r.metric("gateway_commit_conflicts_total")).sum::<f64>();
        discard(&replicas);
    }
    println!("{conflicts} conflicts in 20 runs");
    assert!(conflicts > 0.0, "the replicas never met");
}

#[tokio::test(start_paused = true)]
async fn the_count_is_exact_over_more_replicas_than_the_status_remembers_writers() {
    let fleet = Fleet::new(9);
    let replicas = fleet.start_all(40).await;
    for round in 0..3 {
        let sends = replicas.iter().map(|replica| send(&fleet, replica, "many-writers"));
        let answers = futures::future::join_all(sends).await;
        assert!(answers.iter().all(|answer| answer.status.is_success()), "round {round}");
    }
    let request = only(&fleet);
    assert_eq!(count_of(&request), 120);
    assert_eq!(request["status"]["deduplication"]["writers"].as_array().map(Vec::len), Some(32));
    rest().await;
    assert_quiet(&fleet);
}

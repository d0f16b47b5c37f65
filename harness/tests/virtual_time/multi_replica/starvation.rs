//! Replicas that count on the same RemediationRequest without a pause: one far from the Kubernetes API and one next to it,
//! or all far from it.

use std::{sync::Arc, time::Duration};

use embedded_apiserver::{Caller, Fault, Faults, RequestInfo, WatchFault};
use harness::{
    fleet::Fleet,
    replica::Replica,
    testing::{assert_quiet, count_of, discard, only, rest, send, wait_ms},
};

/// Requests and answers of one replica take `far`, those of all others `near`, and so do events.
struct Distances {
    far: Duration,
    near: Duration,
}

const FAR: &str = "gateway-pod-2";

impl Distances {
    fn way(&self, user: &str) -> Duration {
        if user == FAR { self.far } else { self.near }
    }
}

impl Faults for Distances {
    fn decide(&self, request: &RequestInfo) -> Fault {
        let way = self.way(&request.caller.user);
        Fault { delay_before: way, delay_after: way, ..Fault::default() }
    }

    fn watch_event(&self, caller: &Caller, _: &str) -> WatchFault {
        WatchFault::Delay(self.way(&caller.user))
    }
}

/// Sends a signal to `replica` every `every_ms` for `for_ms`, whether or not earlier ones are answered; tells how long the
/// slowest answer took.
async fn stream(fleet: &Fleet, replica: &Replica, every_ms: u64, for_ms: u64) -> Duration {
    let sends = (0..for_ms / every_ms).map(|number| counted_at(fleet, replica, number * every_ms));
    futures::future::join_all(sends).await.into_iter().max().unwrap_or_default()
}

/// Sends a signal to `replica` in `after_ms`, which must be counted; tells how long that took.
async fn counted_at(fleet: &Fleet, replica: &Replica, after_ms: u64) -> Duration {
    wait_ms(after_ms).await;
    let began = tokio::time::Instant::now();
    let answer = send(fleet, replica, "starvation").await;
    assert_eq!(answer.status, 202, "{} {:?}", replica.name, answer.body);
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_replica_far_from_the_api_is_not_starved_by_one_next_to_it() {
    const FOR_MS: u64 = 2_000;
    for (seed, far_ms, near_ms, every_ms) in [(1, 10, 1, 5), (2, 10, 1, 20), (3, 10, 0, 5), (4, 100, 1, 20)] {
        let fleet = Fleet::new(seed);
        let distances = Distances { far: Duration::from_millis(far_ms), near: Duration::from_millis(near_ms) };
        fleet.api.set_faults(Arc::new(distances));
        let replicas = fleet.start_all(2).await;
        assert_eq!(send(&fleet, &replicas[0], "starvation").await.status, 201);
        rest().await;
        let streams = replicas.iter().map(|replica| stream(&fleet, replica, every_ms, FOR_MS));
        let slowest = futures::future::join_all(streams).await;
        println!("{far_ms} and {near_ms} ms away, every {every_ms} ms: slowest {slowest:?}");
        // Behind a batch under way, and one of its own, after a look-up of the resource.
        assert!(slowest[1] <= Duration::from_millis(8 * far_ms + 10), "seed {seed}: {slowest:?}");
        assert!(slowest[0] <= Duration::from_millis(8 * near_ms + 10), "seed {seed}: {slowest:?}");
        rest().await;
        assert_eq!(count_of(&only(&fleet)), 1 + 2 * (FOR_MS / every_ms));
        assert_quiet(&fleet);
        discard(&replicas);
    }
}

#[tokio::test(start_paused = true)]
async fn replicas_equally_far_from_a_slow_api_wait_for_none_but_themselves() {
    const HALF_MS: u64 = 20;
    const SIGNALS: usize = 300;
    for seed in 1..4 {
        let fleet = Fleet::new(seed);
        let way = Duration::from_millis(HALF_MS);
        fleet.api.set_faults(Arc::new(Distances { far: way, near: way }));
        let replicas = fleet.start_all(3).await;
        assert_eq!(send(&fleet, &replicas[0], "starvation").await.status, 201);
        rest().await;
        // Two signals per round trip: more than there can be writes.
        let sends = (0..SIGNALS).map(|number| counted_at(&fleet, &replicas[number % 3], number as u64 * HALF_MS));
        let took = futures::future::join_all(sends).await;
        let mut round_trips: Vec<u128> = took.iter().map(|took| took.as_millis() / u128::from(2 * HALF_MS)).collect();
        round_trips.sort_unstable();
        assert!(round_trips[SIGNALS / 2] <= 2, "seed {seed}: {round_trips:?}");
        assert!(round_trips[SIGNALS - 1] <= 4, "seed {seed}: {round_trips:?}");
        rest().await;
        assert_eq!(count_of(&only(&fleet)), 1 + SIGNALS as u64);
        assert_quiet(&fleet);
        discard(&replicas);
    }
}

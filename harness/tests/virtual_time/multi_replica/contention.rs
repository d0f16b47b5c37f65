//! Two pods want the same lock: the second backs off, tries again, and finds what the first has made.

use std::time::Duration;

use embedded_apiserver::{Fault, RequestRecord};
use harness::{
    fleet::Fleet,
    testing::{answered, assert_quiet, count_of, only, rest, script, send, storm, wait_ms},
};

#[tokio::test(start_paused = true)]
async fn of_two_pods_that_receive_a_signal_at_once_one_creates_and_the_other_counts() {
    for seed in 0..20 {
        let fleet = Fleet::new(seed);
        script(&fleet);
        let replicas = fleet.start_all(2).await;
        let answers = storm(&fleet, &replicas, "contention-test", 2).await;
        assert_eq!((answered(&answers, 201), answered(&answers, 202)), (1, 1), "seed {seed}: {answers:#?}");
        let contended: f64 = replicas.iter().filter_map(|r| r.metric("gateway_lock_contention_total")).sum();
        assert!(contended >= 1.0, "seed {seed}");
        rest().await;
        assert_eq!(count_of(&only(&fleet)), 2);
        assert_quiet(&fleet);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_whose_watch_is_held_back_tries_again_after_a_growing_backoff_and_finds_the_firsts_request() {
    let fleet = Fleet::new(4);
    let script = script(&fleet);
    let replicas = fleet.start_all(2).await;
    fleet.api.hold_watches("gateway-pod-2");
    // The first keeps the lock for 200 ms.
    let slow = Fault { delay_before: Duration::from_millis(200), ..Fault::default() };
    script.on(1, "create", "remediationrequests", slow);
    fleet.api.clear_requests();
    let second = async {
        wait_ms(10).await;
        send(&fleet, &replicas[1], "contention-test").await
    };
    let (first, second) = futures::join!(send(&fleet, &replicas[0], "contention-test"), second);
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (201, 202));
    assert_eq!(second.body["remediationRequestName"], first.body["remediationRequestName"]);

    let requests = fleet.api.requests();
    let of_second = |r: &&RequestRecord| r.caller == "gateway-pod-2" && r.verb != "watch";
    let looks: Vec<Duration> = requests
        .iter()
        .filter(of_second)
        .filter(|r| r.resource == "leases" && r.verb == "get" && r.code == "200")
        .map(|r| r.elapsed)
        .collect();
    let pauses: Vec<u64> = looks.windows(2).map(|pair| (pair[1] - pair[0]).as_millis() as u64).collect();
    println!("the second pod looked at the lease at {looks:?}, after pauses of {pauses:?} ms");
    assert!(looks.len() >= 4, "it retried: {looks:?}");
    for (i, pause) in pauses.iter().enumerate() {
        // 5 ms doubling, half of it jitter, and up to 2 ms for the look and the timer.
        let backoff = 5 << i;
        assert!((backoff / 2..=backoff + 2).contains(pause), "pause {i} of {pauses:?}");
    }
    let seen: Vec<String> =
        requests.iter().filter(of_second).map(|r| format!("{} {} {}", r.verb, r.resource, r.code)).collect();
    let found = ["create leases 201", "create remediationrequests 409", "get remediationrequests 200"];
    let at = seen.iter().position(|line| line == found[0]).expect("it gets the lock in the end");
    assert_eq!(seen[at..at + 3], found, "its view knows nothing: the fence tells it");
    fleet.api.release_watches("gateway-pod-2");
    rest().await;
    assert_eq!(count_of(&only(&fleet)), 2);
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_waits_for_the_lock_goes_on_as_soon_as_its_view_shows_the_request() {
    let fleet = Fleet::new(5);
    let script = script(&fleet);
    let replicas = fleet.start_all(2).await;
    // The first keeps the lock for 300 ms: the second's pauses have grown to more than 100 ms by then.
    let slow = Fault { delay_before: Duration::from_millis(300), ..Fault::default() };
    script.on(1, "create", "remediationrequests", slow);
    let answers = storm(&fleet, &replicas, "contention-test", 2).await;
    assert_eq!((answered(&answers, 201), answered(&answers, 202)), (1, 1));
    let counted = fleet
        .api
        .requests()
        .into_iter()
        .rfind(|r| r.resource == "remediationrequests/status" && r.code == "200")
        .unwrap();
    let created = fleet.api.requests().into_iter().find(|r| r.verb == "create" && r.resource == "remediationrequests");
    let after = counted.elapsed - created.unwrap().elapsed;
    assert!(after <= Duration::from_millis(25), "counted {after:?} after the create");
    rest().await;
    assert_quiet(&fleet);
}

//! What a signal costs in requests to the Kubernetes API, in fault-free runs (protocol: Budget).

use std::{sync::Arc, time::Duration};

use embedded_apiserver::Latency;
use harness::{
    fleet::Fleet,
    replica::Replica,
    testing::{
        answered, assert_quiet, count_of, discard, end, lines, name_of, only, rest, send, spent, stored, storm, wait_ms,
    },
};
use rstest::rstest;

async fn fleet(replicas: usize) -> (Fleet, Vec<Replica>) {
    let fleet = Fleet::new(10);
    fleet.api.set_faults(Arc::new(Latency::default()));
    let replicas = fleet.start_all(replicas).await;
    fleet.api.clear_requests();
    (fleet, replicas)
}

/// What has been spent since the last time, releases and finalizer removals included.
async fn bill(fleet: &Fleet) -> Vec<String> {
    wait_ms(200).await;
    let bill = lines(&spent(fleet));
    fleet.api.clear_requests();
    bill
}

#[tokio::test(start_paused = true)]
async fn a_new_signal_costs_four_requests_and_two_round_trips_before_its_answer() {
    let (fleet, replicas) = fleet(1).await;
    let began = tokio::time::Instant::now();
    assert_eq!(send(&fleet, &replicas[0], "budget").await.status, 201);
    let took = began.elapsed().as_millis();
    assert!(took <= 2 * 4 + 1 + 2, "two writes, and one look-up of the resource's owner: {took} ms");
    let expected = [
        "create leases 201",
        "create remediationrequests 201",
        "patch remediationrequests/status 200",
        "delete leases 200",
    ];
    let mut bill = bill(&fleet).await;
    bill.sort_by_key(|line| expected.iter().position(|e| e == line));
    assert_eq!(bill, expected);
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_costs_two_requests_per_batch_and_one_round_trip() {
    let (fleet, replicas) = fleet(1).await;
    send(&fleet, &replicas[0], "budget").await;
    bill(&fleet).await;
    let began = tokio::time::Instant::now();
    assert_eq!(send(&fleet, &replicas[0], "budget").await.status, 202);
    assert!(began.elapsed().as_millis() <= 5, "{:?}", began.elapsed());
    assert_eq!(bill(&fleet).await, ["get remediationrequests 200", "create leases 201"], "the first makes the counter");
    let answers = storm(&fleet, &replicas, "budget", 50).await;
    assert_eq!(answered(&answers, 202), 50);
    let bill = bill(&fleet).await;
    let batch = ["get remediationrequests 200", "patch leases 200"];
    assert!(bill.len() <= 4 && bill.chunks(2).all(|lines| lines == batch), "{bill:?}");
    fleet.api.clear_requests();
    rest().await;
    assert_eq!(lines(&spent(&fleet)), ["patch remediationrequests/status 200"], "one projection for all");
    assert_eq!(count_of(&only(&fleet)), 52);
}

#[rstest]
#[case::quick(10, 80)]
#[case::slow(40, 12)]
#[case::very_slow(400, 2)]
#[tokio::test(start_paused = true)]
async fn where_counts_take_long_fewer_and_larger_ones_are_written(#[case] takes_ms: u64, #[case] batches: usize) {
    let (fleet, replicas) = fleet(1).await;
    send(&fleet, &replicas[0], "budget").await;
    send(&fleet, &replicas[0], "budget").await;
    bill(&fleet).await;
    let write = Duration::from_millis(takes_ms);
    fleet.api.set_faults(Arc::new(Latency { write, ..Latency::default() }));
    // One every 5 ms for a second.
    let signals = (0..200).map(async |number| {
        wait_ms(number * 5).await;
        send(&fleet, &replicas[0], "budget").await.status
    });
    let statuses = futures::future::join_all(signals).await;
    assert!(statuses.iter().all(|status| *status == 202), "{statuses:?}");
    let written = lines(&spent(&fleet)).iter().filter(|line| *line == "patch leases 200").count();
    assert!(written.abs_diff(batches) <= 1 + batches / 4, "{written} batches, about {batches} expected");
    rest().await;
    assert_eq!(count_of(&only(&fleet)), 202);
}

#[tokio::test(start_paused = true)]
async fn a_new_signal_after_a_terminal_one_costs_six_requests() {
    let (fleet, replicas) = fleet(1).await;
    send(&fleet, &replicas[0], "budget").await;
    rest().await;
    end(&fleet, &name_of(&only(&fleet)), "Completed").await;
    bill(&fleet).await;
    assert_eq!(send(&fleet, &replicas[0], "budget").await.status, 201);
    let bill = bill(&fleet).await;
    assert!(bill.len() <= 6, "{bill:?}");
    assert!(bill.iter().all(|line| !line.starts_with("list")), "{bill:?}");
    assert_eq!(bill.iter().filter(|line| *line == "patch remediationrequests 200").count(), 2, "{bill:?}");
}

#[tokio::test(start_paused = true)]
async fn a_new_signal_costs_no_more_at_a_replica_that_once_found_the_lock_taken() {
    let (fleet, replicas) = fleet(3).await;
    storm(&fleet, &replicas, "budget", 3).await;
    let contended = replicas.iter().filter(|r| r.metric("gateway_lock_contention_total") >= Some(1.0));
    let contended: Vec<&Replica> = contended.collect();
    assert!(!contended.is_empty());
    for replica in contended {
        wait_ms(10_000).await;
        for request in fleet.requests() {
            end(&fleet, &name_of(&request), "Completed").await;
        }
        bill(&fleet).await;
        assert_eq!(send(&fleet, replica, "budget").await.status, 201);
        let bill = bill(&fleet).await;
        assert!(bill.len() <= 6, "{bill:#?}");
    }
}

#[rstest]
#[case::one_replica(1, 100, 24)]
#[case::three_replicas(3, 100, 24)]
#[case::seven_replicas(7, 1_000, 60)]
#[tokio::test(start_paused = true)]
async fn a_storm_costs_few_requests(#[case] count: usize, #[case] signals: usize, #[case] at_most: usize) {
    let (fleet, replicas) = fleet(count).await;
    let answers = storm(&fleet, &replicas, "storm", signals).await;
    assert_eq!((answered(&answers, 201), answered(&answers, 202)), (1, signals - 1));
    rest().await;
    assert_eq!(count_of(&only(&fleet)), signals as u64);
    let bill = bill(&fleet).await;
    println!("{count} replicas, {signals} signals: {} requests {bill:?}", bill.len());
    assert!(bill.len() <= at_most, "{} requests: {bill:#?}", bill.len());
    assert!(bill.iter().all(|line| !line.starts_with("list")), "{bill:?}");
    rest().await;
    assert_quiet(&fleet);
}

#[rstest]
#[case::three_replicas(3, 100, 50, 24)]
#[case::seven_replicas(7, 1_000, 10, 60)]
#[tokio::test(start_paused = true)]
async fn a_storm_stays_within_its_budget_for_many_seeds(
    #[case] count: usize,
    #[case] signals: usize,
    #[case] seeds: u64,
    #[case] at_most: usize,
) {
    let mut most = 0;
    for seed in 0..seeds {
        let fleet = Fleet::new(seed);
        fleet.api.set_faults(Arc::new(Latency::default()));
        let replicas = fleet.start_all(count).await;
        fleet.api.clear_requests();
        let answers = storm(&fleet, &replicas, "storm", signals).await;
        assert_eq!(answered(&answers, 201) + answered(&answers, 202), signals, "seed {seed}");
        rest().await;
        most = most.max(bill(&fleet).await.len());
        discard(&replicas);
    }
    println!("at most {most} requests in {seeds} storms");
    assert!(most <= at_most, "{most}");
}

#[tokio::test(start_paused = true)]
async fn the_cost_of_a_new_signal_does_not_grow_with_the_stored_remediation_requests() {
    let (fleet, replicas) = fleet(1).await;
    send(&fleet, &replicas[0], "few").await;
    let few = bill(&fleet).await;
    for i in 0..2_000 {
        fleet.api.seed(stored(&format!("stored-{i}")));
    }
    rest().await;
    assert_eq!(replicas[0].metric("gateway_view_objects"), Some(2_001.0));
    bill(&fleet).await;
    send(&fleet, &replicas[0], "many").await;
    assert_eq!(bill(&fleet).await, few);
    assert_eq!(send(&fleet, &replicas[0], "stored-1000").await.status, 202, "what the view was told of is known");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_listed_on_the_critical_path_and_the_background_asks_rarely() {
    let (fleet, replicas) = fleet(1).await;
    for i in 0..60 {
        assert_eq!(send(&fleet, &replicas[0], &format!("quiet-{i}")).await.status, 201);
        wait_ms(10_000).await;
    }
    let lists =
        |resource: &str| fleet.api.requests().iter().filter(|r| r.verb == "list" && r.resource == resource).count();
    assert_eq!(replicas[0].metric("gateway_view_fallback_lists_total"), Some(0.0));
    assert_eq!(lists("remediationrequests"), 0, "own writes prove the view's age");
    assert!(lists("leases") <= 40, "two in one sweep of the collector a minute: {}", lists("leases"));
}

//! What collectors do for counters: project what a replica that crashed did not, fold the registers of boots that are long gone,
//! remove what nothing counts on any more.

use std::{sync::Arc, time::Duration};

use embedded_apiserver::{Effect, Fault, RequestInfo, RequestRecord, Script};
use gateway::{
    config::Config,
    dedup::bounds::{claim_cleared_within, decision_life},
};
use harness::{
    fleet::Fleet,
    replica::{Replica, config},
    testing::{assert_quiet, count_of, end, name_of, only, rest, script, send, spent, wait},
};
use rstest::rstest;
use serde_json::{Map, Value};

/// What the one counter says, by key.
fn said_in_all(fleet: &Fleet) -> Map<String, Value> {
    let [counter] = &fleet.counters()[..] else { panic!("one counter: {:?}", fleet.counters()) };
    counter["metadata"]["annotations"].as_object().unwrap().clone()
}

/// What it says under `key`.
fn said(fleet: &Fleet, key: &str) -> Option<String> {
    let said = said_in_all(fleet).remove(&format!("count.gateway.kubernaut.ai/{key}"));
    said.map(|said| said.as_str().unwrap().to_owned())
}

/// How many registers it has.
fn registers(fleet: &Fleet) -> usize {
    said_in_all(fleet).keys().filter(|key| !key.ends_with("/base") && !key.ends_with("/folded")).count()
}

/// A RemediationRequest that `boots` replicas have counted once each, after one that created it. All have crashed since but that
/// one and the last.
async fn crowded(seed: u64, resource: &str, boots: usize) -> (Fleet, [Replica; 2]) {
    let fleet = Fleet::new(seed);
    let mut replicas = fleet.start_all(boots + 1).await;
    for (number, replica) in replicas.iter().enumerate() {
        assert_eq!(send(&fleet, replica, resource).await.status, if number == 0 { 201 } else { 202 });
        rest().await;
    }
    let (first, last) = (replicas.remove(0), replicas.pop().unwrap());
    replicas.iter().for_each(Replica::crash);
    (fleet, [first, last])
}

/// A collector has seen twice that nothing changes, so far apart that nothing can be under way.
fn long_enough(config: &Config) -> Duration {
    claim_cleared_within(config)
}

#[rstest]
#[case::few(16, None, 16)]
// All but the newest.
#[case::many(17, Some("16;1"), 1)]
#[tokio::test(start_paused = true)]
async fn registers_of_boots_that_are_long_gone_are_folded_where_there_are_many(
    #[case] boots: usize,
    #[case] folded: Option<&str>,
    #[case] left: usize,
) {
    let (fleet, [first, _]) = crowded(40, "crowded", boots).await;
    wait(decision_life(&config().view)).await;
    assert_eq!(said(&fleet, "folded"), None, "a write of theirs may still be under way");
    wait(long_enough(&config())).await;
    assert_eq!((said(&fleet, "folded").as_deref(), registers(&fleet)), (folded, left));
    assert_eq!(count_of(&only(&fleet)), 1 + boots as u64, "nothing is lost or counted twice");
    assert_eq!(send(&fleet, &first, "crowded").await.status, 202);
    rest().await;
    assert_eq!(count_of(&only(&fleet)), 2 + boots as u64);
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn a_register_that_is_written_now_and_then_is_not_folded_and_one_that_was_does_not_keep_its_replica_from_counting()
 {
    let mut folded_of_the_living = 0;
    // Which of the two folds is drawn; neither folds its own.
    for seed in 0..6 {
        let (fleet, [first, last]) = crowded(seed, "written", 17).await;
        for _ in 0..8 {
            assert_eq!(send(&fleet, &first, "written").await.status, 202);
            wait(decision_life(&config().view) / 2).await;
        }
        let folded = said(&fleet, "folded").unwrap();
        assert!(["16;1", "17;1"].contains(&folded.as_str()), "seed {seed}: {folded}");
        folded_of_the_living += usize::from(folded == "17;1");
        assert_eq!(registers(&fleet), if folded == "17;1" { 1 } else { 2 }, "seed {seed}");
        assert_eq!(send(&fleet, &last, "written").await.status, 202);
        rest().await;
        assert_eq!((registers(&fleet), count_of(&only(&fleet))), (2, 18 + 8 + 1), "seed {seed}");
        assert_quiet(&fleet);
    }
    assert!((1..6).contains(&folded_of_the_living), "{folded_of_the_living}");
}

#[tokio::test(start_paused = true)]
async fn what_a_crashed_replica_has_not_projected_another_projects() {
    let fleet = Fleet::new(41);
    let replicas = fleet.start_all(2).await;
    assert_eq!(send(&fleet, &replicas[0], "crashed").await.status, 201);
    rest().await;
    assert_eq!(send(&fleet, &replicas[0], "crashed").await.status, 202);
    replicas[0].crash();
    assert_eq!(count_of(&only(&fleet)), 1, "it had no time to");
    wait(2 * config().lock.collect_interval).await;
    assert_eq!(count_of(&only(&fleet)), 2);
    assert_eq!(replicas[1].metric("gateway_projections_total{outcome=\"rescued\"}"), Some(1.0));
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn the_counter_of_what_has_ended_is_removed_once_nothing_can_be_counted_on_it() {
    let fleet = Fleet::new(42);
    let replicas = fleet.start_all(1).await;
    for _ in 0..3 {
        assert!(send(&fleet, &replicas[0], "ended").await.status.is_success());
    }
    rest().await;
    end(&fleet, &name_of(&only(&fleet)), "Completed").await;
    wait(decision_life(&config().view)).await;
    assert_eq!(fleet.counters().len(), 1, "a batch may still be under way");
    wait(long_enough(&config())).await;
    assert_eq!(fleet.counters(), [Value::Null; 0]);
    assert_eq!(replicas[0].metric("gateway_counters_collected_total"), Some(1.0));
    assert_eq!(count_of(&only(&fleet)), 3);
    assert_quiet(&fleet);
}

const RESCUED: &str = "gateway_projections_total{outcome=\"rescued\"}";

#[tokio::test(start_paused = true)]
async fn what_a_replica_projects_itself_is_not_taken_for_rescued() {
    let fleet = Fleet::new(43);
    let replicas = fleet.start_all(2).await;
    // Some of the sweeps come between a count and its projection.
    for number in 0..100 {
        assert!(send(&fleet, &replicas[number % 2], "lively").await.status.is_success());
        wait(Duration::from_secs(8)).await;
    }
    assert_eq!(count_of(&only(&fleet)), 100);
    assert!(replicas.iter().all(|replica| replica.metric(RESCUED).unwrap_or(0.0) == 0.0));
    assert_quiet(&fleet);
}

/// A replica that has counted two signals on one RemediationRequest and told of one, and a script.
async fn half_told(seed: u64) -> (Fleet, [Replica; 2], Arc<Script>) {
    let fleet = Fleet::new(seed);
    let replicas = fleet.start_all(2).await;
    assert_eq!(send(&fleet, &replicas[0], "untold").await.status, 201);
    rest().await;
    let script = script(&fleet);
    assert_eq!(send(&fleet, &replicas[0], "untold").await.status, 202);
    (fleet, replicas.try_into().unwrap_or_else(|_| panic!("two")), script)
}

/// Nothing is done, and that is found out late.
fn lost_late() -> Fault {
    Fault { delay_before: Duration::from_secs(14), ..Fault::lost() }
}

/// When the status was tried to be written.
fn told_at(fleet: &Fleet) -> Vec<Duration> {
    let told = |r: &RequestRecord| r.verb == "patch" && r.resource == "remediationrequests/status";
    spent(fleet).into_iter().filter(told).map(|r| r.elapsed).collect()
}

#[tokio::test(start_paused = true)]
async fn a_count_that_cannot_be_projected_is_tried_by_one_task_of_a_replica_at_a_time() {
    let (fleet, [first, _second], script) = half_told(44).await;
    script.on(usize::MAX, "patch", "remediationrequests/status", lost_late());
    first.crash();
    fleet.api.clear_requests();
    wait(Duration::from_secs(600)).await;
    let told = told_at(&fleet).len();
    assert!((15..=40).contains(&told), "{told} in ten minutes, each of which takes 14 s");
}

#[tokio::test(start_paused = true)]
async fn a_count_is_not_projected_when_its_counter_may_have_been_removed_since_it_was_read() {
    let (fleet, [_first, second], script) = half_told(45).await;
    second.crash();
    script.on(usize::MAX, "patch", "remediationrequests/status", lost_late());
    script.on(usize::MAX, "get", "remediationrequests", lost_late());
    script.on(usize::MAX, "get", "leases", lost_late());
    fleet.api.clear_requests();
    wait(Duration::from_secs(300)).await;
    let told = told_at(&fleet);
    let span = *told.last().unwrap() - told[0];
    assert!(told.len() >= 3 && span < decision_life(&config().view) - Duration::from_secs(60), "{told:?}");
}

/// 250 RemediationRequests with a counter each, and their replica.
async fn many(seed: u64) -> (Fleet, Replica) {
    let fleet = Fleet::new(seed);
    let replica = fleet.start(1).await;
    for number in 0..250 {
        for _ in 0..2 {
            assert!(send(&fleet, &replica, &format!("many-{number}")).await.status.is_success());
        }
    }
    rest().await;
    (fleet, replica)
}

#[tokio::test(start_paused = true)]
async fn of_many_counters_some_are_removed_in_each_sweep() {
    let (fleet, _replica) = many(46).await;
    for request in fleet.requests() {
        end(&fleet, &name_of(&request), "Completed").await;
    }
    let mut left = vec![250];
    while *left.last().unwrap() > 0 && left.len() < 100 {
        wait(config().lock.collect_interval / 2).await;
        let counters = fleet.counters().len();
        if left.last() != Some(&counters) {
            left.push(counters);
        }
    }
    assert_eq!(left, [250, 50, 0]);
}

#[tokio::test(start_paused = true)]
async fn counters_that_cannot_be_removed_keep_no_other_from_it() {
    let (fleet, _replica) = many(47).await;
    let mut by_uid: Vec<(String, String)> =
        fleet.requests().iter().map(|r| (r["metadata"]["uid"].as_str().unwrap().to_owned(), name_of(r))).collect();
    by_uid.sort();
    let stuck: Vec<String> = by_uid.into_iter().map(|(_, name)| name).take(220).collect();
    script(&fleet).add(usize::MAX, Fault::refused(Effect::internal_error()), move |r: &RequestInfo| {
        r.verb == "get" && r.resource == "remediationrequests" && stuck.contains(&r.name)
    });
    for request in fleet.requests() {
        end(&fleet, &name_of(&request), "Completed").await;
    }
    wait(long_enough(&config()) + 3 * config().lock.collect_interval).await;
    assert_eq!(fleet.counters().len(), 220);
}

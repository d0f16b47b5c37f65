//! Counts that are refused, or whose answer is lost: looked up, sent again a few times, never doubled.

use std::time::Duration;

use embedded_apiserver::{Effect, Fault};
use harness::{
    fleet::Fleet,
    testing::{assert_quiet, count_of, delete, end, lines, name_of, only, patch, rest, script, send, spent, wait_ms},
};
use rstest::rstest;
use serde_json::json;

use super::lineage::with_one;

/// When each write of a counter was answered.
fn written_at(fleet: &Fleet) -> Vec<Duration> {
    spent(fleet).into_iter().filter(|r| r.resource == "leases" && r.verb == "patch").map(|r| r.elapsed).collect()
}

#[tokio::test(start_paused = true)]
async fn a_count_that_stays_in_doubt_is_read_and_sent_again_after_growing_pauses_until_the_deadline() {
    let (fleet, replicas, _) = with_one(1, "doubtful").await;
    let script = script(&fleet);
    script.on(usize::MAX, "patch", "leases", Fault::lost());
    fleet.api.clear_requests();
    assert_eq!(send(&fleet, &replicas[0], "doubtful").await.status, 503);
    let sent = written_at(&fleet);
    let gaps: Vec<u128> = sent.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    assert!((4..=16).contains(&sent.len()), "{gaps:?} ms");
    assert!(gaps.windows(2).take(2).all(|pair| pair[1] > pair[0]), "{gaps:?} ms");
    script.clear();
    assert_eq!(send(&fleet, &replicas[0], "doubtful").await.status, 202);
    rest().await;
    assert_eq!(count_of(&only(&fleet)), 3, "no write of the first ever took effect");
    assert_quiet(&fleet);
}

#[rstest]
#[case::it_took_effect(Fault::answer_lost(), 1)]
#[case::it_was_lost(Fault::lost(), 2)]
#[tokio::test(start_paused = true)]
async fn a_count_in_doubt_is_settled_by_a_read_of_the_counter(#[case] fault: Fault, #[case] writes: usize) {
    let (fleet, replicas, _) = with_one(1, "settled").await;
    let script = script(&fleet);
    script.on(1, "patch", "leases", fault);
    fleet.api.clear_requests();
    assert_eq!(send(&fleet, &replicas[0], "settled").await.status, 202);
    assert_eq!(written_at(&fleet).len(), writes);
    rest().await;
    assert_eq!(count_of(&only(&fleet)), 3);
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn a_count_that_is_not_permitted_is_an_error_at_once() {
    let (fleet, replicas, _) = with_one(1, "forbidden").await;
    let script = script(&fleet);
    let forbidden = Effect::Status { code: 403, reason: "Forbidden", message: "no".to_owned(), retry_after_s: None };
    script.on(usize::MAX, "patch", "leases", Fault::refused(forbidden));
    fleet.api.clear_requests();
    assert_eq!(send(&fleet, &replicas[0], "forbidden").await.status, 500);
    let mut lines = lines(&spent(&fleet));
    lines.sort();
    assert_eq!(lines, ["get remediationrequests 200", "patch leases 403"]);
    script.clear();
    assert_eq!(send(&fleet, &replicas[0], "forbidden").await.status, 202);
    rest().await;
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn a_count_conflicts_with_no_write_of_the_remediation_request() {
    let (fleet, replicas, first) = with_one(1, "neighbour").await;
    let script = script(&fleet);
    // While the count is under way, a controller writes.
    let slow = Fault { delay_before: Duration::from_millis(50), ..Fault::default() };
    script.on(1, "patch", "leases", slow);
    fleet.api.clear_requests();
    let write = async {
        wait_ms(10).await;
        patch(&fleet, &name_of(&first), "status", json!({ "status": { "overallPhase": "Executing" } })).await;
    };
    let (answer, ()) = futures::join!(send(&fleet, &replicas[0], "neighbour"), write);
    assert_eq!(answer.status, 202);
    assert_eq!(lines(&spent(&fleet)), ["get remediationrequests 200", "patch leases 200"]);
    rest().await;
    assert_eq!(count_of(&only(&fleet)), 3);
    assert_quiet(&fleet);
}

#[rstest]
#[case::counted(Fault { delay_after: Duration::from_millis(50), ..Fault::default() })]
#[case::in_doubt_but_counted(Fault { delay_after: Duration::from_millis(50), ..Fault::answer_lost() })]
#[case::in_doubt_and_lost(Fault { delay_before: Duration::from_millis(50), ..Fault::lost() })]
#[tokio::test(start_paused = true)]
async fn what_was_counted_on_one_that_has_ended_is_taken_back_and_counted_on_its_successor(#[case] fault: Fault) {
    let (fleet, replicas, first) = with_one(1, "ended").await;
    let script = script(&fleet);
    script.on(1, "patch", "leases", fault);
    // The look at it is late.
    let late = Fault { delay_before: Duration::from_millis(20), ..Fault::default() };
    script.on(1, "get", "remediationrequests", late);
    let ending = async {
        wait_ms(10).await;
        end(&fleet, &name_of(&first), "Completed").await;
    };
    let (answer, ()) = futures::join!(send(&fleet, &replicas[0], "ended"), ending);
    assert_eq!(answer.status, 201, "{answer:?}");
    wait_ms(200_000).await;
    let counts: Vec<u64> = fleet.requests().iter().map(count_of).collect();
    assert_eq!((counts.len(), counts.iter().sum::<u64>()), (2, 3), "{counts:?}");
    assert_quiet(&fleet);
}

#[rstest]
#[case::in_a_counter_that_was_there(1, "patch")]
#[case::in_one_that_it_created(0, "create")]
#[tokio::test(start_paused = true)]
async fn a_count_in_doubt_on_what_is_deleted_meanwhile_is_not_counted_again(
    #[case] before: u32,
    #[case] verb: &'static str,
) {
    let fleet = Fleet::new(20);
    let script = script(&fleet);
    let replicas = fleet.start_all(2).await;
    assert_eq!(send(&fleet, &replicas[0], "gone").await.status, 201);
    for _ in 0..before {
        assert_eq!(send(&fleet, &replicas[0], "gone").await.status, 202);
    }
    rest().await;
    script.add(1, Fault::answer_lost(), move |request| request.verb == verb && request.label() == "leases");
    // The look whether it had an effect is late: the counter has gone with its object by then.
    script.on(1, "get", "leases", Fault { delay_before: Duration::from_millis(500), ..Fault::default() });
    let name = name_of(&only(&fleet));
    let deletion = async {
        wait_ms(50).await;
        delete(&fleet, &name).await;
    };
    let (answer, ()) = futures::join!(send(&fleet, &replicas[1], "gone"), deletion);
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(send(&fleet, &replicas[1], "gone").await.status, 201);
    rest().await;
    assert_quiet(&fleet);
}

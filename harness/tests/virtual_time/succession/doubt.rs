//! Counts that are refused, conflict, or whose answer is lost: looked up, sent again a few times, never doubled.

use std::time::Duration;

use embedded_apiserver::{Effect, Fault};
use harness::{
    fleet::Fleet,
    testing::{
        answered, assert_quiet, count_of, delete, lines, name_of, only, patch, rest, script, send, spent, wait_ms,
    },
};
use rstest::rstest;
use serde_json::json;

use super::lineage::with_one;

const STATUS: &str = "remediationrequests/status";

/// When each status patch of a gateway was answered.
fn patched_at(fleet: &Fleet) -> Vec<Duration> {
    spent(fleet).into_iter().filter(|r| r.resource == STATUS).map(|r| r.elapsed).collect()
}

#[tokio::test(start_paused = true)]
async fn a_count_that_stays_in_doubt_is_sent_three_times_the_last_after_a_pause_and_is_then_an_error() {
    let (fleet, replicas, _) = with_one(1, "doubtful").await;
    let script = script(&fleet);
    script.on(usize::MAX, "patch", STATUS, Fault::lost());
    fleet.api.clear_requests();
    assert_eq!(send(&fleet, &replicas[0], "doubtful").await.status, 500);
    let sent = patched_at(&fleet);
    assert_eq!(sent.len(), 3, "{sent:?}");
    let gaps = [sent[1] - sent[0], sent[2] - sent[1]].map(|gap| gap.as_millis());
    assert!(gaps[0] <= 5 && (400..=610).contains(&gaps[1]), "{gaps:?} ms");
    script.clear();
    assert_eq!(send(&fleet, &replicas[0], "doubtful").await.status, 202);
    rest().await;
    assert_eq!(count_of(&only(&fleet)), 3);
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn a_count_that_is_not_permitted_is_an_error_at_once() {
    let (fleet, replicas, _) = with_one(1, "forbidden").await;
    let script = script(&fleet);
    let forbidden = Effect::Status { code: 403, reason: "Forbidden", message: "no".to_owned(), retry_after_s: None };
    script.on(usize::MAX, "patch", STATUS, Fault::refused(forbidden));
    fleet.api.clear_requests();
    assert_eq!(send(&fleet, &replicas[0], "forbidden").await.status, 500);
    assert_eq!(lines(&spent(&fleet)), ["patch remediationrequests/status 403"]);
    script.clear();
    assert_eq!(send(&fleet, &replicas[0], "forbidden").await.status, 202);
    rest().await;
    assert_quiet(&fleet);
}

#[rstest]
#[case::the_view_has_it(false, &["409", "200"])]
#[case::the_server_is_asked(true, &["409", "get", "200"])]
#[tokio::test(start_paused = true)]
async fn a_count_that_conflicts_is_sent_again_on_the_newest_version(#[case] held: bool, #[case] expected: &[&str]) {
    let (fleet, replicas, first) = with_one(1, "conflict").await;
    let script = script(&fleet);
    if held {
        fleet.api.hold_watches("gateway-pod-1");
    }
    // While the count is under way, a controller writes.
    script.add(1, Fault { delay_before: Duration::from_millis(50), ..Fault::default() }, |request| {
        request.label() == STATUS && request.caller.user == "gateway-pod-1"
    });
    fleet.api.clear_requests();
    let write = async {
        wait_ms(10).await;
        patch(&fleet, &name_of(&first), "status", json!({ "status": { "overallPhase": "Executing" } })).await;
    };
    let (answer, ()) = futures::join!(send(&fleet, &replicas[0], "conflict"), write);
    assert_eq!(answer.status, 202);
    let seen: Vec<String> =
        spent(&fleet).into_iter().map(|r| if r.verb == "get" { "get".into() } else { r.code }).collect();
    assert_eq!(seen, expected);
    fleet.api.release_watches("gateway-pod-1");
    rest().await;
    assert_eq!(count_of(&only(&fleet)), 3);
    assert_quiet(&fleet);
}

#[rstest]
#[case::known_at_once(Fault { delay_after: Duration::from_millis(50), ..Fault::answer_lost() }, Some(0), 202)]
#[case::known_later(Fault { delay_after: Duration::from_millis(50), ..Fault::answer_lost() }, Some(2_000), 202)]
#[case::never_known(Fault { delay_after: Duration::from_millis(50), ..Fault::answer_lost() }, None, 503)]
#[case::not_counted(Fault { delay_before: Duration::from_millis(50), ..Fault::lost() }, Some(0), 201)]
#[tokio::test(start_paused = true)]
async fn a_count_in_doubt_on_a_deleted_one_is_settled_by_the_last_state_that_the_view_was_told(
    #[case] fault: Fault,
    #[case] told_after_ms: Option<u64>,
    #[case] status: u16,
) {
    let (fleet, replicas, first) = with_one(1, "obituary").await;
    let script = script(&fleet);
    script.on(1, "patch", STATUS, fault);
    if told_after_ms != Some(0) {
        fleet.api.hold_watches("gateway-pod-1");
    }
    let deletion = async {
        wait_ms(10).await;
        delete(&fleet, &name_of(&first)).await;
        if let Some(ms) = told_after_ms {
            wait_ms(ms).await;
            fleet.api.release_watches("gateway-pod-1");
        }
    };
    let began = tokio::time::Instant::now();
    let (answer, ()) = futures::join!(send(&fleet, &replicas[0], "obituary"), deletion);
    assert_eq!(answer.status, status, "{answer:?}");
    let took = began.elapsed().as_millis();
    let expected = told_after_ms.unwrap_or(15_000);
    assert!((u128::from(expected)..u128::from(expected) + 120).contains(&took), "{took} ms");
    fleet.api.release_watches("gateway-pod-1");
    rest().await;
    assert!(fleet.oracles.violations().is_empty(), "{:?}", fleet.oracles.violations());
}

#[tokio::test(start_paused = true)]
async fn after_a_count_further_signals_gather_for_half_to_one_and_a_half_round_trips() {
    let (fleet, replicas, _) = with_one(1, "linger").await;
    let script = script(&fleet);
    let round_trip = Fault { delay_before: Duration::from_millis(40), ..Fault::default() };
    script.on(usize::MAX, "patch", STATUS, round_trip);
    // The first ones show how long a round trip takes: the mean of many, of which each is a small part.
    for _ in 0..40 {
        assert_eq!(send(&fleet, &replicas[0], "linger").await.status, 202);
    }
    rest().await;
    fleet.api.clear_requests();
    let sends = (0..1_000).map(|i| {
        let (fleet, replica) = (&fleet, &replicas[0]);
        async move {
            wait_ms(i).await;
            send(fleet, replica, "linger").await
        }
    });
    let answers = futures::future::join_all(sends).await;
    assert_eq!(answered(&answers, 202), 1_000);
    let sent = patched_at(&fleet);
    let gaps: Vec<u128> = sent.windows(2).map(|pair| (pair[1] - pair[0]).as_millis() - 40).collect();
    assert!(gaps.iter().all(|gap| (20..=62).contains(gap)), "{gaps:?}");
    assert!(gaps.iter().any(|gap| *gap < 35) && gaps.iter().any(|gap| *gap > 45), "{gaps:?}");
    assert_quiet(&fleet);
}

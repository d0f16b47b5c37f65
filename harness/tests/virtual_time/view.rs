//! How a replica's view is fed: lists page by page, watches that end, servers that refuse.

use std::time::Duration;

use embedded_apiserver::{Effect, Fault};
use harness::{
    fleet::Fleet,
    replica::Replica,
    testing::{Logs, script, send, stored, wait, wait_ms},
};
use rstest::rstest;

/// When each request of this verb on RemediationRequests was answered.
fn answered_at(fleet: &Fleet, verb: &str) -> Vec<Duration> {
    let requests = fleet.api.requests().into_iter();
    requests.filter(|r| r.verb == verb && r.resource == "remediationrequests").map(|r| r.elapsed).collect()
}

/// What lies between each moment and the next.
fn gaps(moments: &[Duration]) -> Vec<Duration> {
    moments.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

fn objects(replica: &Replica) -> Option<f64> {
    replica.metric("gateway_view_objects")
}

/// The reasons for which the watch was begun again, and how often.
fn restarts(replica: &Replica) -> Vec<String> {
    let text = replica.metrics();
    let series = text.lines().filter_map(|line| line.strip_prefix("gateway_view_restarts_total"));
    series.map(str::to_owned).collect()
}

fn status(code: u16, reason: &'static str) -> Fault {
    Fault::refused(Effect::Status { code, reason, message: "no".to_owned(), retry_after_s: None })
}

#[tokio::test(start_paused = true)]
async fn a_view_of_more_objects_than_a_page_holds_is_listed_page_by_page() {
    let fleet = Fleet::new(1);
    for i in 0..501 {
        fleet.api.seed(stored(&format!("stored-{i}")));
    }
    let replica = fleet.start(1).await;
    assert_eq!(objects(&replica), Some(501.0));
    assert_eq!(answered_at(&fleet, "list").len(), 2);
}

#[rstest]
#[case::gone(status(410, "Expired"), "gone", 2, "restarting the watch")]
#[case::forbidden(status(403, "Forbidden"), "forbidden", 2, "check the gateway's roles")]
#[case::no_crd(status(404, "NotFound"), "not_found", 2, "apply gateway/deploy/crd")]
#[case::silent(Fault { delay_before: Duration::from_secs(3_600), ..Fault::default() }, "timeout", 1, "restarting the watch")]
#[case::reset(Fault::lost(), "unreachable", 2, "restarting the watch")]
#[case::broken(Fault::refused(Effect::internal_error()), "error", 2, "restarting the watch")]
#[case::throttled(Fault::refused(Effect::throttled(1)), "throttled", 2, "restarting the watch")]
#[tokio::test(start_paused = true)]
async fn a_watch_that_is_refused_is_begun_again_and_its_reason_counted_and_logged(
    #[case] fault: Fault,
    #[case] reason: &str,
    #[case] lists: usize,
    #[case] said: &str,
) {
    let fleet = Fleet::new(2);
    let script = script(&fleet);
    script.on(1, "watch", "remediationrequests", fault);
    let (logs, _guard) = Logs::capture();
    let replica = fleet.start(1).await;
    // Before the first proof of the view's age, which is a list too.
    wait_ms(10_000).await;
    assert_eq!(answered_at(&fleet, "list").len(), lists, "history may have gone back meanwhile");
    wait_ms(22_000).await;
    assert_eq!(restarts(&replica), [format!("{{reason=\"{reason}\"}} 1")]);
    assert_eq!(logs.lines().iter().filter(|line| line.text.contains(said)).count(), 1, "{:?}", logs.lines());
    fleet.api.seed(stored("later"));
    wait_ms(10).await;
    assert_eq!(objects(&replica), Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_down_is_asked_again_after_pauses_that_grow_to_five_seconds() {
    let fleet = Fleet::new(3);
    let script = script(&fleet);
    let replica = fleet.start(1).await;
    script.on(usize::MAX, "watch", "remediationrequests", Fault::refused(Effect::internal_error()));
    wait(Duration::from_secs(120)).await;
    let requests = fleet.api.requests().into_iter();
    let refused: Vec<Duration> = requests.filter(|r| r.verb == "watch" && r.code == "500").map(|r| r.elapsed).collect();
    assert!(refused.len() > 10, "{refused:?}");
    for (i, gap) in gaps(&refused).iter().enumerate() {
        // Beside the backoff: a list and a watch, which take 1 ms each.
        let backoff = (50 << i.min(7)).min(5_000);
        let gap = gap.as_millis();
        assert!((backoff / 2..=backoff + 5).contains(&gap), "gap {i} of {:?}", gaps(&refused));
    }
    script.clear();
    // Once a watch has outlived the longest pause, the next outage is met with short pauses again.
    wait(Duration::from_secs(5 + 6)).await;
    let before = answered_at(&fleet, "watch").len();
    script.on(3, "watch", "remediationrequests", Fault::refused(Effect::internal_error()));
    fleet.api.break_watches(&replica.name);
    wait_ms(1_000).await;
    assert_eq!(answered_at(&fleet, "watch").len(), before + 4);
}

#[tokio::test(start_paused = true)]
async fn watches_end_by_themselves_in_time_and_not_all_at_the_same_age() {
    let fleet = Fleet::new(4);
    let replica = fleet.start(1).await;
    wait(Duration::from_secs(1_800)).await;
    assert!(restarts(&replica).is_empty(), "{:?}", restarts(&replica));
    let ages: Vec<u64> = gaps(&answered_at(&fleet, "watch")).iter().map(Duration::as_secs).collect();
    assert!(ages.iter().all(|age| (29..=40).contains(age)), "{ages:?}");
    assert!(ages.iter().any(|age| *age < 34) && ages.iter().any(|age| *age > 36), "{ages:?}");
}

#[tokio::test(start_paused = true)]
async fn the_view_of_an_idle_replica_stays_fresh_while_history_goes_on_elsewhere() {
    let fleet = Fleet::new(5);
    let replica = fleet.start(1).await;
    for i in 0..120 {
        let metadata = serde_json::json!({ "name": format!("elsewhere-{i}"), "namespace": "shop" });
        fleet.api.seed(serde_json::json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata }));
        wait(Duration::from_secs(10)).await;
    }
    let probes = answered_at(&fleet, "list").len() - 1;
    assert!((30..=80).contains(&probes), "one every 15 to 30 s in 20 minutes: {probes}");
    fleet.api.clear_requests();
    assert_eq!(send(&fleet, &replica, "after-a-while").await.status, 201);
    assert!(answered_at(&fleet, "list").is_empty(), "it was fresh: no signal has to list");
}

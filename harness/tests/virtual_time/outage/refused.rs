//! Creates that the API server refuses for good.

use std::time::Duration;

use embedded_apiserver::{Effect, Fault};
use harness::{
    load::webhook,
    testing::{Exchange, Logs, STARTS_AT, assert_quiet, count_of, post, rest, send, spent, wait_ms},
};
use rstest::rstest;
use serde_json::{Value, json};

use super::{Log, one_replica};

fn refused(code: u16, message: &str) -> Fault {
    Fault::refused(Effect::Status { code, reason: "", message: message.to_owned(), retry_after_s: None })
}

/// A webhook with an alert on each of `resources`, whose name is the alert's as well.
fn alerts(resources: &[(&str, &str)]) -> String {
    let mut all = webhook("none", STARTS_AT);
    let one = |(resource, alert): &(&str, &str)| {
        let mut alert_on = webhook(resource, STARTS_AT)["alerts"][0].clone();
        alert_on["labels"]["alertname"] = json!(alert);
        alert_on
    };
    all["alerts"] = resources.iter().map(one).collect();
    all.to_string()
}

fn statuses(answer: &Exchange) -> Vec<&str> {
    let results = answer.body["results"].as_array().map(Vec::as_slice).unwrap_or_default();
    results.iter().map(|result| result["status"].as_str().unwrap_or_default()).collect()
}

#[rstest]
#[case::too_large(413, "Request entity too large: limit is 3145728")]
#[case::too_large_for_etcd(500, "etcdserver: request is too large")]
#[case::too_large_for_grpc(500, "rpc error: code = ResourceExhausted desc = trying to send message larger than max")]
#[case::invalid(422, "spec.signalName: Too long")]
#[case::by_a_policy(403, r#"admission webhook "names.example" denied the request: no"#)]
#[case::bad(400, "the object provided is unrecognized")]
#[tokio::test(start_paused = true)]
async fn a_create_that_is_refused_for_good_is_final_and_costs_its_neighbours_nothing(
    #[case] code: u16,
    #[case] message: &str,
) {
    let (fleet, script, replica) = one_replica(1).await;
    let mut creates = 0;
    script.add(usize::MAX, refused(code, message), move |request| {
        creates += usize::from(request.verb == "create" && request.label() == "remediationrequests");
        creates == 2
    });
    let (logs, _guard) = Logs::capture();
    let answer = post(&replica, alerts(&[("one", "A"), ("bad", "A"), ("two", "A")])).await;
    assert_eq!((answer.status.as_u16(), statuses(&answer)), (207, vec!["created", "rejected", "created"]));
    assert!(!answer.body.to_string().contains(message), "what the API server says is for the log");
    assert_eq!(logs.saying(message).len(), 1, "{:?}", logs.lines());
    assert_eq!(logs.saying("is rejected").len(), 1, "{:?}", logs.lines());
    let series = r#"gateway_signals_parse_dropped_total{reason="refused"}"#;
    assert_eq!(replica.metric(series), Some(1.0));
    rest().await;
    // Alone it is final as well, and for a minute it is not asked again.
    fleet.api.clear_requests();
    let alone = post(&replica, alerts(&[("bad", "A")])).await;
    alone.assert_problem(400);
    assert_eq!(alone.body["type"], "https://kubernaut.ai/problems/not-stored");
    assert_eq!(spent(&fleet).len(), 0);
    assert!(fleet.requests().iter().all(|request| count_of(request) == 1), "nothing was counted again");
}

/// As quota admission answers where others use the same quota at once (kubernetes/kubernetes#67761).
#[rstest]
#[case::of_the_lock("leases")]
#[case::of_the_object("remediationrequests")]
#[tokio::test(start_paused = true)]
async fn a_create_that_conflicts_with_others_on_a_quota_is_tried_again(#[case] resource: &'static str) {
    let (fleet, script, replica) = one_replica(6).await;
    let message = "Operation cannot be fulfilled on resourcequotas \"small\": the object has been modified".to_owned();
    let conflict = Effect::Status { code: 409, reason: "Conflict", message, retry_after_s: None };
    script.on(1, "create", resource, Fault::refused(conflict));
    assert_eq!(send(&fleet, &replica, "shared").await.status, 201);
    rest().await;
    assert_quiet(&fleet);
}

/// A policy, for example. Whoever writes the status meanwhile would be another matter.
#[tokio::test(start_paused = true)]
async fn a_status_that_may_not_be_written_is_not_tried_at_once_again() {
    let (fleet, script, replica) = one_replica(7).await;
    let log = Log::default();
    log.on(&script, refused(422, "no"), |what| what == "patch remediationrequests/status");
    for _ in 0..3 {
        assert!(post(&replica, alerts(&[("refused", "A")])).await.status.is_success());
    }
    wait_ms(60_000).await;
    let tries = log.all();
    assert!(
        tries.len() >= 3 && tries.windows(2).all(|pair| pair[1].at - pair[0].at >= Duration::from_secs(1)),
        "{tries:#?}"
    );
    script.clear();
    wait_ms(120_000).await;
    assert_eq!(fleet.requests().iter().map(count_of).collect::<Vec<_>>(), [3]);
}

/// The alert says nothing wrong: it must not be lost for it.
#[rstest]
#[case::quota(r#"remediationrequests.kubernaut.ai "rr-1" is forbidden: exceeded quota: small, requested: count/x=1"#)]
#[case::right(
    r#"remediationrequests.kubernaut.ai is forbidden: User "gateway" cannot create resource "remediationrequests""#
)]
#[tokio::test(start_paused = true)]
async fn a_create_without_quota_or_right_is_to_be_sent_again_and_succeeds_once_that_is_mended(#[case] message: &str) {
    let (_fleet, script, replica) = one_replica(4).await;
    script.on(1, "create", "remediationrequests", refused(403, message));
    let answer = post(&replica, alerts(&[("refused", "A")])).await;
    answer.assert_problem(503);
    assert_eq!(answer.header("retry-after"), "60");
    wait_ms(61_000).await;
    assert_eq!(post(&replica, alerts(&[("refused", "A")])).await.status.as_u16(), 201);
}

#[tokio::test(start_paused = true)]
async fn an_alert_that_is_refused_for_what_it_says_does_not_cost_others_of_its_resource_theirs() {
    let (_fleet, script, replica) = one_replica(2).await;
    script.on(1, "create", "remediationrequests", refused(413, "too large"));
    let answer = post(&replica, alerts(&[("same", "Large"), ("same", "Small"), ("same", "Other")])).await;
    let mut all = statuses(&answer);
    all.sort_unstable();
    assert_eq!((answer.status.as_u16(), all), (207, vec!["created", "deduplicated", "rejected"]), "{}", answer.body);
    wait_ms(1_000).await;
    let again = post(&replica, alerts(&[("same", "Large")])).await;
    assert_eq!(again.status.as_u16(), 202, "counting stores none of what it says");
}

#[tokio::test(start_paused = true)]
async fn many_alerts_of_a_resource_without_quota_cost_one_create() {
    let (fleet, script, replica) = one_replica(3).await;
    script.on(usize::MAX, "create", "remediationrequests", refused(403, "exceeded quota"));
    let names: Vec<String> = (0..50).map(|number| format!("Alert{number}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| ("same", name.as_str())).collect();
    let answer = post(&replica, alerts(&many)).await;
    answer.assert_problem(503);
    assert_eq!(statuses(&answer), vec!["failed"; 50]);
    let creates = spent(&fleet).iter().filter(|r| r.verb == "create" && r.resource == "remediationrequests").count();
    assert_eq!(creates, 1);
    assert_eq!(fleet.requests(), [Value::Null; 0]);
}

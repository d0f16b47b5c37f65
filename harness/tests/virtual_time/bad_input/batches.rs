//! Resolved alerts, several alerts, and what the answer is made of.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use harness::{
    load::webhook,
    testing::{STARTS_AT, count_of, delete, end, lease_of, name_of, only, patch, post, rest, script},
};
use rstest::rstest;
use serde_json::json;

use super::alerts::{alert, envelope, start};

#[rstest]
#[case::resolved_alone(&["resolved"], 200, "ignored")]
#[case::firing_alone(&["firing"], 201, "created")]
#[tokio::test(start_paused = true)]
async fn a_single_alert_gets_a_single_result(#[case] statuses: &[&str], #[case] code: u16, #[case] result: &str) {
    let (fleet, replica) = start().await;
    let alerts: Vec<String> = statuses.iter().map(|status| alert("single", status).to_string()).collect();
    let answer = post(&replica, envelope(&alerts)).await;
    assert_eq!(answer.status.as_u16(), code);
    assert_eq!(answer.body["status"], result);
    assert_eq!(fleet.requests().len(), usize::from(result == "created"));
}

#[rstest]
#[case::all_resolved(&["resolved", "resolved", "resolved"], 200, 0, 3)]
#[case::first_resolved(&["resolved", "firing", "firing"], 207, 2, 1)]
#[case::last_resolved(&["firing", "firing", "resolved"], 207, 2, 1)]
#[case::none_resolved(&["firing", "firing", "firing"], 207, 3, 0)]
#[tokio::test(start_paused = true)]
async fn resolved_alerts_create_nothing_and_the_others_do(
    #[case] statuses: &[&str],
    #[case] code: u16,
    #[case] created: usize,
    #[case] ignored: usize,
) {
    let (fleet, replica) = start().await;
    let alerts: Vec<String> =
        statuses.iter().enumerate().map(|(i, status)| alert(&format!("mixed-{i}"), status).to_string()).collect();
    let answer = post(&replica, envelope(&alerts)).await;
    assert_eq!(answer.status.as_u16(), code, "{}", answer.body);
    let summary = &answer.body["summary"];
    assert_eq!(summary["created"], created);
    assert_eq!(summary["ignored"], ignored);
    for (status, result) in statuses.iter().zip(answer.body["results"].as_array().unwrap()) {
        let expected = if *status == "resolved" { "ignored" } else { "created" };
        assert_eq!(result["status"], expected, "in the order of the alerts");
    }
    assert_eq!(fleet.requests().len(), created);
}

#[tokio::test(start_paused = true)]
async fn a_resolved_alert_does_not_count_on_an_active_remediation_request() {
    let (fleet, replica) = start().await;
    let firing = || alert("still", "firing").to_string();
    assert_eq!(post(&replica, envelope(&[firing()])).await.status, 201);
    assert_eq!(post(&replica, envelope(&[alert("still", "resolved").to_string()])).await.status, 200);
    assert_eq!(count_of(&only(&fleet)), 1);
}

#[tokio::test(start_paused = true)]
async fn one_that_waits_for_a_deletion_keeps_none_of_its_webhook_from_being_worked_on() {
    let (fleet, replica) = start().await;
    assert_eq!(post(&replica, envelope(&[alert("held-0", "firing").to_string()])).await.status, 201);
    rest().await;
    let held = name_of(&only(&fleet));
    end(&fleet, &held, "Failed").await;
    patch(&fleet, &held, "", json!({ "metadata": { "finalizers": ["example.com/held"] } })).await;
    delete(&fleet, &held).await;
    let alerts: Vec<String> = (0..100).map(|i| alert(&format!("held-{i}"), "firing").to_string()).collect();
    let answer = post(&replica, envelope(&alerts)).await;
    assert!(answer.status.is_server_error(), "{}", answer.status);
    assert_eq!(fleet.requests().len(), 1 + 99);
}

#[tokio::test(start_paused = true)]
async fn alerts_of_one_fingerprint_in_one_webhook_are_all_counted() {
    let (fleet, replica) = start().await;
    let good = || alert("same", "firing").to_string();
    let answer = post(&replica, envelope(&[good(), "{}".to_owned(), good(), good()])).await;
    assert_eq!(answer.status, 207);
    let summary = json!({ "total": 4, "created": 1, "deduplicated": 2, "rejected": 1, "ignored": 0, "failed": 0 });
    assert_eq!(answer.body["summary"], summary);
    assert_eq!(count_of(&only(&fleet)), 3);
}

#[tokio::test(start_paused = true)]
async fn fields_that_are_not_known_are_tolerated() {
    let (_fleet, replica) = start().await;
    let mut body = webhook("unknown", STARTS_AT);
    body["notification_reason"] = json!("new");
    body["alerts"][0]["silencedBy"] = json!([{ "id": 1 }]);
    assert_eq!(post(&replica, body.to_string()).await.status, 201);
}

#[tokio::test(start_paused = true)]
async fn one_alert_that_fails_makes_the_whole_webhook_be_sent_again() {
    let (fleet, replica) = start().await;
    let script = script(&fleet);
    let lease = lease_of("failing");
    // Creates name no object in their path: the third lock of the three.
    let mut locks = 0;
    script.add(1, embedded_apiserver::Fault::lost(), move |request| {
        locks += usize::from(request.verb == "create" && request.resource == "leases");
        locks == 3
    });
    let alerts: Vec<String> = ["a", "b", "failing"].iter().map(|name| alert(name, "firing").to_string()).collect();
    let answer = post(&replica, envelope(&alerts)).await;
    answer.assert_problem(500);
    assert_eq!(answer.body["summary"]["created"], 2);
    assert_eq!(answer.body["summary"]["failed"], 1);
    rest().await;
    assert!(!fleet.leases().iter().any(|held| name_of(held) == lease));
    let answer = post(&replica, envelope(&alerts)).await;
    assert_eq!(answer.status, 207);
    let summary = json!({ "total": 3, "created": 1, "deduplicated": 2, "rejected": 0, "ignored": 0, "failed": 0 });
    assert_eq!(answer.body["summary"], summary);
}

#[tokio::test(start_paused = true)]
async fn alerts_whose_turn_has_not_come_by_the_deadline_are_not_begun_and_sent_again() {
    let (fleet, replica) = start().await;
    let script = script(&fleet);
    // Whatever is asked for is not answered: the first alerts take all the time that there is.
    let hang = embedded_apiserver::Fault { delay_before: Duration::from_secs(60), ..Default::default() };
    script.add(usize::MAX, hang, |_| true);
    let alerts: Vec<String> = (0..500).map(|number| alert(&format!("late-{number}"), "firing").to_string()).collect();
    let answer = post(&replica, envelope(&alerts)).await;
    assert!(answer.status.is_server_error(), "{}", answer.status);
    assert_eq!(answer.body["summary"]["failed"], 500);
    let metrics = replica.metrics();
    let received = metrics.lines().filter(|line| line.starts_with("gateway_signals_received_total{"));
    let begun: f64 = received.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum();
    assert_eq!(begun, 64.0, "as many as are worked on at once");
}

#[tokio::test(start_paused = true)]
async fn the_first_64_rejected_alerts_are_told_why_and_the_others_in_a_word() {
    let (_fleet, replica) = start().await;
    let bad = || format!("{{\"labels\":{{\"alertname\":\"A\"}},\"startsAt\":\"{}\"}}", "y".repeat(200));
    let mut alerts: Vec<String> = (0..66).map(|_| bad()).collect();
    alerts.insert(0, alert("good", "firing").to_string());
    let answer = post(&replica, envelope(&alerts)).await;
    assert_eq!((answer.status.as_u16(), &answer.body["summary"]["rejected"]), (207, &json!(66)));
    let message = |place: usize| answer.body["results"][place]["message"].as_str().unwrap();
    assert!(message(64).contains("yyy"), "{}", message(64));
    assert_eq!(message(65), "invalid_time; only the first 64 are explained");
}

#[rstest]
#[case::tiny("1".to_owned(), 1000, 60)]
#[case::ordinary(format!("{{\"labels\":{{\"alertname\":\"{}\"}},\"startsAt\":1}}", "a".repeat(700)), 1000, 100)]
#[case::large(format!("\"{}\"", "a".repeat(20_000)), 20, 19)]
#[tokio::test(start_paused = true)]
async fn a_webhook_of_bad_alerts_lets_others_have_their_turn_again_and_again(
    #[case] alert: String,
    #[case] alerts: usize,
    #[case] turns_min: u64,
) {
    let (_fleet, replica) = start().await;
    let turns = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&turns);
    let other = tokio::spawn(async move {
        loop {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    let answer = post(&replica, envelope(&vec![alert; alerts])).await;
    other.abort();
    assert_eq!(answer.status, 400);
    let turns = turns.load(Ordering::Relaxed);
    assert!(turns >= turns_min, "{turns}");
}

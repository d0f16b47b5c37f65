//! Bodies and alerts that mean nothing.

use rstest::rstest;
use serde_json::{Value, json};

use super::alerts::{alert, envelope, nested, parse_dropped, start, with_field, with_label, with_text};
use harness::testing::{post, rest};

#[rstest]
#[case::null("null", "not a JSON object")]
#[case::number("7", "not a JSON object")]
#[case::text(r#""alert""#, "not a JSON object")]
#[case::array("[]", "not a JSON object")]
#[case::empty("{}", "labels")]
#[case::labels_of_another_type(&with_field("labels", json!(["a"])), "labels")]
#[case::no_labels(&with_field("labels", json!({})), "labels")]
#[case::labels_all_empty(&with_field("labels", json!({ "alertname": "", "deployment": "" })), "labels")]
#[case::control_character_in_the_cluster(&with_label("cluster", Some("a\u{0}b")), "control character")]
#[case::cluster_too_long(&with_label("cluster", Some(&"c".repeat(254))), "at most")]
#[case::labels_null(&with_field("labels", Value::Null), "labels")]
#[case::label_of_another_type(&with_field("labels", json!({ "alertname": 7 })), "labels.alertname")]
#[case::annotations_of_another_type(&with_field("annotations", json!("x")), "annotations")]
#[case::status_of_another_type(&with_field("status", json!(true)), "status")]
#[case::status_unknown(&with_field("status", json!("suppressed")), "status")]
#[case::starts_at_no_time(&with_field("startsAt", json!("yesterday")), "startsAt")]
#[case::starts_at_a_number(&with_field("startsAt", json!(1_700_000_000)), "startsAt")]
#[case::starts_at_in_the_stone_age(&with_field("startsAt", json!("0001-01-01T00:00:01Z")), "startsAt")]
#[case::starts_at_in_the_far_future(&with_field("startsAt", json!("9999-12-31T23:59:59Z")), "startsAt")]
#[case::starts_at_on_no_day(&with_field("startsAt", json!("2026-02-30T00:00:00Z")), "startsAt")]
#[case::ends_at_no_time(&with_field("endsAt", json!("never")), "endsAt")]
#[case::duplicate_key(&with_text(r#""labels":{"alertname":"Other"}"#), "twice")]
#[case::duplicate_label(&with_field("labels", json!("L")).replace(r#""L""#, r#"{"alertname":"A","alertname":"B"}"#), "twice")]
#[case::nested_33_levels(&with_text(&format!(r#""x":{}"#, nested(32))), "32 levels")]
#[case::nested_100_levels(&with_text(&format!(r#""x":{}"#, nested(100))), "32 levels")]
#[tokio::test(start_paused = true)]
async fn a_bad_alert_is_refused_alone_and_rejected_among_others(#[case] bad: &str, #[case] hint: &str) {
    let (fleet, replica) = start().await;
    let answer = post(&replica, envelope(&[bad.to_owned()])).await;
    answer.assert_problem(400);
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(detail.contains(hint), "{detail}");
    assert!(detail.len() <= 1_024 && !detail.chars().any(char::is_control), "{detail:?}");
    assert!(fleet.requests().is_empty() && fleet.leases().is_empty());
    assert_eq!(parse_dropped(&replica), 1.0);

    let good = |resource| alert(resource, "firing").to_string();
    let answer = post(&replica, envelope(&[good("left"), bad.to_owned(), good("right")])).await;
    assert_eq!(answer.status, 207, "{}", answer.body);
    let statuses: Vec<&str> =
        answer.body["results"].as_array().unwrap().iter().map(|r| r["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["created", "rejected", "created"]);
    let message = answer.body["results"][1]["message"].as_str().unwrap();
    assert!(message.contains(hint), "{message}");
    let summary = json!({ "total": 3, "created": 2, "deduplicated": 0, "rejected": 1, "ignored": 0, "failed": 0 });
    assert_eq!(answer.body["summary"], summary);
    assert_eq!(fleet.requests().len(), 2);
    assert_eq!(parse_dropped(&replica), 2.0);

    let answer = post(&replica, envelope(&[bad.to_owned(), bad.to_owned()])).await;
    answer.assert_problem(400);
    assert_eq!(answer.body["summary"]["rejected"], 2, "all malformed");
    rest().await;
    assert!(fleet.leases().is_empty() && fleet.oracles.violations().is_empty());
}

/// What is not part of an incident's identity is left out, cut or cleaned; the alert counts.
#[rstest]
#[case::alertname_missing(&with_label("alertname", None))]
#[case::alertname_of_two_lines(&with_label("alertname", Some("A\nB")))]
#[case::severity_empty(&with_label("severity", Some("")))]
#[case::name_that_no_object_has(&with_label("deployment", Some("../../etc/passwd")))]
#[case::name_empty(&with_label("deployment", Some("")))]
#[case::name_too_long(&with_label("deployment", Some(&"a".repeat(254))))]
#[case::namespace_that_none_has(&with_label("namespace", Some("AWS/RDS")))]
#[case::control_character_in_a_label(&with_label("x", Some("a\u{0}b")))]
#[case::control_character_in_an_annotation(&with_field("annotations", json!({ "a": "\u{7}" })))]
#[case::label_of_64_kib(&with_label("x", Some(&"v".repeat(64 * 1024))))]
#[case::annotation_of_64_kib(&with_field("annotations", json!({ "a": "v".repeat(64 * 1024) })))]
#[tokio::test(start_paused = true)]
async fn an_odd_alert_counts_alone_and_among_others(#[case] odd: &str) {
    let (fleet, replica) = start().await;
    let answer = post(&replica, envelope(&[odd.to_owned()])).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let good = |resource| alert(resource, "firing").to_string();
    let answer = post(&replica, envelope(&[good("left"), odd.to_owned(), good("right")])).await;
    assert_eq!(answer.status, 207, "{}", answer.body);
    let statuses: Vec<&str> =
        answer.body["results"].as_array().unwrap().iter().map(|r| r["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["created", "deduplicated", "created"]);
    assert_eq!(fleet.requests().len(), 3);
    assert_eq!(parse_dropped(&replica), 0.0);
}

#[rstest]
#[case::nothing("")]
#[case::no_json("alert: yes")]
#[case::cut_off(r#"{"alerts": [{"labels": "#)]
#[case::more_after_it(r#"{"alerts": [{}]} x"#)]
#[case::array("[]")]
#[case::text(r#""x""#)]
#[case::null("null")]
#[case::no_alerts("{}")]
#[case::no_alert(r#"{"alerts": []}"#)]
#[case::alerts_null(r#"{"alerts": null}"#)]
#[case::alerts_of_another_type(r#"{"alerts": {"a": 1}}"#)]
#[case::duplicate_key(r#"{"status": "firing", "status": "resolved", "alerts": [{}]}"#)]
#[case::duplicate_alerts(r#"{"alerts": [{}], "alerts": [{}]}"#)]
#[case::truncated_alerts_negative(r#"{"truncatedAlerts": -1, "alerts": [{}]}"#)]
#[case::nested_deeply(&"[".repeat(100_000))]
#[case::nested_deeply_within(&format!(r#"{{"x": {}, "alerts": [{{}}]}}"#, nested(50_000)))]
#[case::lone_surrogate(r#"{"alerts": [{"labels": {"alertname": "\ud800"}}]}"#)]
#[tokio::test(start_paused = true)]
async fn a_broken_body_is_refused_as_a_whole(#[case] body: &str) {
    let (fleet, replica) = start().await;
    let answer = post(&replica, body.to_owned()).await;
    answer.assert_problem(400);
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(!detail.contains("serde") && !detail.contains("struct"), "no internals: {detail}");
    assert!(fleet.requests().is_empty() && fleet.leases().is_empty());
    assert_eq!(parse_dropped(&replica), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_not_utf_8_is_refused() {
    let (_fleet, replica) = start().await;
    let body = [br#"{"alerts": [{"labels": {"alertname": ""#.as_slice(), b"\xff\xfe", br#""}}]}"#].concat();
    post(&replica, body).await.assert_problem(400);
}

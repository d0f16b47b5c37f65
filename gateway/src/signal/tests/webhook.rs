//! Real webhooks, and what the format leaves open.

use rstest::rstest;
use serde_json::{Value, json};

use super::{alert, now, parse, sent, sent_of, webhook};
use crate::{
    remediation::Source,
    signal::{Ignored, Parsed, Rules, alertmanager, alertmanager::Webhook},
};

const FIRING_SINGLE: &str = include_str!("../../../tests/fixtures/alertmanager/firing_single.json");
const FIRING_GROUP: &str = include_str!("../../../tests/fixtures/alertmanager/firing_group.json");
const MIXED: &str = include_str!("../../../tests/fixtures/alertmanager/mixed.json");
const RESOLVED: &str = include_str!("../../../tests/fixtures/alertmanager/resolved.json");
const REPEAT: &str = include_str!("../../../tests/fixtures/alertmanager/repeat.json");
const TRUNCATED: &str = include_str!("../../../tests/fixtures/alertmanager/truncated.json");

#[track_caller]
fn read(body: &str) -> Webhook {
    alertmanager::parse(body.as_bytes(), now(), &Rules::default()).unwrap()
}

fn resolved(webhook: &Webhook) -> Vec<bool> {
    let ignored = Ok(Parsed::Ignored(Ignored::Resolved));
    webhook.alerts.iter().map(|alert| *alert == ignored).collect()
}

#[test]
fn a_single_firing_alert_is_read_with_its_cluster_and_everything_it_says() {
    let signal = sent(read(FIRING_SINGLE).alerts.remove(0));
    assert_eq!((signal.name.as_str(), signal.severity.as_str()), ("KubeNodeNotReady", "critical"));
    assert_eq!(signal.source, Source::Prometheus);
    assert_eq!((signal.target.kind.as_str(), signal.target.name.as_str()), ("Node", "worker-1"));
    assert_eq!((signal.target.api_version.as_str(), signal.target.namespace.as_str()), ("v1", ""));
    assert_eq!(signal.cluster_id.as_deref(), Some("prod-eu-1"));
    assert_eq!(signal.annotations["summary"], "Node is not ready.");
    assert_eq!(signal.received_time, now());
    assert!(signal.firing_time < now());
    assert_eq!(signal.provider_data["receiver"], "signal-gateway");
    assert_eq!(signal.provider_data["externalURL"], "http://alertmanager.example:9093");
    assert_eq!(signal.provider_data["groupKey"], r#"{}:{cluster="prod-eu-1"}"#);
    let sent: Value = serde_json::from_str(FIRING_SINGLE).unwrap();
    let kept: Value = serde_json::from_str(&signal.original_payload).unwrap();
    assert_eq!(kept, sent["alerts"][0]);
    assert!(FIRING_SINGLE.contains(&signal.original_payload), "the payload is kept byte for byte");
    assert_eq!(signal.provider_data["fingerprint"], sent["alerts"][0]["fingerprint"]);
}

#[test]
fn alerts_of_several_clusters_in_one_group_stay_apart() {
    let alert_of = |cluster| alert(&[("pod", "web-0"), ("cluster", cluster)]);
    let webhook = parse(&webhook(&[alert_of("eu"), alert_of("us")])).unwrap();
    let clusters: Vec<_> = webhook.alerts.into_iter().map(|alert| sent(alert).cluster_id).collect();
    assert_eq!(clusters, [Some("eu".to_owned()), Some("us".to_owned())]);
}

#[test]
fn a_group_keeps_its_order_and_its_unicode() {
    let webhook = read(FIRING_GROUP);
    let signals: Vec<_> = webhook.alerts.into_iter().map(sent).collect();
    let targets: Vec<_> = signals.iter().map(|d| format!("{}/{}", d.target.kind, d.target.name)).collect();
    assert_eq!(
        targets,
        [
            "Job/nightly-report-28412640",
            "Pod/checkout-7d9f8b6c5d-8zq7w",
            "Pod/checkout-7d9f8b6c5d-m4t9b",
            "Pod/checkout-7d9f8b6c5d-x2k4q",
            // A node is where the claim is used, as far as something else is named.
            "PersistentVolumeClaim/data-orders-db-0",
        ]
    );
    assert!(signals[1].annotations["description"].ends_with("\nLes dernières 5 minutes: ⚠ 再起動 × 7 <b>&amp;</b>"));
}

#[test]
fn a_repetition_reads_as_the_same_signals() {
    assert_eq!(read(REPEAT).alerts, read(FIRING_GROUP).alerts);
}

#[test]
fn the_resolved_alert_of_a_firing_group_is_ignored_and_its_neighbours_are_not() {
    assert_eq!(resolved(&read(MIXED)), [false, true, false, false, false]);
}

#[test]
fn a_resolved_group_is_ignored() {
    assert_eq!(resolved(&read(RESOLVED)), [true; 5]);
}

#[test]
fn truncated_alerts_are_reported() {
    let webhook = read(TRUNCATED);
    assert_eq!((webhook.alerts.len(), webhook.truncated_alerts), (2, 3));
}

#[rstest]
#[case("2.0", 2)]
#[case("2.9", 2)]
#[case("1e300", 1_000_000)]
#[case("18446744073709551615", 1_000_000)]
#[case("0", 0)]
fn a_number_of_truncated_alerts_may_be_written_in_any_way(#[case] written: &str, #[case] read: u64) {
    let body = format!(r#"{{"truncatedAlerts": {written}, "alerts": [{{"labels": {{"alertname": "A"}}}}]}}"#);
    assert_eq!(self::read(&body).truncated_alerts, read);
}

#[rstest]
#[case(json!("firing"), json!("resolved"), true)]
#[case(json!("resolved"), json!("firing"), false)]
#[case(json!("resolved"), Value::Null, true)]
#[case(json!("firing"), Value::Null, false)]
#[case(Value::Null, Value::Null, false)]
#[case(json!("resolved"), json!(""), true)]
#[case(json!(""), json!(""), false)]
fn the_webhooks_status_counts_only_for_an_alert_without_one(
    #[case] webhooks: Value,
    #[case] alerts: Value,
    #[case] is_resolved: bool,
) {
    let mut alert = alert(&[("pod", "a")]);
    alert["status"] = alerts;
    let mut body = webhook(&[alert]);
    body["status"] = webhooks;
    assert_eq!(resolved(&parse(&body).unwrap()), [is_resolved]);
}

#[rstest]
#[case(json!({"notification_reason": "firing", "novelty": {"deep": [1]}}))]
#[case(json!({"version": null}))]
#[case(json!({"commonLabels": null, "truncatedAlerts": null, "receiver": null}))]
fn unknown_and_absent_fields_are_tolerated(#[case] fields: Value) {
    let mut body = webhook(&[alert(&[("pod", "a")])]);
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body["alerts"][0]["novelty"] = json!({"a": [true, 1.5, null]});
    assert!(parse(&body).unwrap().alerts[0].is_ok());
}

#[test]
fn an_alert_without_severity_is_of_unknown_severity() {
    assert_eq!(sent_of(&[("pod", "a")]).severity, "unknown");
    assert_eq!(sent_of(&[("pod", "a"), ("severity", "P1 – page")]).severity, "P1 – page");
}

#[rstest]
#[case(Value::Null)]
#[case(json!("0001-01-01T00:00:00Z"))]
fn an_alert_that_does_not_say_since_when_fires_since_now(#[case] starts_at: Value) {
    let mut alert = alert(&[("pod", "a")]);
    alert["startsAt"] = starts_at;
    let parsed = parse(&webhook(&[alert])).unwrap().alerts.remove(0);
    assert_eq!(sent(parsed).firing_time, now());
}

#[test]
fn the_sender_may_use_any_offset() {
    let mut alert = alert(&[("pod", "a")]);
    alert["startsAt"] = json!("2026-11-24T00:30:00.5+02:00");
    let parsed = parse(&webhook(&[alert])).unwrap().alerts.remove(0);
    assert_eq!(sent(parsed).firing_time, "2026-11-23T22:30:00.5Z".parse().unwrap());
}

/// What of an alert is for people: it is cut or cleaned, marked, and costs neither the alert nor its neighbours.
#[rstest]
#[case::version("", "version", json!("1"))]
#[case::version_of_another_type("", "version", json!(4))]
#[case::empty_cluster("", "commonLabels", json!({"cluster": ""}))]
#[case::ends_at("/alerts/0", "endsAt", json!(""))]
#[case::starts_at("/alerts/0", "startsAt", json!(""))]
#[case::empty_label("/alerts/0/labels", "deployment", json!(""))]
#[case::control_in_label("/alerts/0/labels", "x", json!("a\u{0}b"))]
#[case::label_without_name("/alerts/0/labels", "", json!("x"))]
#[case::control_in_label_name("/alerts/0/labels", "x\ny", json!("x"))]
#[case::long_label("/alerts/0/labels", "x", json!("v".repeat(100_000)))]
#[case::long_label_name("/alerts/0/labels", &"n".repeat(300), json!("x"))]
#[case::colours_in_annotation("/alerts/0/annotations", "x", json!("\u{1b}[31mred"))]
#[case::large_alert("/alerts/0", "unknown", json!("v".repeat(400_000)))]
fn what_is_for_people_never_costs_an_alert(#[case] place: &str, #[case] field: &str, #[case] value: Value) {
    let plain = sent_of(&[("pod", "a")]);
    let mut body = webhook(&[alert(&[("pod", "a")])]);
    body.pointer_mut(place).unwrap()[field] = value;
    let signal = sent(parse(&body).unwrap().alerts.remove(0));
    assert_eq!((signal.fingerprint, signal.target, signal.name), (plain.fingerprint, plain.target, plain.name));
    let texts = signal.labels.iter().chain(&signal.annotations).flat_map(|(name, value)| [name, value]);
    assert!(texts.flat_map(|text| text.chars()).all(|c| !c.is_control()), "what is stored can be shown");
    assert!(signal.original_payload.len() <= 64 * 1024);
}

#[test]
fn of_too_many_labels_the_first_are_kept() {
    let mut alert = alert(&[("pod", "a")]);
    alert["labels"].as_object_mut().unwrap().extend((0..200).map(|i| (format!("x{i}"), json!("v"))));
    let signal = sent(parse(&webhook(&[alert])).unwrap().alerts.remove(0));
    assert_eq!(signal.labels.len(), 128);
    assert_eq!(signal.target.name, "a");
    assert!(signal.provider_data["labelsCut"].as_str().unwrap().contains("75 left out"));
}

#[test]
fn an_alert_without_name_and_severity_gets_stand_ins() {
    let mut alert = alert(&[("pod", "a"), ("severity", "")]);
    alert["labels"].as_object_mut().unwrap().remove("alertname");
    let signal = sent(parse(&webhook(&[alert])).unwrap().alerts.remove(0));
    assert_eq!((signal.name.as_str(), signal.severity.as_str()), ("unnamed", "unknown"));
    let signal = sent_of(&[("alertname", "A\n\u{85}B"), ("severity", &"s".repeat(60))]);
    assert_eq!((signal.name.as_str(), signal.severity.len()), ("AB", 50));
}

#[test]
fn long_annotations_are_cut_and_the_cut_is_told() {
    let mut alert = alert(&[("pod", "a")]);
    alert["annotations"] = json!({"description": "é".repeat(40_000), "summary": "short"});
    let signal = sent(parse(&webhook(&[alert])).unwrap().alerts.remove(0));
    assert!(signal.annotations["description"].len() <= 16 * 1024);
    assert!(signal.annotations["description"].ends_with("é… (cut)"));
    assert_eq!(signal.annotations["summary"], "short");
    assert!(signal.provider_data["annotationsCut"].as_str().unwrap().starts_with("1 of them shortened, 0 left out"));
    assert!(!signal.provider_data.contains_key("labelsCut"));
}

#[rstest]
#[case(&[("severity", "none")], true)]
#[case(&[("alertname", "Watchdog")], true)]
#[case(&[("alertname", "WatchdogDown")], false)]
#[case(&[("severity", "info")], false)]
fn heartbeats_are_ignored(#[case] labels: &[(&str, &str)], #[case] ignored: bool) {
    let parsed = parse(&webhook(&[alert(labels)])).unwrap().alerts.remove(0).unwrap();
    assert_eq!(matches!(parsed, Parsed::Ignored(Ignored::Matched { .. })), ignored);
}

#[test]
fn texts_for_people_are_cut_not_refused() {
    let mut body = webhook(&[alert(&[("pod", "a")])]);
    body["groupKey"] = json!("é".repeat(50_000));
    let signal = sent(parse(&body).unwrap().alerts.remove(0));
    assert_eq!(signal.provider_data["groupKey"].as_str().unwrap().len(), 4096);
}

#[test]
fn ordinary_texts_are_not_cut_for_the_characters_that_they_hold() {
    let mut alert = alert(&[("pod", "a")]);
    let page = r#"<a href="/x?a=1&b=2">up > 5 && down < 3</a> "#.repeat(40);
    alert["annotations"] = json!({ "description": page });
    let body = webhook(&[alert]);
    let signal = sent(parse(&body).unwrap().alerts.remove(0));
    assert_eq!(signal.annotations["description"], page);
    assert!(!signal.provider_data.contains_key("annotationsCut"));
    assert_eq!(serde_json::from_str::<Value>(&signal.original_payload).unwrap(), body["alerts"][0]);
}

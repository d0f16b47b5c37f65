//! Each kind of bad input, alone and among good neighbours.

use rstest::rstest;
use serde_json::json;

use super::{alert, now, parse, webhook};
use crate::signal::{
    Rejection, Rules, alertmanager,
    limits::{self, Entries},
    reason,
    strict::{self, MAX_DEPTH},
};

/// A good alert as text, with `broken` in the place of `"annotations":{}`.
fn alert_with(broken: &str) -> String {
    alert(&[("pod", "a-0")]).to_string().replace(r#""annotations":{}"#, broken)
}

fn labels(labels: &str) -> String {
    format!(r#"{{"labels": {labels}}}"#)
}

fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

fn parse_text(body: &str) -> Result<alertmanager::Webhook, Rejection> {
    alertmanager::parse(body.as_bytes(), now(), &Rules::default())
}

/// The rejection of `bad`, checked to be the same alone and in the middle of a batch whose other alerts survive.
#[track_caller]
fn rejection_of(bad: &str) -> Rejection {
    let good = alert(&[("pod", "a-0")]);
    let alone = parse_text(&format!(r#"{{"alerts": [{bad}]}}"#)).unwrap().alerts.remove(0).unwrap_err();
    let batch = parse_text(&format!(r#"{{"alerts": [{good}, {bad}, {good}]}}"#)).unwrap().alerts;
    assert!(batch[0].is_ok() && batch[2].is_ok(), "the neighbours survive");
    assert_eq!(batch[1].as_ref().unwrap_err(), &alone);
    assert!(alone.message.len() <= 256 && !alone.message.chars().any(char::is_control), "{alone:?}");
    assert!(!alone.message.contains("struct"), "no internals: {alone}");
    alone
}

#[rstest]
#[case::null("null", reason::INVALID_FIELD, "not a JSON object")]
#[case::number("7", reason::INVALID_FIELD, "not a JSON object")]
#[case::text("\"alert\"", reason::INVALID_FIELD, "not a JSON object")]
#[case::fields_in_an_array(r#"["firing", {"alertname": "A"}]"#, reason::INVALID_FIELD, "not a JSON object")]
#[case::empty("{}", reason::MISSING_FIELD, "labels")]
#[case::labels_null(&labels("null"), reason::INVALID_FIELD, "labels")]
#[case::labels_array(&labels("[]"), reason::INVALID_FIELD, "labels")]
#[case::labels_empty(&labels("{}"), reason::MISSING_FIELD, "labels")]
#[case::labels_all_empty(&labels(r#"{"alertname": "", "pod": ""}"#), reason::MISSING_FIELD, "labels")]
#[case::control_in_cluster(&labels(r#"{"alertname": "A", "cluster": "a\u0000b"}"#), reason::INVALID_LABEL, "cluster")]
#[case::cluster_too_long(&labels(&format!(r#"{{"cluster": "{}"}}"#, "c".repeat(254))), reason::INVALID_LABEL, "cluster")]
#[case::label_number(&labels(r#"{"alertname": "A", "pod": 7}"#), reason::INVALID_FIELD, "labels.pod")]
#[case::label_null(&labels(r#"{"alertname": "A", "pod": null}"#), reason::INVALID_FIELD, "labels.pod")]
#[case::label_object(&labels(r#"{"alertname": {"a": "b"}}"#), reason::INVALID_FIELD, "labels.alertname")]
#[case::lone_surrogate(&labels(r#"{"alertname": "\ud800"}"#), reason::MALFORMED_JSON, "hex escape")]
#[case::endless_number(&labels(r#"{"alertname": 1e999}"#), reason::MALFORMED_JSON, "number out of range")]
#[case::annotations_text(&alert_with(r#""annotations": "x""#), reason::INVALID_FIELD, "annotations")]
#[case::annotation_list(&alert_with(r#""annotations": {"a": ["b"]}"#), reason::INVALID_FIELD, "annotations.a")]
#[case::duplicate_key(&alert_with(r#""labels": {"alertname": "Other"}"#), reason::DUPLICATE_KEY, "\"labels\"")]
#[case::duplicate_label(&labels(r#"{"alertname": "A", "alertname": "B"}"#), reason::DUPLICATE_KEY, "\"alertname\"")]
#[case::escaped_duplicate(&labels(r#"{"alertname": "A", "alert\u006eame": "B"}"#), reason::DUPLICATE_KEY, "\"alertname\"")]
#[case::duplicate_in_unknown_field(&alert_with(r#""x": [{"y": {"z": 1, "z": 2}}]"#), reason::DUPLICATE_KEY, "\"z\"")]
#[case::too_deep(&alert_with(&format!(r#""x": {}"#, nested(MAX_DEPTH))), reason::TOO_DEEP, "32 levels")]
#[case::far_too_deep(&alert_with(&format!(r#""x": {}"#, nested(100_000))), reason::TOO_DEEP, "32 levels")]
#[case::deep_instead_of_an_alert(&nested(100_000), reason::TOO_DEEP, "32 levels")]
#[case::starts_at_number(
    r#"{"labels": {"alertname": "A"}, "startsAt": 1700000000}"#,
    reason::INVALID_FIELD,
    "startsAt"
)]
fn bad_alerts_are_rejected_with_the_place_and_their_neighbours_are_not(
    #[case] bad: &str,
    #[case] reason: &str,
    #[case] hint: &str,
) {
    let rejection = rejection_of(bad);
    assert_eq!(rejection.reason, reason, "{rejection}");
    assert!(rejection.message.contains(hint), "{rejection}");
}

#[rstest]
#[case("yesterday")]
#[case("1700000000")]
#[case("2026-11-23")]
#[case("2026-11-23 22:58:07Z")]
#[case("2026-11-23T22:58:07")]
#[case("2026-11-23T22:58:07.Z")]
#[case("2026-13-23T22:58:07Z")]
#[case("2026-11-31T22:58:07Z")]
#[case("2026-11-23T25:58:07Z")]
#[case("2026-11-23T22:58:07+02:00[Europe/Berlin]")]
#[case("1999-12-31T23:59:59Z")]
#[case("0001-01-01T00:00:01Z")]
#[case("2026-11-24T23:00:01Z")]
#[case("9999-12-31T23:59:59Z")]
#[case("99999-12-31T23:59:59Z")]
fn absurd_times_are_rejected(#[case] starts_at: &str) {
    let mut bad = alert(&[("pod", "a-0")]);
    bad["startsAt"] = json!(starts_at);
    let rejection = rejection_of(&bad.to_string());
    assert_eq!(rejection.reason, reason::INVALID_TIME);
    assert!(rejection.message.starts_with("startsAt is \""), "{rejection}");
}

#[test]
fn an_end_that_is_no_time_is_rejected() {
    let mut bad = alert(&[("pod", "a-0")]);
    bad["endsAt"] = json!("never");
    assert_eq!(rejection_of(&bad.to_string()).reason, reason::INVALID_TIME);
}

#[test]
fn a_status_that_the_format_does_not_know_is_rejected() {
    let mut bad = alert(&[("pod", "a-0")]);
    bad["status"] = json!("suppressed");
    assert_eq!(rejection_of(&bad.to_string()).reason, reason::INVALID_FIELD);
}

#[test]
fn everything_at_its_limit_is_accepted() {
    let mut good = alert(&[("pod", &"v".repeat(253)), ("severity", &"s".repeat(50))]);
    good["labels"]["alertname"] = json!("v".repeat(253));
    good["labels"]["x"] = json!("v".repeat(Entries::Labels.max_value_bytes()));
    good["annotations"]["x"] = json!("line\r\n\ttab ".repeat(1000));
    good["startsAt"] = json!("2026-11-24T23:00:00Z");
    good["x"] = serde_json::from_str(&nested(MAX_DEPTH - 1)).unwrap();
    assert!(parse(&webhook(&[good])).unwrap().alerts[0].is_ok());
}

#[rstest]
#[case::nothing("", reason::MALFORMED_JSON)]
#[case::cut_off(r#"{"alerts": [{"labels": "#, reason::MALFORMED_JSON)]
#[case::trailing(r#"{"alerts": [{}]} x"#, reason::MALFORMED_JSON)]
#[case::two(r#"{"alerts": [{}]}{"alerts": [{}]}"#, reason::MALFORMED_JSON)]
#[case::syntax_inside_an_alert(r#"{"alerts": [{"labels": {"a" "b"}}]}"#, reason::MALFORMED_JSON)]
#[case::array("[]", reason::INVALID_FIELD)]
#[case::text("\"x\"", reason::INVALID_FIELD)]
#[case::no_alerts("{}", reason::MISSING_FIELD)]
#[case::empty(r#"{"alerts": []}"#, reason::MISSING_FIELD)]
#[case::alerts_null(r#"{"alerts": null}"#, reason::INVALID_FIELD)]
#[case::alerts_object(r#"{"alerts": {"a": {}}}"#, reason::INVALID_FIELD)]
#[case::truncated_negative(r#"{"truncatedAlerts": -1, "alerts": [{}]}"#, reason::INVALID_FIELD)]
#[case::control_in_cluster("{\"commonLabels\": {\"cluster\": \"a\\tb\"}, \"alerts\": [{}]}", reason::INVALID_LABEL)]
#[case::duplicate(r#"{"status": "firing", "status": "resolved", "alerts": [{}]}"#, reason::DUPLICATE_KEY)]
#[case::duplicate_alerts(r#"{"alerts": [{}], "alerts": [{}]}"#, reason::DUPLICATE_KEY)]
#[case::duplicate_under_another_alerts(r#"{"x": {"alerts": {"a": 1, "a": 2}}, "alerts": [{}]}"#, reason::DUPLICATE_KEY)]
#[case::duplicate_label(r#"{"commonLabels": {"cluster": "a", "cluster": "b"}, "alerts": [{}]}"#, reason::DUPLICATE_KEY)]
#[case::deep(&format!(r#"{{"x": {}, "alerts": [{{}}]}}"#, nested(100_000)), reason::TOO_DEEP)]
#[case::deep_instead_of_alerts(&format!(r#"{{"alerts": {}}}"#, nested(100_000).replacen('[', "{\"a\":", 1)), reason::MALFORMED_JSON)]
#[case::unclosed(&"[".repeat(100_000), reason::TOO_DEEP)]
#[case::unclosed_objects(&r#"{"a":"#.repeat(100_000), reason::TOO_DEEP)]
#[case::too_many(&format!(r#"{{"alerts": [{}{{}}]}}"#, "{},".repeat(limits::MAX_ALERTS)), reason::TOO_LARGE)]
fn a_broken_envelope_is_rejected_as_a_whole(#[case] body: &str, #[case] reason: &str) {
    let rejection = parse_text(body).unwrap_err();
    assert_eq!(rejection.reason, reason, "{rejection}");
    assert!(!rejection.message.contains("struct"), "no internals: {rejection}");
}

#[test]
fn a_body_that_is_not_utf_8_is_rejected() {
    let body = b"{\"alerts\": [{\"labels\": {\"alertname\": \"\xff\xfe\"}}]}";
    assert_eq!(alertmanager::parse(body, now(), &Rules::default()).unwrap_err().reason, reason::MALFORMED_JSON);
}

#[test]
fn a_message_repeats_only_the_beginning_of_what_was_sent_and_escapes_it() {
    let bad = alert(&[("cluster", &format!("a\u{1b}[31m\"{}", "é".repeat(200)))]);
    let rejection = rejection_of(&bad.to_string());
    assert!(rejection.message.contains("\\u{1b}[31m\\\"éé"), "{rejection}");
    assert!(rejection.message.contains("é…\""), "{rejection}");
    assert_eq!(rejection.message.matches('é').count(), 64 - 13, "of what is shown");
}

#[test]
fn nesting_up_to_the_limit_is_accepted_and_one_more_level_is_not() {
    let body = |levels: usize| format!(r#"{{"x": {}}}"#, nested(levels));
    assert!(strict::check(&body(MAX_DEPTH - 1), None).is_ok());
    assert_eq!(strict::check(&body(MAX_DEPTH), None).unwrap_err().reason, reason::TOO_DEEP);
}

#[test]
fn more_alerts_than_are_allowed_are_counted_and_not_kept() {
    let body = format!(r#"{{"alerts": [{}]}}"#, vec!["1"; 300_000].join(","));
    let rejection = parse_text(&body).unwrap_err();
    assert_eq!(rejection.reason, reason::TOO_LARGE);
    assert!(rejection.message.starts_with("alerts: 300000; at most 1000"), "{rejection}");
}

#[test]
fn alerts_are_read_one_at_a_time() {
    let body = format!(r#"{{"alerts": [{}, 7]}}"#, alert(&[("pod", "a-0")]));
    let rules = Rules::default();
    let received = alertmanager::open(body.as_bytes(), now(), &rules).unwrap();
    let [good, bad] = received.alerts.iter().map(|text| received.read(text)).collect::<Vec<_>>().try_into().unwrap();
    assert!(good.is_ok());
    assert_eq!(bad.unwrap_err().reason, reason::INVALID_FIELD);
}

#[rstest]
#[case::of_the_envelope(false)]
#[case::of_labels(true)]
fn an_object_of_many_keys_is_rejected_before_they_are_kept(#[case] is_alert: bool) {
    let keys: Vec<String> = (0..5000).map(|number| format!(r#""k{number}": "v""#)).collect();
    let keys = keys.join(",");
    let rejection = match is_alert {
        false => parse_text(&format!(r#"{{{keys}, "alerts": [{{}}]}}"#)).unwrap_err(),
        true => rejection_of(&labels(&format!("{{{keys}}}"))),
    };
    assert_eq!(rejection.reason, reason::TOO_LARGE);
    assert!(rejection.message.contains("4096 keys"), "{rejection}");
}

#[rstest]
#[case::value(&format!(r#"{{"labels": "{}"}}"#, "x".repeat(10_000)))]
#[case::escaped_value(&format!(r#"{{"labels": "{}"}}"#, r#"\"\u0001"#.repeat(1000)))]
#[case::key(&labels(&format!(r#"{{"{}": 7}}"#, "k".repeat(10_000))))]
#[case::status(&format!(r#"{{"labels": {{"alertname": "A"}}, "status": "{}"}}"#, "\u{10ffff}".repeat(1000)))]
fn little_of_a_rejected_value_is_repeated(#[case] bad: &str) {
    let message = rejection_of(bad).message;
    assert!(message.len() <= 256, "{} bytes", message.len());
    let longest = message.split(|c: char| c.is_whitespace()).map(|word| word.chars().count()).max();
    assert!(longest <= Some(100), "{message}");
}

#[test]
fn how_many_alerts_were_left_out_is_believed_up_to_a_million() {
    let read = |count: u64| {
        let body = format!(r#"{{"truncatedAlerts": {count}, "alerts": [{}]}}"#, alert(&[("pod", "a-0")]));
        parse_text(&body).unwrap().truncated_alerts
    };
    assert_eq!([read(0), read(7), read(u64::MAX)], [0, 7, 1_000_000]);
}

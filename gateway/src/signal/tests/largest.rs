//! What the API server has to store of the largest signals.

use rstest::rstest;
use serde_json::{Value, json};

use super::{alert, now, sent, webhook};
use crate::{
    config::Signals,
    remediation::{Signal, build, stored_len},
    signal::{Rules, alertmanager, event},
};

const EVENT: &str = include_str!("../../../tests/fixtures/event/core_v1_warning.json");

/// As Go writes it.
fn stored(value: &Value) -> usize {
    match value {
        Value::String(text) => stored_len(text) + 2,
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| stored_len(name) + 4 + stored(value)).sum::<usize>() + 2
        }
        Value::Array(items) => items.iter().map(|item| stored(item) + 1).sum::<usize>() + 2,
        other => other.to_string().len(),
    }
}

/// What etcd takes of one object, less half a MiB for the status of other controllers.
const STORED_MAX: usize = 1 << 20;

#[rstest]
#[case::quotes("\\\"")]
#[case::lines("\n\"")]
#[case::what_go_escapes_for_pages("<")]
#[case::entities("&>")]
#[case::line_separators("\u{2028}")]
#[case::controls("\u{1}")]
#[case::characters_of_four_bytes("\u{1f525}")]
fn the_largest_alert_and_the_largest_event_fit_into_an_object_of_etcd(
    #[case] text: &str,
    #[values(64 << 10, 256 << 10)] max_payload_bytes: usize,
) {
    let rules = Rules::new(&Signals { max_payload_bytes, ..Signals::default() });
    for signal in [largest_alert(text, &rules), largest_event(text, &rules)] {
        let object = build(&signal, "rr-0123456789ab-1-0123456789abcdef", "kubernaut-system", "pod/boot/1", now());
        let spec = serde_json::to_value(object.spec).unwrap();
        // managedFields has the names once more.
        let names = json!([signal.labels.keys().collect::<Vec<_>>(), signal.annotations.keys().collect::<Vec<_>>()]);
        let bytes = stored(&spec) + 2 * stored(&names);
        assert!(bytes < STORED_MAX, "{bytes} bytes of {:?}", signal.source);
    }
}

fn long(text: &str, bytes: usize) -> String {
    text.repeat(bytes / text.len())
}

/// Labels or annotations of 131 KB, under names of `bytes`.
fn many(text: &str, bytes: usize) -> impl Iterator<Item = (String, Value)> {
    (0..120).map(move |i| (format!("{i:03}{}", long(text, bytes)), json!(long(text, 131_000 / 120))))
}

fn largest_alert(text: &str, rules: &Rules) -> Signal {
    let mut alert = alert(&[("pod", "a")]);
    alert["labels"].as_object_mut().unwrap().extend(many(text, 100));
    alert["annotations"] = json!({"description": long(text, 131_000)});
    alert["annotations"].as_object_mut().unwrap().extend(many(text, 200));
    let mut body = webhook(&[]);
    for field in ["generatorURL", "fingerprint"] {
        alert[field] = json!(long(text, 5000));
    }
    for field in ["groupKey", "externalURL", "receiver"] {
        body[field] = json!(long(text, 5000));
    }
    body["alerts"] = json!([alert]);
    sent(alertmanager::parse(body.to_string().as_bytes(), now(), rules).unwrap().alerts.remove(0))
}

fn largest_event(text: &str, rules: &Rules) -> Signal {
    let mut body: Value = serde_json::from_str(EVENT).unwrap();
    body["message"] = json!(long(text, 131_000));
    body["reportingComponent"] = json!(long(text, 5000));
    body["reportingInstance"] = json!(long(text, 5000));
    body["source"] = json!({"component": long(text, 5000), "host": long(text, 5000)});
    body["involvedObject"]["fieldPath"] = json!(long(text, 5000));
    body["metadata"]["labels"] = many(text, 100).collect();
    body["metadata"]["annotations"] = many(text, 200).collect();
    sent(event::parse(body.to_string().as_bytes(), now(), rules))
}

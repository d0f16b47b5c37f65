//! What holds for any input.

use std::collections::BTreeMap;

use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
};
use serde_json::{Value, json};

use super::{alert, now, webhook};
use crate::{
    remediation::{Fingerprint, Signal, TargetResource},
    signal::{Parsed, Rejection, Rules, alertmanager, event},
};

const GROUP: &str = include_str!("../../../tests/fixtures/alertmanager/mixed.json");
const EVENT: &str = include_str!("../../../tests/fixtures/event/events_v1_series.json");

/// A few bytes of `text` replaced, cut out or doubled.
fn mutated(text: &'static str) -> impl Strategy<Value = Vec<u8>> {
    vec((any::<Index>(), any::<u8>(), 0..4_u8), 1..6).prop_map(move |edits| {
        let mut bytes = text.as_bytes().to_vec();
        for (place, byte, edit) in edits {
            let at = place.index(bytes.len());
            match edit {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.remove(at)),
                _ => bytes.insert(at, bytes[at]),
            }
        }
        bytes
    })
}

fn any_json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![".{0,8}", "[a-z]{1,8}", Just("firing".to_owned()), Just("labels".to_owned())];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        let fields = proptest::collection::btree_map(text.clone(), inner.clone(), 0..5);
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            fields.prop_map(|fields| Value::Object(fields.into_iter().collect())),
            inner.prop_map(|labels| json!({"labels": labels, "status": "firing"})),
        ]
    })
}

fn bounded(rejection: &Rejection) -> bool {
    rejection.message.len() <= 256 && !rejection.message.chars().any(char::is_control)
}

proptest! {
    #[test]
    fn no_bytes_make_the_parsers_panic(body in vec(any::<u8>(), 0..300)) {
        prop_assert!(alertmanager::parse(&body, now(), &Rules::default()).is_err_and(|rejection| bounded(&rejection)));
        prop_assert!(event::parse(&body, now(), &Rules::default()).is_err_and(|rejection| bounded(&rejection)));
    }

    #[test]
    fn a_damaged_webhook_is_read_whole_or_rejected(body in mutated(GROUP)) {
        match alertmanager::parse(&body, now(), &Rules::default()) {
            Ok(webhook) => {
                let sent: Value = serde_json::from_slice(&body).unwrap_or_default();
                let count = sent["alerts"].as_array().map_or(webhook.alerts.len(), Vec::len);
                prop_assert_eq!(webhook.alerts.len(), count);
                prop_assert!(webhook.alerts.iter().filter_map(|alert| alert.as_ref().err()).all(bounded));
            }
            Err(rejection) => prop_assert!(bounded(&rejection)),
        }
    }

    #[test]
    fn a_damaged_event_is_read_or_rejected(body in mutated(EVENT)) {
        if let Err(rejection) = event::parse(&body, now(), &Rules::default()) {
            prop_assert!(bounded(&rejection));
        }
    }

    #[test]
    fn whatever_stands_beside_it_a_good_alert_is_read_the_same(bad in vec(any_json(), 0..4), place in any::<Index>()) {
        let good = alert(&[("pod", "a-0")]);
        let alone = alertmanager::parse(webhook(std::slice::from_ref(&good)).to_string().as_bytes(), now(), &Rules::default());
        let at = place.index(bad.len() + 1);
        let mut alerts = bad;
        alerts.insert(at, good);
        let batch = alertmanager::parse(webhook(&alerts).to_string().as_bytes(), now(), &Rules::default()).unwrap();
        prop_assert_eq!(batch.alerts.len(), alerts.len());
        prop_assert_eq!(&batch.alerts[at], &alone.unwrap().alerts[0]);
    }

    #[test]
    fn the_order_and_the_spelling_of_labels_do_not_matter(
        labels in proptest::collection::btree_map("[a-z_]{1,10}", "[ -~é\n]{0,20}", 0..8),
        shuffled in any::<bool>(),
    ) {
        let mut pairs: Vec<_> = labels.into_iter().collect();
        pairs.retain(|(name, _)| !["alertname", "severity", "namespace"].contains(&name.as_str()));
        pairs.push(("alertname".to_owned(), "A".to_owned()));
        let text = |pairs: &[(String, String)], escape: bool| {
            let pairs = pairs.iter().map(|(name, value)| format!("{}:{}", quoted(name, escape), quoted(value, escape)));
            format!(r#"{{"alerts":[{{"labels":{{{}}}}}]}}"#, pairs.collect::<Vec<_>>().join(","))
        };
        let one = text(&pairs, false);
        if shuffled { pairs.reverse() } else { pairs.rotate_left(1) }
        let other = text(&pairs, true);
        let read = |body: &str| alertmanager::parse(body.as_bytes(), now(), &Rules::default()).unwrap().alerts.remove(0);
        match (read(&one), read(&other)) {
            (Ok(Parsed::Signal(one)), Ok(Parsed::Signal(other))) => {
                let (one, other) = (one.signal, other.signal);
                prop_assert_eq!(Fingerprint::of_target(None, &one.target), Fingerprint::of_target(None, &other.target));
                let same_payload = Signal { original_payload: one.original_payload.clone(), ..other };
                prop_assert_eq!(one, same_payload);
            }
            (one, other) => prop_assert_eq!(one, other),
        }
    }
}

/// An alert about a pod or about nothing but itself, of some cluster or none.
fn grouped_alert() -> impl Strategy<Value = Value> {
    let label = |name: &'static str, value: &'static str| {
        prop::option::weighted(0.7, value).prop_map(move |value| value.map(|value| (name.to_owned(), value)))
    };
    let labels = (label("pod", "[a-c]"), label("cluster", "[xy]"), label("namespace", "[nm]"), label("team", "[tu]"));
    labels.prop_map(|(pod, cluster, namespace, team)| {
        let mut labels: BTreeMap<_, _> = [pod, cluster, namespace, team].into_iter().flatten().collect();
        labels.insert("alertname".to_owned(), "A".to_owned());
        json!({"status": "firing", "labels": labels})
    })
}

/// What Alertmanager sends of a group: the labels that all its alerts share are `commonLabels`.
fn group(alerts: &[Value]) -> Vec<u8> {
    let mut common = alerts[0]["labels"].as_object().unwrap().clone();
    common.retain(|name, value| alerts.iter().all(|alert| alert["labels"].get(name) == Some(value)));
    json!({"version": "4", "commonLabels": common, "alerts": alerts}).to_string().into_bytes()
}

fn fingerprints(body: &[u8]) -> Vec<Fingerprint> {
    let alerts = alertmanager::parse(body, now(), &Rules::default()).unwrap().alerts;
    let signals = alerts.into_iter().map(super::sent);
    signals.map(|signal| Fingerprint::of_target(signal.cluster_id.as_deref(), &signal.target)).collect()
}

/// A resource as two sources may name it, and its cluster.
fn resource() -> impl Strategy<Value = (Option<String>, TargetResource)> {
    let kind = select(vec!["Pod", "Node", "Alert"]);
    let target = (kind, "[a-b]([-.]?[a-b]){0,3}", "[a-b]?").prop_map(|(kind, name, namespace)| TargetResource {
        api_version: String::new(),
        kind: kind.to_owned(),
        name,
        namespace,
    });
    // A cluster's name may hold anything but control characters.
    (prop::option::of("[a-b:]{1,6}|a:b:Pod|b:Node"), target)
}

proptest! {
    #[test]
    fn an_alert_is_the_same_incident_however_alertmanager_groups_it(
        alerts in vec(grouped_alert(), 1..6),
        cut in any::<Index>(),
    ) {
        let alone: Vec<_> = alerts.iter().flat_map(|alert| fingerprints(&group(std::slice::from_ref(alert)))).collect();
        prop_assert_eq!(fingerprints(&group(&alerts)), alone.clone());
        let (front, back) = alerts.split_at(cut.index(alerts.len()));
        let parts = [front, back].into_iter().filter(|part| !part.is_empty());
        prop_assert_eq!(parts.flat_map(|part| fingerprints(&group(part))).collect::<Vec<_>>(), alone);
    }

    #[test]
    fn two_resources_never_share_an_incident(one in resource(), other in resource()) {
        let fingerprint = |(cluster, target): &(Option<String>, _)| Fingerprint::of_target(cluster.as_deref(), target);
        prop_assert_eq!(fingerprint(&one) == fingerprint(&other), one == other);
    }

    #[test]
    fn an_alert_and_an_event_on_the_same_pod_are_the_same_incident(
        pod in "[a-z]([-a-z0-9]{0,8}[a-z0-9])?",
        namespace in "[a-z]([-a-z0-9]{0,8}[a-z0-9])?",
    ) {
        let alert = json!({"labels": {"alertname": "A", "pod": pod, "namespace": namespace}});
        let event = json!({
            "apiVersion": "v1", "kind": "Event", "type": "Warning", "reason": "BackOff",
            "involvedObject": {"kind": "Pod", "name": pod, "namespace": namespace},
        });
        let event = super::sent(event::parse(event.to_string().as_bytes(), now(), &Rules::default()));
        let of_event = Fingerprint::of_target(event.cluster_id.as_deref(), &event.target);
        prop_assert_eq!(fingerprints(&group(&[alert])), [of_event]);
    }

    #[test]
    fn an_event_with_anything_in_a_field_is_read_or_rejected(place in any::<Index>(), value in any_json()) {
        let mut event: Value = serde_json::from_str(EVENT).unwrap();
        let fields = event.as_object_mut().unwrap();
        let field = fields.keys().nth(place.index(fields.len())).cloned().unwrap();
        fields.insert(field, value);
        match event::parse(event.to_string().as_bytes(), now(), &Rules::default()) {
            Ok(Parsed::Signal(unresolved)) => {
                let signal = unresolved.as_sent();
                prop_assert!((1..=253).contains(&signal.name.len()));
                prop_assert_eq!(&signal.original_payload, &event.to_string());
            }
            Ok(Parsed::Ignored(_)) => {}
            Err(rejection) => prop_assert!(bounded(&rejection), "{}", rejection.message),
        }
    }

    #[test]
    fn a_webhook_with_anything_in_a_field_is_read_or_rejected(place in any::<Index>(), value in any_json()) {
        let mut webhook: Value = serde_json::from_str(GROUP).unwrap();
        let fields = webhook.as_object_mut().unwrap();
        let field = fields.keys().nth(place.index(fields.len())).cloned().unwrap();
        fields.insert(field.clone(), value);
        match alertmanager::parse(webhook.to_string().as_bytes(), now(), &Rules::default()) {
            Ok(read) => {
                prop_assert_eq!(read.alerts.len(), webhook["alerts"].as_array().unwrap().len());
                prop_assert!(read.alerts.iter().filter_map(|alert| alert.as_ref().err()).all(bounded));
            }
            Err(rejection) => prop_assert!(bounded(&rejection), "{}", rejection.message),
        }
    }
}

/// `text` as JSON, each character as `\uXXXX` if `escape`.
fn quoted(text: &str, escape: bool) -> String {
    if !escape {
        return json!(text).to_string();
    }
    let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    format!("\"{escaped}\"")
}

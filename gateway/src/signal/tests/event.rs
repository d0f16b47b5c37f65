//! Kubernetes Events of both versions.

use jiff::Timestamp;
use rstest::rstest;
use serde_json::{Value, json};

use super::{now, sent};
use crate::{
    remediation::{Source, TargetResource},
    signal::{Ignored, Parsed, Rules, event, reason},
};

const CORE_WARNING: &str = include_str!("../../../tests/fixtures/event/core_v1_warning.json");
const CORE_NODE: &str = include_str!("../../../tests/fixtures/event/core_v1_node.json");
const CORE_NORMAL: &str = include_str!("../../../tests/fixtures/event/core_v1_normal.json");
const NEW_SERIES: &str = include_str!("../../../tests/fixtures/event/events_v1_series.json");
const NEW_ERROR: &str = include_str!("../../../tests/fixtures/event/events_v1_error.json");

fn resource(api_version: &str, kind: &str, name: &str, namespace: &str) -> TargetResource {
    TargetResource {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
        namespace: namespace.to_owned(),
    }
}

#[rstest]
#[case(
    CORE_WARNING,
    "BackOff",
    "warning",
    resource("v1", "Pod", "checkout-7d9f8b6c5d-x2k4q", "shop"),
    "2026-11-23T22:58:31Z"
)]
#[case(CORE_NODE, "EvictionThresholdMet", "warning", resource("v1", "Node", "worker-1", ""), "2026-11-23T22:55:00Z")]
#[case(
    NEW_SERIES,
    "FailedScheduling",
    "warning",
    resource("v1", "Pod", "orders-db-0", "shop"),
    "2026-11-23T22:57:44.902118Z"
)]
#[case(
    NEW_ERROR,
    "RequestFailed",
    "error",
    resource("cert-manager.io/v1", "Certificate", "shop-tls", "shop"),
    "2026-11-23T22:56:20.000001Z"
)]
fn an_event_becomes_a_signal(
    #[case] body: &str,
    #[case] name: &str,
    #[case] severity: &str,
    #[case] target: TargetResource,
    #[case] firing_time: Timestamp,
) {
    let signal = sent(event::parse(body.as_bytes(), now(), &Rules::default()));
    assert_eq!((signal.name.as_str(), signal.severity.as_str()), (name, severity));
    assert_eq!(signal.target, target);
    assert_eq!(signal.firing_time, firing_time);
    assert_eq!((signal.source, signal.cluster_id), (Source::KubernetesEvents, None));
    assert_eq!(signal.original_payload, body);
    assert!(signal.provider_data["message"].as_str().is_some_and(|message| !message.is_empty()));
}

#[test]
fn a_normal_event_is_ignored() {
    assert_eq!(
        event::parse(CORE_NORMAL.as_bytes(), now(), &Rules::default()),
        Ok(Parsed::Ignored(Ignored::NormalEvent))
    );
}

/// The remediation of a failed remediation fails as well, and has events of its own.
#[test]
fn an_event_about_an_object_of_remediation_is_ignored() {
    let about = |api_version: &str| {
        let involved =
            json!({"apiVersion": api_version, "kind": "RemediationRequest", "name": "rr-1", "namespace": "k"});
        event::parse(core_warning_with("/involvedObject", involved).as_bytes(), now(), &Rules::default()).unwrap()
    };
    for api_version in ["kubernaut.ai/v1alpha1", "kubernaut.ai/v2"] {
        assert!(matches!(about(api_version), Parsed::Ignored(Ignored::Own { name, .. }) if name == "rr-1"));
    }
    assert!(matches!(about("x.kubernaut.ai/v1"), Parsed::Signal(_)), "that group is not ours");
}

#[test]
fn the_count_is_that_of_the_series_if_there_is_one() {
    assert_eq!(sent(event::parse(CORE_WARNING.as_bytes(), now(), &Rules::default())).provider_data["count"], 84);
    assert_eq!(sent(event::parse(NEW_SERIES.as_bytes(), now(), &Rules::default())).provider_data["count"], 7);
}

fn core_warning_with(pointer: &str, value: Value) -> String {
    let mut event: Value = serde_json::from_str(CORE_WARNING).unwrap();
    match event.pointer_mut(pointer) {
        Some(place) => *place = value,
        None => event[pointer.trim_start_matches('/')] = value,
    }
    event.to_string()
}

#[rstest]
#[case("/series", json!({"count": 2, "lastObservedTime": "2026-11-23T22:59:00Z"}), "2026-11-23T22:59:00Z")]
#[case("/lastTimestamp", json!(null), "2026-11-23T22:41:07Z")]
#[case("/lastTimestamp", json!("0001-01-01T00:00:00Z"), "2026-11-23T22:41:07Z")]
#[case("/eventTime", json!("2026-11-23T22:59:30.5Z"), "2026-11-23T22:59:30.5Z")]
#[case("/deprecatedLastTimestamp", json!("2026-11-23T22:59:31Z"), "2026-11-23T22:59:31Z")]
fn the_newest_time_that_is_set_counts(#[case] pointer: &str, #[case] value: Value, #[case] firing_time: Timestamp) {
    let body = core_warning_with(pointer, value);
    assert_eq!(sent(event::parse(body.as_bytes(), now(), &Rules::default())).firing_time, firing_time);
}

#[rstest]
#[case("/involvedObject/namespace", json!(""), "shop")]
#[case("/involvedObject/namespace", json!("other"), "other")]
#[case("/metadata", json!({}), "shop")]
fn the_namespace_is_the_objects_else_the_events(#[case] pointer: &str, #[case] value: Value, #[case] namespace: &str) {
    let body = core_warning_with(pointer, value);
    assert_eq!(sent(event::parse(body.as_bytes(), now(), &Rules::default())).target.namespace, namespace);
}

#[test]
fn a_long_event_is_cut_and_marked() {
    let body = core_warning_with("/message", json!("x".repeat(300_000)));
    let signal = sent(event::parse(body.as_bytes(), now(), &Rules::default()));
    assert_eq!(signal.provider_data["message"].as_str().unwrap().len(), 4096);
    assert!(signal.original_payload.len() <= 64 * 1024);
    assert!(signal.original_payload.ends_with(&format!("… (cut by the gateway: {} bytes in all)", body.len())));
}

#[test]
fn both_names_of_a_field_may_be_there() {
    let mut event: Value = serde_json::from_str(CORE_WARNING).unwrap();
    let message = event["message"].clone();
    event["note"] = json!("another");
    event["reportingController"] = json!("kubelet");
    event["regarding"] = event["involvedObject"].clone();
    event["involvedObject"]["ownerReferences"] = json!([{"kind": "DaemonSet", "controller": true}, {}]);
    let signal = sent(event::parse(event.to_string().as_bytes(), now(), &Rules::default()));
    assert_eq!(signal.provider_data["message"], message);
}

#[rstest]
#[case("/type", json!("warning"), reason::INVALID_FIELD)]
#[case("/type", json!("ADDED"), reason::INVALID_FIELD)]
#[case("/type", json!(1), reason::INVALID_FIELD)]
#[case("/reason", json!(""), reason::INVALID_LABEL)]
#[case("/reason", json!("Back\u{7}Off"), reason::INVALID_LABEL)]
#[case("/reason", json!("x".repeat(254)), reason::INVALID_LABEL)]
#[case("/kind", json!("EventList"), reason::INVALID_FIELD)]
#[case("/apiVersion", json!("events.k8s.io/v2"), reason::INVALID_FIELD)]
#[case("/involvedObject", json!({"kind": "Pod"}), reason::MISSING_FIELD)]
#[case("/involvedObject", json!({"name": "a"}), reason::MISSING_FIELD)]
#[case("/involvedObject", json!("Pod/a"), reason::INVALID_FIELD)]
#[case("/involvedObject/name", json!("Not_A_Name"), reason::INVALID_NAME)]
#[case("/involvedObject/name", json!(""), reason::INVALID_NAME)]
#[case("/involvedObject/kind", json!("pod"), reason::INVALID_NAME)]
#[case("/involvedObject/kind", json!("Pod:x"), reason::INVALID_NAME)]
#[case("/involvedObject/namespace", json!("a.b"), reason::INVALID_NAME)]
#[case("/involvedObject/apiVersion", json!("v1/../x"), reason::INVALID_NAME)]
#[case("/lastTimestamp", json!("yesterday"), reason::INVALID_TIME)]
#[case("/lastTimestamp", json!("1970-01-01T00:00:00Z"), reason::INVALID_TIME)]
fn an_event_that_cannot_be_used_is_rejected(#[case] pointer: &str, #[case] value: Value, #[case] reason: &str) {
    let rejection = event::parse(core_warning_with(pointer, value).as_bytes(), now(), &Rules::default()).unwrap_err();
    assert_eq!(rejection.reason, reason, "{rejection}");
    assert!(rejection.message.len() <= 512);
}

#[rstest]
#[case(b"", reason::MALFORMED_JSON)]
#[case(b"[]", reason::INVALID_FIELD)]
#[case(b"null", reason::INVALID_FIELD)]
#[case(b"{}", reason::MISSING_FIELD)]
#[case(b"{\"type\": \"Warning\", \"type\": \"Normal\"}", reason::DUPLICATE_KEY)]
#[case(b"{\"type\": \"\xff\"}", reason::MALFORMED_JSON)]
fn a_body_that_is_no_event_is_rejected(#[case] body: &[u8], #[case] reason: &str) {
    assert_eq!(event::parse(body, now(), &Rules::default()).unwrap_err().reason, reason);
}

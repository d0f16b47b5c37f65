//! The gateway's events match the schema; what differs in any way does not.

use gateway::{
    audit::Event,
    config::{Change, Identity},
    dedup::{Accepted, Error, Outcome},
    remediation::{Fingerprint, Signal, Source, TargetResource},
};
use jiff::Timestamp;
use rstest::rstest;
use serde_json::json;

use super::*;

fn signal(source: Source) -> Signal {
    Signal {
        fingerprint: Fingerprint::of("shop:Deployment:checkout"),
        name: "KubePodCrashLooping".to_owned(),
        severity: "warning".to_owned(),
        source,
        target: TargetResource {
            api_version: "apps/v1".to_owned(),
            kind: "Deployment".to_owned(),
            name: "checkout".to_owned(),
            namespace: "shop".to_owned(),
        },
        cluster_id: None,
        firing_time: Timestamp::UNIX_EPOCH,
        received_time: Timestamp::UNIX_EPOCH,
        labels: BTreeMap::from([("pod".to_owned(), "checkout-1".to_owned())]),
        annotations: BTreeMap::new(),
        provider_data: serde_json::Map::new(),
        original_payload: String::new(),
    }
}

fn accepted(outcome: Outcome) -> Accepted {
    Accepted {
        uid: None,
        outcome,
        name: "rr-0123456789ab-01234567".to_owned(),
        namespace: "kubernaut-system".to_owned(),
        occurrence_count: 1,
        first_occurrence: Timestamp::UNIX_EPOCH,
        last_occurrence: Timestamp::UNIX_EPOCH,
    }
}

/// What the gateway sends about a signal.
fn sent(source: Source, result: Result<Accepted, Error>) -> Vec<Value> {
    let events = Event::of_result(Timestamp::UNIX_EPOCH, &signal(source), &result);
    events.iter().map(|event| serde_json::to_value(event).unwrap()).collect()
}

#[rstest]
#[case::created(Ok(accepted(Outcome::Created)))]
#[case::deduplicated(Ok(accepted(Outcome::Deduplicated)))]
#[case::failed(Err(Error::Deadline))]
fn what_the_gateway_sends_matches_the_schema(
    #[values(Source::Prometheus, Source::KubernetesEvents)] source: Source,
    #[case] result: Result<Accepted, Error>,
) {
    for event in sent(source, result) {
        assert_eq!(fault(&event), None);
    }
}

/// Asserts that `event` is at fault with `value` in one field.
#[track_caller]
fn assert_found_if_different(mut event: Value, field: &str, value: Value) {
    *event.pointer_mut(field).unwrap() = value;
    assert!(fault(&event).is_some(), "{event}");
}

#[rstest]
#[case::version("/version", json!("1.1"))]
#[case::unknown_type("/event_type", json!("gateway.signal.lost"))]
#[case::no_time("/event_timestamp", json!("yesterday"))]
#[case::category("/event_category", json!("workflow"))]
#[case::action("/event_action", json!("created"))]
#[case::outcome("/event_outcome", json!("failure"))]
#[case::actor_type("/actor_type", json!("user"))]
#[case::actor("/actor_id", json!("gateway"))]
#[case::resource_type("/resource_type", json!("Signal"))]
#[case::resource("/resource_id", json!("kubernaut-system/rr-other"))]
#[case::correlation("/correlation_id", json!("rr-other"))]
#[case::no_data("/event_data", json!(null))]
#[case::type_of_data("/event_data/event_type", json!("gateway.crd.created"))]
#[case::fingerprint("/event_data/fingerprint", json!("ABC"))]
#[case::count("/event_data/occurrence_count", json!(0))]
#[case::no_count("/event_data/occurrence_count", json!(null))]
#[case::status("/event_data/deduplication_status", json!("old"))]
#[case::nameless("/event_data/signal_name", json!(""))]
fn an_event_that_differs_in_one_field_is_found(#[case] field: &str, #[case] value: Value) {
    let event = sent(Source::Prometheus, Ok(accepted(Outcome::Deduplicated))).remove(0);
    assert_found_if_different(event, field, value);
}

#[test]
fn an_unknown_or_missing_field_is_found() {
    let event = sent(Source::Prometheus, Err(Error::Deadline)).remove(0);
    let mut more = event.clone();
    more["tenant"] = json!("shop");
    let mut less = event;
    less.as_object_mut().unwrap().remove("correlation_id");
    assert!(fault(&more).is_some_and(|fault| fault.contains("unknown field `tenant`")));
    assert!(fault(&less).is_some_and(|fault| fault.contains("missing field `correlation_id`")));
}

#[test]
fn a_batch_with_one_faulty_event_is_refused_and_only_its_fault_is_reported() {
    let mut report = Report::default();
    let good = sent(Source::Prometheus, Ok(accepted(Outcome::Created)));
    assert!(report.note(&good));
    let mut spoilt = good.clone();
    spoilt[1]["version"] = json!("2.0");
    assert!(!report.note(&spoilt));
    let one_each = BTreeMap::from([("gateway.crd.created".to_owned(), 1), ("gateway.signal.received".to_owned(), 1)]);
    assert_eq!((report.batches, report.faulty, report.faults.len()), (1, 1, 1));
    assert_eq!(report.events, one_each);
    assert_eq!(report.correlations, BTreeMap::from([("rr-0123456789ab-01234567".to_owned(), one_each)]));
}

fn identity() -> Identity {
    let (pod_name, pod_namespace) = ("gateway-0".to_owned(), "kubernaut-system".to_owned());
    Identity { pod_name, pod_namespace, pod_uid: None }
}

/// What the gateway sends when it follows a changed configuration.
fn reloaded() -> Value {
    let change = Change { key: "logging.level".to_owned(), from: "info".to_owned(), to: "debug".to_owned() };
    let event = Event::config_reloaded(Timestamp::UNIX_EPOCH, &identity(), &[change], &["lock.duration".to_owned()]);
    serde_json::to_value(event).unwrap()
}

#[test]
fn a_changed_configuration_matches_its_schema() {
    assert_eq!(fault(&reloaded()), None);
}

#[rstest]
#[case::outcome("/event_outcome", json!("failure"))]
#[case::actor("/actor_type", json!("external"))]
#[case::pod("/resource_id", json!("kubernaut-system/gateway-1"))]
#[case::nothing_changed("/event_data/changes", json!([]))]
#[case::the_same("/event_data/changes/0/to", json!("info"))]
#[case::unknown_field("/event_data", json!({"event_type": "gateway.config.reloaded", "signal_name": "a"}))]
fn a_changed_configuration_that_differs_in_one_field_is_found(#[case] field: &str, #[case] value: Value) {
    assert_found_if_different(reloaded(), field, value);
}

/// What the gateway sends when a changed configuration is not valid.
fn refused() -> Value {
    let event = Event::config_refused(Timestamp::UNIX_EPOCH, &identity(), "logging.level: `loud` is not a level");
    serde_json::to_value(event).unwrap()
}

#[test]
fn a_refused_configuration_matches_its_schema() {
    assert_eq!(fault(&refused()), None);
}

#[rstest]
#[case::outcome("/event_outcome", json!("success"))]
#[case::action("/event_action", json!("reloaded"))]
#[case::type_within("/event_data/event_type", json!("gateway.config.reloaded"))]
#[case::pod("/resource_id", json!("kubernaut-system/gateway-1"))]
#[case::untold("/event_data/error_details/message", json!(""))]
fn a_refused_configuration_that_differs_in_one_field_is_found(#[case] field: &str, #[case] value: Value) {
    assert_found_if_different(refused(), field, value);
}

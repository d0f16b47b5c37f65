//! The schema of audit events (gateway/docs/contract.md, Audit), written down apart from the gateway's own types: what it
//! sends must match what its neighbour expects, not itself.

use std::collections::BTreeMap;

use gateway::remediation::Fingerprint;
use jiff::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Event<Type = EventType, Data = EventData> {
    version: String,
    event_type: Type,
    /// Read to be sure that it is one.
    #[serde(rename = "event_timestamp")]
    _event_timestamp: Timestamp,
    event_category: String,
    event_action: String,
    event_outcome: String,
    actor_type: ActorType,
    actor_id: String,
    resource_type: String,
    resource_id: String,
    correlation_id: String,
    event_data: Data,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
enum EventType {
    #[serde(rename = "gateway.signal.received")]
    Received,
    #[serde(rename = "gateway.signal.deduplicated")]
    Deduplicated,
    #[serde(rename = "gateway.crd.created")]
    Created,
    #[serde(rename = "gateway.crd.failed")]
    Failed,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ActorType {
    External,
    Service,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventData {
    event_type: EventType,
    signal_type: String,
    signal_source: Source,
    signal_name: String,
    severity: String,
    fingerprint: String,
    /// Empty for cluster-scoped resources.
    #[serde(rename = "namespace")]
    _namespace: String,
    resource_kind: String,
    resource_name: String,
    #[serde(default, rename = "signal_labels")]
    _signal_labels: BTreeMap<String, String>,
    deduplication_status: Option<Status>,
    occurrence_count: Option<u32>,
    remediation_request: Option<String>,
    error_details: Option<ErrorDetails>,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
enum Source {
    #[serde(rename = "prometheus")]
    Prometheus,
    #[serde(rename = "kubernetes-events")]
    KubernetesEvents,
}

#[derive(Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    New,
    Duplicate,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ErrorDetails {
    component: String,
    message: String,
}

impl ErrorDetails {
    fn is_told(&self) -> bool {
        self.component == "gateway" && !self.message.is_empty()
    }
}

/// `gateway.config.reloaded`: a gateway follows a changed configuration.
type Reloaded = Event<String, ReloadedData>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReloadedData {
    event_type: String,
    changes: Vec<Change>,
    #[serde(rename = "needs_restart")]
    _needs_restart: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    key: String,
    from: String,
    to: String,
}

/// `gateway.config.refused`: a gateway keeps its configuration, since a changed one cannot take effect.
type Refused = Event<String, RefusedData>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefusedData {
    event_type: String,
    error_details: ErrorDetails,
}

/// The type of [`Reloaded`].
const RELOADED: &str = "gateway.config.reloaded";
/// The type of [`Refused`].
const REFUSED: &str = "gateway.config.refused";

/// What is wrong with `event`; nothing if it matches its schema.
pub fn fault(event: &Value) -> Option<String> {
    match event["event_type"].as_str() {
        Some(RELOADED) => broken(event, rules_of_reloaded),
        Some(REFUSED) => broken(event, rules_of_refused),
        _ => broken(event, rules),
    }
}

/// What of the types or of `rules` does not hold of `event`.
fn broken<E: DeserializeOwned>(event: &Value, rules: fn(&E) -> Vec<(&'static str, bool)>) -> Option<String> {
    match E::deserialize(event) {
        Err(error) => Some(format!("{error}: {event}")),
        Ok(read) => rules(&read).into_iter().find(|(_, holds)| !holds).map(|(rule, _)| format!("{rule}: {event}")),
    }
}

/// What must hold beyond the types.
fn rules(event: &Event) -> Vec<(&'static str, bool)> {
    let data = &event.event_data;
    let action = match event.event_type {
        EventType::Received => "received",
        EventType::Deduplicated => "deduplicated",
        EventType::Created => "created",
        EventType::Failed => "failed",
    };
    let failed = event.event_type == EventType::Failed;
    let mut rules = vec![
        ("version is 1.0", event.version == "1.0"),
        ("event_category is gateway", event.event_category == "gateway"),
        ("event_action is that of event_type", event.event_action == action),
        ("event_outcome is that of event_type", event.event_outcome == if failed { "failure" } else { "success" }),
        ("event_data has the event's event_type", data.event_type == event.event_type),
        ("actor_id is that of actor_type", actor(event)),
        ("signal_type is alert", data.signal_type == "alert"),
        ("signal_name and severity are told", !data.signal_name.is_empty() && !data.severity.is_empty()),
        ("resource_kind and resource_name are told", !data.resource_kind.is_empty() && !data.resource_name.is_empty()),
        ("fingerprint is a lower-case hex SHA-256", Fingerprint::parse(&data.fingerprint).is_some()),
    ];
    rules.extend(if failed { rules_of_failed(event) } else { rules_of_accepted(event) });
    rules
}

/// Who acts: the sender where a signal is received, the gateway otherwise.
fn actor(event: &Event) -> bool {
    match event.actor_type {
        ActorType::Service => event.actor_id == "gateway" && event.event_type != EventType::Received,
        ActorType::External => {
            let source = match event.event_data.signal_source {
                Source::Prometheus => "prometheus",
                Source::KubernetesEvents => "kubernetes-events",
            };
            event.actor_id == source && event.event_type == EventType::Received
        }
    }
}

fn rules_of_accepted(event: &Event) -> Vec<(&'static str, bool)> {
    let data = &event.event_data;
    let name = event.resource_id.split_once('/').map(|(_, name)| name);
    let status = match event.event_type {
        EventType::Created => data.deduplication_status == Some(Status::New),
        EventType::Deduplicated => data.deduplication_status == Some(Status::Duplicate),
        EventType::Received | EventType::Failed => data.deduplication_status.is_some(),
    };
    vec![
        ("resource_type is RemediationRequest", event.resource_type == "RemediationRequest"),
        ("resource_id is the RemediationRequest's", data.remediation_request.as_ref() == Some(&event.resource_id)),
        ("correlation_id is the RemediationRequest's name", name == Some(event.correlation_id.as_str())),
        ("deduplication_status is that of event_type", status),
        ("occurrence_count is 1 at least", data.occurrence_count.is_some_and(|count| count >= 1)),
        ("there are no error_details", data.error_details.is_none()),
    ]
}

fn rules_of_reloaded(event: &Reloaded) -> Vec<(&'static str, bool)> {
    let data = &event.event_data;
    let mut rules = rules_of_config(event, &data.event_type, "reloaded", "success");
    let has_changed = |change: &Change| !change.key.is_empty() && change.from != change.to;
    rules.push(("something has changed", !data.changes.is_empty() && data.changes.iter().all(has_changed)));
    rules
}

fn rules_of_refused(event: &Refused) -> Vec<(&'static str, bool)> {
    let RefusedData { event_type, error_details } = &event.event_data;
    let mut rules = rules_of_config(event, event_type, "refused", "failure");
    rules.push(("error_details are told", error_details.is_told()));
    rules
}

/// What holds of every event about a gateway's configuration.
fn rules_of_config<Data>(
    event: &Event<String, Data>,
    inner_type: &str,
    action: &str,
    outcome: &str,
) -> Vec<(&'static str, bool)> {
    let pod = event.resource_id.split_once('/').map(|(_, pod)| pod);
    let is_so = event.event_action == action && event.event_outcome == outcome;
    vec![
        ("version is 1.0", event.version == "1.0"),
        ("event_category is gateway", event.event_category == "gateway"),
        ("event_action and event_outcome are those of event_type", is_so),
        ("the gateway acts", matches!(event.actor_type, ActorType::Service) && event.actor_id == "gateway"),
        ("resource_type is Pod", event.resource_type == "Pod"),
        ("correlation_id is the pod's name", pod == Some(event.correlation_id.as_str())),
        ("event_data has the event's event_type", inner_type == event.event_type),
    ]
}

fn rules_of_failed(event: &Event) -> Vec<(&'static str, bool)> {
    let data = &event.event_data;
    vec![
        ("resource_type is Signal", event.resource_type == "Signal"),
        ("resource_id is the fingerprint", event.resource_id == data.fingerprint),
        ("correlation_id is the fingerprint", event.correlation_id == data.fingerprint),
        ("error_details are told", data.error_details.as_ref().is_some_and(ErrorDetails::is_told)),
    ]
}

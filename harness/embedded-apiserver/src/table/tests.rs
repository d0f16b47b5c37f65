use jiff::Timestamp;
use rstest::rstest;
use serde_json::{Value, json};

use super::{IncludeObject, columns_for, render};

fn now() -> Timestamp {
    "2026-01-02T00:00:00Z".parse().expect("a time")
}

/// Headings and cells of the table of one object.
fn table(group: &str, plural: &str, crd_version: Option<&Value>, object: Value) -> Vec<(String, Value)> {
    let columns = columns_for(group, plural, crd_version);
    let table = render(&columns, &[object], now(), "7", IncludeObject::None);
    let names = columns.iter().map(|column| column.name.clone());
    names.zip(table["rows"][0]["cells"].as_array().expect("cells").iter().cloned()).collect()
}

fn show(cells: &[(String, Value)]) -> String {
    let texts = cells.iter().map(|(_, cell)| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned));
    texts.collect::<Vec<_>>().join(" | ")
}

fn with_metadata(mut object: Value) -> Value {
    object["metadata"] = json!({"name": "x", "creationTimestamp": "2026-01-01T23:55:00Z"});
    object
}

#[rstest]
#[case("coordination.k8s.io", "leases", json!({"spec": {"holderIdentity": "gw-0"}}), "x | gw-0 | 5m")]
#[case("", "namespaces", json!({"status": {"phase": "Active"}}), "x | Active | 5m")]
#[case("", "configmaps", json!({"data": {"a": ""}, "binaryData": {"b": ""}}), "x | 2 | 5m")]
#[case("", "secrets", json!({"type": "Opaque", "data": {"a": ""}}), "x | Opaque | 1 | 5m")]
#[case("apps", "deployments", json!({"spec": {"replicas": 3, "selector": {"matchLabels": {"b": "2", "a": "1"}},
        "template": {"spec": {"containers": [{"name": "c", "image": "i"}, {"name": "d", "image": "j"}]}}},
        "status": {"readyReplicas": 2, "updatedReplicas": 3}}),
    "x | 2/3 | 3 | 0 | 5m | c,d | i,j | a=1,b=2")]
#[case("apps", "replicasets", json!({"spec": {"replicas": 1, "selector": {"matchExpressions":
        [{"key": "k", "operator": "In", "values": ["b", "a"]}]}}, "status": {"replicas": 1, "readyReplicas": 1}}),
    "x | 1 | 1 | 1 | 5m |  |  | k in (a,b)")]
#[case("", "services", json!({"spec": {"type": "ClusterIP", "clusterIPs": ["10.0.0.1"], "selector": {"a": "1"},
        "ports": [{"port": 80, "protocol": "TCP"}, {"port": 81, "nodePort": 30081, "protocol": "UDP"}]}}),
    "x | ClusterIP | 10.0.0.1 | <none> | 80/TCP,81:30081/UDP | 5m | a=1")]
#[case("", "services", json!({"spec": {"type": "LoadBalancer"}}), "x | LoadBalancer | <none> | <pending> | <none> | 5m | <none>")]
#[case("", "nodes", json!({"spec": {"unschedulable": true}, "status": {"conditions": [{"type": "Ready", "status": "True"}],
        "nodeInfo": {"kubeletVersion": "v1", "kernelVersion": "6", "architecture": "amd64"},
        "addresses": [{"type": "InternalIP", "address": "10.1.1.1"}]}}),
    "x | Ready,SchedulingDisabled | <none> | 5m | v1 | 10.1.1.1 | <none> | <unknown> | 6 (amd64) | <unknown>")]
#[case("", "events", json!({"type": "Warning", "reason": "BackOff", "message": " m\n", "count": 3,
        "involvedObject": {"kind": "Pod", "name": "p", "fieldPath": "spec"}, "source": {"component": "kubelet", "host": "n"},
        "firstTimestamp": "2026-01-01T23:00:00Z", "lastTimestamp": "2026-01-01T23:59:00Z"}),
    "60s | Warning | BackOff | pod/p | spec | kubelet, n | m | 60m | 3 | x")]
#[case("events.k8s.io", "events", json!({"type": "Warning", "reason": "R", "note": "n", "eventTime": "2026-01-01T23:59:30.000000Z",
        "regarding": {"kind": "Pod", "name": "p"}, "reportingController": "c", "reportingInstance": "i"}),
    "30s | Warning | R | pod/p |  | c, i | n | 30s | 1 | x")]
#[case("", "serviceaccounts", json!({}), "x | 0 | 5m")]
#[case("rbac.authorization.k8s.io", "rolebindings", json!({"roleRef": {"kind": "Role", "name": "r"}}), "x | Role/r | 5m")]
#[case("rbac.authorization.k8s.io", "roles", json!({}), "x | 2026-01-01T23:55:00Z")]
#[case("example.com", "things", json!({}), "x | 5m")]
fn a_built_in_resource_shows_what_the_real_server_shows(
    #[case] group: &str,
    #[case] plural: &str,
    #[case] object: Value,
    #[case] expected: &str,
) {
    assert_eq!(show(&table(group, plural, None, with_metadata(object))), expected);
}

#[rstest]
#[case::pending(json!({"phase": "Pending"}), "0/1 | Pending | 0")]
#[case::waiting(json!({"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}]}),
    "0/1 | ImagePullBackOff | 0")]
#[case::running(json!({"phase": "Running", "containerStatuses": [{"ready": true, "restartCount": 2, "state": {"running": {}},
    "lastState": {"terminated": {"finishedAt": "2026-01-01T23:59:00Z"}}}]}), "1/1 | Running | 2 (60s ago)")]
#[case::failed(json!({"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"exitCode": 3}}}]}),
    "0/1 | ExitCode:3 | 0")]
#[case::initializing(json!({"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": {"running": {}}}]}),
    "0/1 | Init:0/1 | 0")]
#[case::evicted(json!({"phase": "Failed", "reason": "Evicted"}), "0/1 | Evicted | 0")]
fn a_pod_shows_the_sum_of_its_containers(#[case] status: Value, #[case] expected: &str) {
    let spec = json!({"containers": [{"name": "c"}], "initContainers": [{"name": "i"}]});
    let cells = table("", "pods", None, with_metadata(json!({"kind": "Pod", "spec": spec, "status": status})));
    assert_eq!(show(&cells[1..4]), expected);
    assert_eq!(show(&cells[5..]), "<none> | <none> | <none> | <none>");
}

#[test]
fn a_pod_that_is_being_deleted_is_terminating() {
    let mut pod = with_metadata(json!({"status": {"phase": "Running"}}));
    pod["metadata"]["deletionTimestamp"] = json!("2026-01-02T00:00:30Z");
    assert_eq!(table("", "pods", None, pod)[2].1, "Terminating");
}

#[test]
fn a_custom_resource_shows_its_name_and_declared_columns() {
    let version = json!({"additionalPrinterColumns": [
        {"name": "Phase", "type": "string", "jsonPath": ".status.overallPhase"},
        {"name": "Count", "type": "integer", "jsonPath": ".status.count"},
        {"name": "Labels", "type": "string", "jsonPath": ".spec.labels"},
        {"name": "Wrong", "type": "integer", "jsonPath": ".status.overallPhase"},
        {"name": "Seen", "type": "date", "jsonPath": ".status.seen"},
        {"name": "Bad", "type": "date", "jsonPath": ".status.overallPhase"},
        {"name": "Source", "type": "string", "jsonPath": ".spec.source", "priority": 1, "description": "Where from"}]});
    let object = with_metadata(json!({"spec": {"labels": {"a": "1"}, "source": "prometheus"},
        "status": {"overallPhase": "Pending", "count": 3, "seen": "2025-12-30T21:00:00Z"}}));
    let cells = table("kubernaut.ai", "remediationrequests", Some(&version), object);
    assert_eq!(show(&cells), r#"x | Pending | 3 | {"a":"1"} | null | 2d3h | <invalid> | prometheus"#);
    let columns = columns_for("kubernaut.ai", "remediationrequests", Some(&version));
    assert_eq!((columns[7].priority, columns[7].description.as_str()), (1, "Where from"));
    assert_eq!(columns[1].description, "Custom resource definition column (in JSONPath format): .status.overallPhase");
}

#[test]
fn a_custom_resource_without_declared_columns_shows_its_age() {
    let cells = table("g", "p", Some(&json!({"name": "v1"})), with_metadata(json!({})));
    assert_eq!(cells[1], ("Age".to_owned(), json!("5m")));
}

#[rstest]
#[case(IncludeObject::None, Value::Null)]
#[case(IncludeObject::Metadata,
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": {"name": "x"}}))]
#[case(IncludeObject::Object, json!({"kind": "K", "metadata": {"name": "x"}, "spec": 1}))]
fn a_row_carries_as_much_of_its_object_as_was_asked_for(#[case] include: IncludeObject, #[case] expected: Value) {
    let object = json!({"kind": "K", "metadata": {"name": "x"}, "spec": 1});
    let table = render(&columns_for("", "namespaces", None), &[object], now(), "7", include);
    assert_eq!(table["rows"][0]["object"], expected);
    assert_eq!(table["metadata"], json!({"resourceVersion": "7"}));
    assert_eq!(
        table["columnDefinitions"][0],
        json!({"name": "Name", "type": "string", "format": "name", "priority": 0,
            "description": "Name must be unique within a namespace."})
    );
}

#[test]
fn the_row_of_a_finished_pod_says_so() {
    let object = json!({"kind": "Pod", "metadata": {"name": "x"}, "status": {"phase": "Succeeded"}});
    let table = render(&columns_for("", "pods", None), &[object], now(), "7", IncludeObject::None);
    assert_eq!(table["rows"][0]["conditions"][0]["reason"], "Succeeded");
}

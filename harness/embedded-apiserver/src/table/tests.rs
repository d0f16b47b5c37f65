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
#[case("apps", "deployments", json!({"spec": {"replicas": 3}, "status": {"readyReplicas": 2, "updatedReplicas": 3}}),
    "x | 2/3 | 3 | 0 | 5m")]
#[case("", "pods", json!({"status": {"phase": "Running"}}), "x | 5m")]
#[case("example.com", "things", json!({}), "x | 5m")]
fn a_built_in_resource_shows_its_name_its_age_and_maybe_its_state(
    #[case] group: &str,
    #[case] plural: &str,
    #[case] object: Value,
    #[case] expected: &str,
) {
    assert_eq!(show(&table(group, plural, None, with_metadata(object))), expected);
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

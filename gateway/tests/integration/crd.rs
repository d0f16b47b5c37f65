//! The CRD that is deployed is the one that the code was written for.

use gateway::remediation::{RemediationRequest, crd_yaml};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{CustomResourceDefinition, JSONSchemaProps};
use kube::CustomResourceExt;
use rstest::rstest;

const DEPLOYED: &str = include_str!("../../deploy/crd/remediationrequests.kubernaut.ai.yaml");

#[test]
fn the_checked_in_crd_is_the_generated_one() {
    assert!(
        crd_yaml().unwrap() == DEPLOYED,
        "differs; run: cargo run -p gateway -- crd > gateway/deploy/crd/remediationrequests.kubernaut.ai.yaml"
    );
}

#[test]
fn the_yaml_says_what_the_type_says() {
    let read: CustomResourceDefinition = serde_saphyr::from_str(DEPLOYED).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), serde_json::to_value(RemediationRequest::crd()).unwrap());
}

fn schema(path: &str) -> JSONSchemaProps {
    let versions = RemediationRequest::crd().spec.versions;
    let root = versions[0].schema.clone().unwrap().open_api_v3_schema.unwrap();
    path.split('.').fold(root, |schema, field| schema.properties.unwrap()[field].clone())
}

#[test]
fn the_spec_is_immutable_and_requires_what_the_contract_requires() {
    let spec = schema("spec");
    assert_eq!(spec.x_kubernetes_validations.unwrap()[0].rule, "self == oldSelf");
    let required = [
        "firingTime",
        "receivedTime",
        "severity",
        "signalFingerprint",
        "signalName",
        "signalType",
        "targetResource",
        "targetType",
    ];
    assert_eq!(spec.required.unwrap(), required);
}

#[rstest]
#[case("spec.signalFingerprint", Some("^[a-f0-9]{64}$"), None, None)]
#[case("spec.signalName", None, None, Some(253))]
#[case("spec.severity", None, Some(1), Some(50))]
#[case("spec.signalSource", None, None, Some(63))]
#[case("spec.clusterID", None, None, Some(253))]
fn texts_are_bounded(
    #[case] path: &str,
    #[case] pattern: Option<&str>,
    #[case] min: Option<i64>,
    #[case] max: Option<i64>,
) {
    let field = schema(path);
    assert_eq!((field.pattern.as_deref(), field.min_length, field.max_length), (pattern, min, max));
}

#[test]
fn fields_of_other_controllers_survive_in_the_status() {
    for path in ["status", "status.completionStatus", "status.routingStatus"] {
        assert_eq!(schema(path).x_kubernetes_preserve_unknown_fields, Some(true), "{path}");
    }
}

#[test]
fn what_is_counted_is_all_that_the_status_says_of_counting() {
    let fields: Vec<String> = schema("status.deduplication").properties.unwrap().into_keys().collect();
    assert_eq!(fields, ["firstSeenAt", "lastSeenAt", "occurrenceCount"]);
}

#[test]
fn a_list_says_what_it_is_about_how_bad_it_is_where_it_stands_and_whether_it_goes_on() {
    let crd = RemediationRequest::crd();
    let columns = crd.spec.versions[0].additional_printer_columns.clone().unwrap();
    let shown = |wide: bool| -> Vec<_> {
        let columns = columns.iter().filter(|column| (column.priority.unwrap_or(0) > 0) == wide);
        columns.map(|column| column.name.as_str()).collect()
    };
    assert_eq!(shown(false), ["Kind", "Target", "Signal NS", "Severity", "Phase", "Count", "Last Seen", "Age"]);
    assert_eq!(shown(true), ["Alert", "Outcome", "Source", "Cluster"]);
    assert_eq!(crd.spec.names.categories, Some(vec!["kubernaut".to_owned()]));
}

#[test]
fn signals_can_be_selected_by_fingerprint() {
    let crd = RemediationRequest::crd();
    let fields = crd.spec.versions[0].selectable_fields.clone().unwrap();
    let paths: Vec<String> = fields.into_iter().map(|field| field.json_path).collect();
    assert_eq!(paths, [".spec.signalFingerprint", ".spec.signalType", ".spec.severity", ".spec.clusterID"]);
    assert_eq!(crd.spec.names.short_names, Some(vec!["rr".to_owned()]));
}

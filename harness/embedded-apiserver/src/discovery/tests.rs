use rstest::rstest;
use serde_json::{Value, json};

use super::{ResourceDescription, answer, content_type};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                          application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

fn resource(group: &str, version: &str, plural: &str, kind: &str, subresources: &[&str]) -> ResourceDescription {
    ResourceDescription {
        group: group.to_owned(),
        version: version.to_owned(),
        plural: plural.to_owned(),
        singular: kind.to_lowercase(),
        kind: kind.to_owned(),
        short_names: if kind == "RemediationRequest" { vec!["rr".to_owned()] } else { Vec::new() },
        namespaced: kind != "Namespace",
        verbs: vec!["get", "list", "patch"],
        subresources: subresources.iter().map(|&name| name.to_owned()).collect(),
        categories: Vec::new(),
    }
}

fn resources() -> Vec<ResourceDescription> {
    vec![
        resource("", "v1", "namespaces", "Namespace", &["status"]),
        resource("", "v1", "pods", "Pod", &["log", "eviction"]),
        resource("apps", "v1", "deployments", "Deployment", &["scale"]),
        resource("kubernaut.ai", "v1alpha1", "remediationrequests", "RemediationRequest", &["status"]),
        resource("kubernaut.ai", "v1", "remediationrequests", "RemediationRequest", &[]),
    ]
}

fn ask(path: &str, accept: &str) -> Value {
    answer(path, accept, &resources()).expect("an answer")
}

#[test]
fn the_version_is_the_one_whose_behaviour_is_modelled() {
    let version = ask("/version", "");
    assert_eq!(
        (&version["gitVersion"], &version["major"], &version["minor"]),
        (&json!("v1.36.3"), &json!("1"), &json!("36"))
    );
}

#[test]
fn a_client_that_takes_it_gets_everything_at_once_and_can_tell_by_the_content_type() {
    let core = ask("/api", AGGREGATED);
    assert_eq!(content_type(&core), "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
    assert_eq!(core["items"][0]["metadata"], json!({}));
    assert_eq!(core["items"][0]["versions"][0]["resources"][0]["scope"], "Cluster");
    let named = ask("/apis", AGGREGATED);
    let request = &named["items"][1];
    assert_eq!(request["metadata"]["name"], "kubernaut.ai");
    assert_eq!(request["versions"][0]["version"], "v1alpha1", "the first version listed is preferred");
    assert_eq!(
        request["versions"][0]["resources"][0],
        json!({"resource": "remediationrequests", "singularResource": "remediationrequest", "scope": "Namespaced",
            "responseKind": {"group": "kubernaut.ai", "version": "v1alpha1", "kind": "RemediationRequest"},
            "verbs": ["get", "list", "patch"], "shortNames": ["rr"], "categories": [],
            "subresources": [{"subresource": "status", "verbs": ["get", "patch", "update"],
                "responseKind": {"group": "kubernaut.ai", "version": "v1alpha1", "kind": "RemediationRequest"}}]})
    );
}

#[rstest]
#[case("")]
#[case("application/json")]
#[case("application/json, */*")]
#[case("application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json")]
fn any_other_client_gets_the_older_form(#[case] accept: &str) {
    let core = ask("/api", accept);
    assert_eq!((&core["kind"], &core["versions"]), (&json!("APIVersions"), &json!(["v1"])));
    assert_eq!(content_type(&core), "application/json");
    let groups = ask("/apis/", accept);
    assert_eq!(groups["groups"][1]["name"], "kubernaut.ai");
    assert_eq!(
        groups["groups"][1]["preferredVersion"],
        json!({"groupVersion": "kubernaut.ai/v1alpha1", "version": "v1alpha1"})
    );
}

#[test]
fn a_group_lists_its_versions() {
    let group = ask("/apis/kubernaut.ai", "");
    assert_eq!(group["kind"], "APIGroup");
    assert_eq!(group["versions"][1], json!({"groupVersion": "kubernaut.ai/v1", "version": "v1"}));
}

#[rstest]
#[case("/api/v1", &["namespaces", "namespaces/status", "pods", "pods/log", "pods/eviction"])]
#[case("/apis/kubernaut.ai/v1alpha1", &["remediationrequests", "remediationrequests/status"])]
#[case("/apis/apps/v1", &["deployments", "deployments/scale"])]
fn a_version_lists_resources_and_subresources(#[case] path: &str, #[case] expected: &[&str]) {
    let list = ask(path, AGGREGATED);
    assert_eq!(list["kind"], "APIResourceList");
    let names: Vec<&str> =
        list["resources"].as_array().expect("a list").iter().filter_map(|resource| resource["name"].as_str()).collect();
    assert_eq!(names, expected);
}

#[test]
fn a_subresource_of_another_group_says_so() {
    let scale = &ask("/apis/apps/v1", "")["resources"][1];
    assert_eq!((&scale["group"], &scale["kind"]), (&json!("autoscaling"), &json!("Scale")));
    let status = &ask("/api/v1", "")["resources"][1];
    assert_eq!(status.get("group"), None);
}

#[rstest]
#[case("/apis/unknown")]
#[case("/apis/kubernaut.ai/v2")]
#[case("/api/v2")]
#[case("/api/v1/namespaces")]
#[case("/apis/apps/v1/deployments")]
#[case("/openapi/v3/apis/unknown/v1")]
fn what_is_not_discovery_is_left_to_others(#[case] path: &str) {
    assert_eq!(answer(path, "application/json", &resources()), None);
}

#[test]
fn openapi_says_that_validation_can_be_left_to_the_server() {
    let index = ask("/openapi/v3", "application/json");
    assert_eq!(index["paths"]["api/v1"]["serverRelativeURL"], "/openapi/v3/api/v1");
    let url = index["paths"]["apis/kubernaut.ai/v1alpha1"]["serverRelativeURL"].as_str().expect("a path");
    let document = ask(url, "application/json");
    let path = "/apis/kubernaut.ai/v1alpha1/namespaces/{namespace}/remediationrequests/{name}";
    let patch = &document["paths"][path]["patch"];
    assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "RemediationRequest");
    assert_eq!(patch["parameters"][2]["name"], "fieldValidation");
    assert!(document["components"]["schemas"]["ai.kubernaut.v1alpha1.RemediationRequest"].is_object());
}

#[test]
fn a_client_that_takes_only_protobuf_gets_no_openapi_document() {
    let accept = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    assert_eq!(answer("/openapi/v2", accept, &resources()), None);
    assert_eq!(ask("/openapi/v2", "application/json")["swagger"], "2.0");
}

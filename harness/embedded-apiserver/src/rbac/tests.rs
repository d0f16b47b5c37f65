use rstest::rstest;
use serde_json::json;

use super::*;

fn on<'a>(verb: &'a str, resource: &'a str, subresource: &'a str, name: &'a str) -> Attributes<'a> {
    let target =
        On::Resource { group: "kubernaut.ai", resource, subresource, namespace: "ns", name: Cow::Borrowed(name) };
    Attributes { verb, target }
}

fn rule(resources: &[&str], names: &[&str]) -> Value {
    json!({"apiGroups": ["kubernaut.ai"], "resources": resources, "resourceNames": names, "verbs": ["get", "list"]})
}

#[rstest]
#[case::named(&["remediationrequests"], &[], ("get", "remediationrequests", "", "a"), true)]
#[case::another_verb(&["remediationrequests"], &[], ("create", "remediationrequests", "", ""), false)]
#[case::the_resource_is_not_its_status(&["remediationrequests"], &[], ("get", "remediationrequests", "status", "a"), false)]
#[case::its_status(&["remediationrequests/status"], &[], ("get", "remediationrequests", "status", "a"), true)]
#[case::the_status_is_not_the_resource(&["remediationrequests/status"], &[], ("get", "remediationrequests", "", "a"), false)]
#[case::the_status_of_all(&["*/status"], &[], ("get", "remediationrequests", "status", "a"), true)]
#[case::the_status_of_all_is_not_their_scale(&["*/status"], &[], ("get", "remediationrequests", "scale", "a"), false)]
#[case::all_are_their_subresources_too(&["*"], &[], ("get", "remediationrequests", "status", "a"), true)]
#[case::all_subresources_are_not_a_pattern(&["remediationrequests/*"], &[], ("get", "remediationrequests", "status", "a"), false)]
#[case::by_name(&["remediationrequests"], &["a"], ("get", "remediationrequests", "", "a"), true)]
#[case::by_another_name(&["remediationrequests"], &["a"], ("get", "remediationrequests", "", "b"), false)]
#[case::names_do_not_let_all_be_listed(&["remediationrequests"], &["a"], ("list", "remediationrequests", "", ""), false)]
fn a_rule_allows_what_it_names(
    #[case] resources: &[&str],
    #[case] names: &[&str],
    #[case] (verb, resource, subresource, name): (&str, &str, &str, &str),
    #[case] allowed: bool,
) {
    assert_eq!(allows(&rule(resources, names), &on(verb, resource, subresource, name)), allowed);
}

#[rstest]
#[case("/healthz", "/healthz", true)]
#[case("/healthz", "/healthz/", false)]
#[case("/api/v1/signals/*", "/api/v1/signals/prometheus", true)]
#[case("/api/v1/signals/*", "/api/v1/signals", false)]
#[case("*", "/anything", true)]
#[case("/a*c", "/abc", false)]
fn a_rule_allows_the_paths_it_names(#[case] pattern: &str, #[case] path: &str, #[case] allowed: bool) {
    let rule = json!({"nonResourceURLs": [pattern], "verbs": ["post"]});
    assert_eq!(allows(&rule, &Attributes { verb: "post", target: On::Path(path) }), allowed);
    assert!(!allows(&rule, &Attributes { verb: "get", target: On::Path(path) }));
}

#[rstest]
#[case("metadata.name=a", Some("a"))]
#[case("spec.key=b,metadata.name==a", Some("a"))]
#[case("metadata.name!=a", None)]
#[case("metadata.name=a/b", None)]
#[case("", None)]
fn a_list_of_one_name_is_one_of_that_object(#[case] fields: &str, #[case] name: Option<&str>) {
    assert_eq!(named_by(fields).as_deref(), name);
}

#[rstest]
#[case::the_user(json!({"kind": "User", "name": "system:serviceaccount:ns:gateway"}), true)]
#[case::a_group(json!({"kind": "Group", "name": "system:serviceaccounts:ns"}), true)]
#[case::the_account_of_the_namespace(json!({"kind": "ServiceAccount", "name": "gateway"}), true)]
#[case::one_of_another(json!({"kind": "ServiceAccount", "name": "gateway", "namespace": "other"}), false)]
#[case::another_one(json!({"kind": "ServiceAccount", "name": "other", "namespace": "ns"}), false)]
fn a_binding_is_for_its_subjects(#[case] subject: Value, #[case] included: bool) {
    assert_eq!(includes(&subject, "ns", &Caller::service_account("ns", "gateway")), included);
}

//! Who may do what: the least that works.

use serde_json::{Value, json};

use super::helm::{Helm, NAMESPACE, Release};

fn verbs(role: &Value, group: &str, resource: &str) -> Vec<Value> {
    let rules = role["rules"].as_array().unwrap().iter();
    let matching = rules.filter(|rule| {
        let has = |key: &str, value: &str| rule[key].as_array().is_some_and(|all| all.contains(&value.into()));
        has("apiGroups", group) && has("resources", resource)
    });
    matching.flat_map(|rule| rule["verbs"].as_array().unwrap().clone()).collect()
}

fn bound<'a>(release: &'a Release, kind: &'a str, role: &'a str) -> Vec<&'a Value> {
    release.all(kind).filter(|binding| binding["roleRef"]["name"] == role).collect()
}

#[test]
fn leases_and_remediation_requests_are_the_gateways_in_its_own_namespace_only() {
    let Some(helm) = Helm::find() else { return };
    let release = helm.render("");
    let role = release.named("ClusterRole", "gateway-role");
    assert_eq!(
        role["rules"],
        json!([
            { "apiGroups": ["coordination.k8s.io"], "resources": ["leases"],
              "verbs": ["get", "create", "update", "patch", "delete", "list"] },
            { "apiGroups": ["kubernaut.ai"], "resources": ["remediationrequests"],
              "verbs": ["get", "list", "watch", "create", "patch"] },
            { "apiGroups": ["kubernaut.ai"], "resources": ["remediationrequests/status"], "verbs": ["patch"] },
            { "apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create"] },
        ])
    );
    let silent = helm.render("config: {events: {enabled: false}}");
    assert!(verbs(silent.named("ClusterRole", "gateway-role"), "events.k8s.io", "events").is_empty());
    assert!(bound(&release, "ClusterRoleBinding", "gateway-role").is_empty());
    let bindings = bound(&release, "RoleBinding", "gateway-role");
    assert_eq!(bindings.len(), 1);
    assert_eq!(bindings[0]["metadata"]["namespace"], NAMESPACE);
    let subjects = json!([{ "kind": "ServiceAccount", "name": "gateway", "namespace": NAMESPACE }]);
    assert_eq!(bindings[0]["subjects"], subjects);
    assert_eq!(release.pod()["spec"]["serviceAccountName"], "gateway");
}

#[test]
fn in_the_cluster_the_gateway_reads_and_asks_and_changes_nothing() {
    let Some(helm) = Helm::find() else { return };
    let release = helm.render("");
    let role = release.named("ClusterRole", "gateway-role-cluster");
    for rule in role["rules"].as_array().unwrap() {
        let reviews = [json!(["tokenreviews"]), json!(["subjectaccessreviews"])].contains(&rule["resources"]);
        let listed = [json!(["replicasets"]), json!(["nodes"])].contains(&rule["resources"]);
        let verbs = [("create", reviews), ("list", listed), ("get", true)].into_iter().find(|(_, holds)| *holds);
        assert_eq!(rule["verbs"], json!([verbs.unwrap().0]), "{rule}");
        assert!(!rule.to_string().contains('*') && !rule.to_string().contains("secrets"), "{rule}");
    }
    assert_eq!(bound(&release, "ClusterRoleBinding", "gateway-role-cluster").len(), 1);
    assert_eq!(verbs(role, "authentication.k8s.io", "tokenreviews"), ["create"]);

    let trusting = helm.render("config: {auth: {mode: none}}");
    let role = trusting.named("ClusterRole", "gateway-role-cluster");
    assert!(verbs(role, "authentication.k8s.io", "tokenreviews").is_empty());
    assert_eq!(verbs(role, "", "pods"), ["get"]);
}

#[test]
fn the_gateway_may_look_at_what_its_configuration_names() {
    let Some(helm) = Helm::find() else { return };
    let vm = "{group: kubevirt.io, version: v1, kind: VirtualMachine, plural: virtualmachines}";
    let release = helm.render(&format!("config: {{signal: {{nodeByInstance: false, targets: {{vm: {vm}}}}}}}"));
    let role = release.named("ClusterRole", "gateway-role-cluster");
    assert_eq!(verbs(role, "kubevirt.io", "virtualmachines"), ["get"]);
    assert_eq!(verbs(role, "", "nodes"), ["get"]);
    let release = helm.render("config: {logging: {level: debug}}");
    let role = release.named("ClusterRole", "gateway-role-cluster");
    assert_eq!(
        verbs(role, "", "nodes"),
        ["get", "list"],
        "alerts about machines are about nodes, unless told otherwise"
    );
}

#[test]
fn senders_may_send_and_nothing_else() {
    let Some(helm) = Helm::find() else { return };
    let release = helm.render("rbac: {senders: [{namespace: monitoring, name: alertmanager}]}");
    let expected = json!([{ "verbs": ["post"],
        "nonResourceURLs": ["/api/v1/signals/prometheus", "/api/v1/signals/kubernetes-event"] }]);
    assert_eq!(release.named("ClusterRole", "gateway-role-sender")["rules"], expected);
    let binding = release.named("ClusterRoleBinding", "gateway-role-sender");
    let subjects = json!([{ "kind": "ServiceAccount", "name": "alertmanager", "namespace": "monitoring" }]);
    assert_eq!(binding["subjects"], subjects);
    let nobody = helm.render("{tests: {enabled: false}}");
    assert!(bound(&nobody, "ClusterRoleBinding", "gateway-role-sender").is_empty());
}

#[test]
fn people_look_at_remediation_requests_by_view_and_end_them_by_edit_but_create_none() {
    let Some(helm) = Helm::find() else { return };
    let release = helm.render("");
    let role = |name| release.named("ClusterRole", name);
    let (view, edit) = (role("gateway-role-view"), role("gateway-role-edit"));
    for resource in ["remediationrequests", "remediationrequests/status"] {
        assert_eq!(verbs(view, "kubernaut.ai", resource), ["get", "list", "watch"], "{resource}");
        assert!(verbs(edit, "kubernaut.ai", resource).contains(&"patch".into()), "{resource}");
        assert!(!verbs(edit, "kubernaut.ai", resource).contains(&"create".into()), "{resource}");
    }
    assert!(verbs(edit, "kubernaut.ai", "remediationrequests").contains(&"delete".into()));
    let aggregated = |role: &Value| -> Vec<String> {
        let labels = role["metadata"]["labels"].as_object().unwrap().keys();
        labels
            .filter_map(|label| label.strip_prefix("rbac.authorization.k8s.io/aggregate-to-"))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(aggregated(view), ["view"]);
    assert_eq!(aggregated(edit), ["admin", "edit"]);

    let apart = helm.render("rbac: {aggregate: false}");
    for name in ["gateway-role-view", "gateway-role-edit"] {
        assert!(aggregated(apart.named("ClusterRole", name)).is_empty(), "{name}");
    }
}

#[test]
fn whoever_brings_roles_and_accounts_of_his_own_gets_none() {
    let Some(helm) = Helm::find() else { return };
    let release = helm.render("{rbac: {create: false}, serviceAccount: {create: false, name: own}}");
    for object in release.objects() {
        let kind = object["kind"].as_str().unwrap();
        assert!(!kind.contains("Role") && kind != "ServiceAccount", "{kind}");
    }
    assert_eq!(release.pod()["spec"]["serviceAccountName"], "own");
    assert_eq!(release.named("Job", "gateway-release")["spec"]["template"]["spec"]["serviceAccountName"], "own");
}

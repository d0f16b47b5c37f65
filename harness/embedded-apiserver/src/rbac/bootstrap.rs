//! The roles that every cluster begins with, as far as clients of this server meet them
//! (`k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac/bootstrappolicy`).

use serde_json::{Value, json};

pub(super) const GROUP: &str = "rbac.authorization.k8s.io";

/// ClusterRoles, each with its ClusterRoleBinding if there is one.
pub(crate) fn objects() -> Vec<Value> {
    const DISCOVERY: &[&str] = &[
        "/api",
        "/api/*",
        "/apis",
        "/apis/*",
        "/healthz",
        "/livez",
        "/openapi",
        "/openapi/*",
        "/readyz",
        "/version",
        "/version/",
    ];
    const INFO: &[&str] = &["/healthz", "/livez", "/readyz", "/version", "/version/"];
    let create =
        |group: &str, resources: &[&str]| json!({"verbs": ["create"], "apiGroups": [group], "resources": resources});
    let get = |paths: &[&str]| json!([{"verbs": ["get"], "nonResourceURLs": paths}]);
    let all = json!([
        {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
        {"verbs": ["*"], "nonResourceURLs": ["*"]},
    ]);
    let own = json!([
        create("authorization.k8s.io", &["selfsubjectaccessreviews", "selfsubjectrulesreviews"]),
        create("authentication.k8s.io", &["selfsubjectreviews"]),
    ]);
    let reviews = json!([
        create("authentication.k8s.io", &["tokenreviews"]),
        create("authorization.k8s.io", &["subjectaccessreviews"]),
    ]);
    let everybody = ["system:authenticated", "system:unauthenticated"];
    let roles: [(&str, Value, &[&str]); 5] = [
        ("cluster-admin", all, &["system:masters"]),
        ("system:auth-delegator", reviews, &[]),
        ("system:basic-user", own, &everybody[..1]),
        ("system:discovery", get(DISCOVERY), &everybody[..1]),
        ("system:public-info-viewer", get(INFO), &everybody),
    ];
    let mut objects = Vec::new();
    for (name, rules, groups) in roles {
        objects.push(object("ClusterRole", name, json!({"rules": rules})));
        if !groups.is_empty() {
            let subject = |group: &&str| json!({"kind": "Group", "apiGroup": GROUP, "name": group});
            let subjects: Vec<Value> = groups.iter().map(subject).collect();
            let role = json!({"apiGroup": GROUP, "kind": "ClusterRole", "name": name});
            objects.push(object("ClusterRoleBinding", name, json!({"roleRef": role, "subjects": subjects})));
        }
    }
    objects
}

fn object(kind: &str, name: &str, mut content: Value) -> Value {
    content["apiVersion"] = format!("{}/v1", GROUP).into();
    content["kind"] = kind.into();
    let annotations = json!({"rbac.authorization.kubernetes.io/autoupdate": "true"});
    let labels = json!({"kubernetes.io/bootstrapping": "rbac-defaults"});
    content["metadata"] = json!({"name": name, "annotations": annotations, "labels": labels});
    content
}

//! Gateways under their service account, with the Roles of the chart.

use harness::{api::Caller, fleet::Fleet, replica::NAMESPACE};
use kube::Client;
use serde_json::{Value, json};

use super::{Replica, name_of};

/// The Roles and Bindings that the chart ships.
const TEMPLATES: [&str; 3] = [
    include_str!("../../../gateway/deploy/chart/templates/role.yaml"),
    include_str!("../../../gateway/deploy/chart/templates/clusterrole.yaml"),
    include_str!("../../../gateway/deploy/chart/templates/senders.yaml"),
];

/// What helm makes of them for the release `gateway` with one sender: they hold nothing but names to fill in and conditions
/// that hold, on lines of their own. The tests of the chart compare with helm itself.
fn manifests() -> String {
    let is_text = |line: &&str| !line.trim_start().starts_with("{{-");
    let text = TEMPLATES.join("\n---\n").lines().filter(is_text).collect::<Vec<_>>().join("\n");
    let filled = [
        (".Values.rbac.roleName", "gateway-role"),
        ("include \"gateway.fullname\" .", "gateway"),
        ("include \"gateway.serviceAccount\" .", "gateway"),
        (".Release.Namespace", NAMESPACE),
        (".name", "alertmanager"),
        (".namespace", "monitoring"),
    ];
    let text = filled.iter().fold(text, |text, (what, name)| text.replace(&format!("{{{{ {what} }}}}"), name));
    assert!(!text.contains("{{"), "the chart says something else by now; fill it in here:\n{text}");
    text
}

/// A fleet whose API enforces RBAC, with the Roles of the chart.
pub(crate) fn guarded_fleet(seed: u64) -> Fleet {
    let fleet = Fleet::new(seed);
    fleet.api.enforce_rbac();
    fleet.api.seed_manifests(&manifests()).unwrap();
    fleet
}

/// A client of the gateway's service account.
pub(crate) fn account(fleet: &Fleet) -> Client {
    Client::new(fleet.api.service(Caller::service_account(NAMESPACE, "gateway")), NAMESPACE)
}

/// Starts `gateway-pod-1` to `gateway-pod-<count>` as the service account.
pub(crate) async fn start_accounts(fleet: &Fleet, count: usize) -> Vec<Replica> {
    let mut replicas = Vec::new();
    for number in 1..=count {
        let (config, skew) = (harness::replica::config(), harness::fleet::Skew::default());
        replicas.push(fleet.start_via(number, config, skew, account(fleet)).await);
    }
    replicas
}

/// From now on, the gateway's Role has just these verbs on leases; no rule at all if there are none.
pub(crate) fn grant_on_leases(fleet: &Fleet, verbs: &[&str]) {
    let roles = fleet.api.objects("clusterroles");
    let mut role = roles.into_iter().find(|role| name_of(role) == "gateway-role").unwrap();
    let rules = role["rules"].as_array_mut().unwrap();
    rules.retain(|rule: &Value| rule["apiGroups"] != json!(["coordination.k8s.io"]));
    if !verbs.is_empty() {
        rules.push(json!({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": verbs}));
    }
    fleet.api.seed(role);
}

/// The requests that were answered 403, as `verb resource`.
pub(crate) fn forbidden(fleet: &Fleet) -> Vec<String> {
    let refused = fleet.api.requests().into_iter().filter(|request| request.code == "403");
    refused.map(|request| format!("{} {}", request.verb, request.resource)).collect()
}

//! Gateways under their service account, with the Roles of the chart.

use std::sync::LazyLock;

use embedded_apiserver::Caller;
use kube::Client;
use serde_json::{Value, json};

use super::objects::name_of;
use crate::{
    cluster::chart_roles,
    fleet::{Fleet, Skew},
    replica::{NAMESPACE, Replica, config},
};

/// A fleet whose API enforces RBAC, with the Roles of the chart.
pub fn guarded_fleet(seed: u64) -> Fleet {
    static ROLES: LazyLock<Vec<Value>> = LazyLock::new(|| chart_roles(NAMESPACE).unwrap());
    let fleet = Fleet::new(seed);
    fleet.api.enforce_rbac();
    ROLES.iter().cloned().for_each(|object| fleet.api.seed(object));
    fleet
}

/// A client of the gateway's service account.
pub fn account(fleet: &Fleet) -> Client {
    Client::new(fleet.api.service(Caller::service_account(NAMESPACE, "gateway")), NAMESPACE)
}

/// Starts `gateway-pod-1` to `gateway-pod-<count>` as the service account.
pub async fn start_accounts(fleet: &Fleet, count: usize) -> Vec<Replica> {
    let mut replicas = Vec::new();
    for number in 1..=count {
        let (config, skew) = (config(), Skew::default());
        replicas.push(fleet.start_via(number, config, skew, account(fleet)).await);
    }
    replicas
}

/// From now on, the gateway's Role has just these verbs on leases; no rule at all if there are none.
pub fn grant_on_leases(fleet: &Fleet, verbs: &[&str]) {
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
pub fn forbidden(fleet: &Fleet) -> Vec<String> {
    let refused = fleet.api.requests().into_iter().filter(|request| request.code == "403");
    refused.map(|request| format!("{} {}", request.verb, request.resource)).collect()
}

//! What a gateway's user may do, as Roles and bindings.

use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::Error;

/// What gateways may do in their namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permissions {
    /// All they need.
    Full,
    /// All but anything on leases.
    WithoutLeases,
}

const NAME: &str = "gateway";
const RBAC: &str = "rbac.authorization.k8s.io";

impl Permissions {
    /// Rules in the gateways' namespace.
    fn rules(self) -> Value {
        let leases = json!({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"],
            "verbs": ["get", "create", "update", "delete", "list"]});
        let requests = json!({"apiGroups": ["kubernaut.ai"],
            "resources": ["remediationrequests", "remediationrequests/status"],
            "verbs": ["get", "list", "watch", "create", "patch"]});
        match self {
            Self::Full => json!([leases, requests]),
            Self::WithoutLeases => json!([requests]),
        }
    }
}

/// Grants `permissions` in `namespace` to `users`, in place of what they had there, and reading owners everywhere.
///
/// # Errors
/// If the cluster refuses it.
pub async fn permit(client: &Client, namespace: &str, users: &[&str], permissions: Permissions) -> Result<(), Error> {
    let subjects: Vec<Value> =
        users.iter().map(|user| json!({"apiGroup": RBAC, "kind": "User", "name": user})).collect();
    let reads = json!({"metadata": {"name": NAME}, "rules": [
        {"apiGroups": [""], "resources": ["namespaces", "nodes", "pods"], "verbs": ["get"]},
        {"apiGroups": ["apps", "batch", "autoscaling"], "resources": ["*"], "verbs": ["get"]},
    ]});
    apply::<ClusterRole>(&Api::all(client.clone()), "ClusterRole", reads).await?;
    let binding = json!({"metadata": {"name": NAME}, "subjects": subjects,
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": NAME}});
    apply::<ClusterRoleBinding>(&Api::all(client.clone()), "ClusterRoleBinding", binding).await?;
    let role = json!({"metadata": {"name": NAME}, "rules": permissions.rules()});
    apply::<Role>(&Api::namespaced(client.clone(), namespace), "Role", role).await?;
    let binding = json!({"metadata": {"name": NAME}, "subjects": subjects,
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": NAME}});
    apply::<RoleBinding>(&Api::namespaced(client.clone(), namespace), "RoleBinding", binding).await
}

async fn apply<K>(api: &Api<K>, kind: &str, mut object: Value) -> Result<(), Error>
where
    K: Clone + std::fmt::Debug + Resource + Serialize + DeserializeOwned,
{
    object["apiVersion"] = json!(format!("{RBAC}/v1"));
    object["kind"] = json!(kind);
    api.patch(NAME, &PatchParams::apply("gateway-sim").force(), &Patch::Apply(&object))
        .await
        .map(|made| made.name_any())?;
    Ok(())
}

//! What a gateway's user may do: the chart's rules, bound to users.

use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{chart, error::Error};

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
    /// Rules in the gateways' namespace: those of the chart.
    fn rules(self) -> Result<Vec<Value>, Error> {
        let mut rules = chart::rules("gateway-role")?;
        if self == Self::WithoutLeases {
            rules.retain(|rule| rule["resources"] != json!(["leases"]));
        }
        Ok(rules)
    }
}

/// Grants `permissions` in `namespace` to `users`, in place of what they had there, and everywhere what the chart grants everywhere.
///
/// # Errors
/// If the cluster refuses it.
pub async fn permit(client: &Client, namespace: &str, users: &[&str], permissions: Permissions) -> Result<(), Error> {
    let subjects: Vec<Value> =
        users.iter().map(|user| json!({"apiGroup": RBAC, "kind": "User", "name": user})).collect();
    let reads = json!({"metadata": {"name": NAME}, "rules": chart::rules("gateway-role-cluster")?});
    apply::<ClusterRole>(&Api::all(client.clone()), "ClusterRole", reads).await?;
    let binding = json!({"metadata": {"name": NAME}, "subjects": subjects,
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": NAME}});
    apply::<ClusterRoleBinding>(&Api::all(client.clone()), "ClusterRoleBinding", binding).await?;
    let role = json!({"metadata": {"name": NAME}, "rules": permissions.rules()?});
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

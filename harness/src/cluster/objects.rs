//! What gateways need in a cluster, and what they make there.
#![allow(clippy::disallowed_methods, reason = "clusters live in real time")]

use std::time::Duration;

use gateway::remediation::RemediationRequest;
use k8s_openapi::{
    api::core::v1::Namespace, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, CustomResourceExt, ResourceExt,
    api::{DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::ApiResource,
};
use serde_json::{Value, json};

use super::error::{CRD_PATIENCE, Error};

const CRD_POLL: Duration = Duration::from_millis(200);

/// Applies the gateway's CRD and waits until it is served.
///
/// # Errors
/// If the cluster refuses it, or is too slow.
pub async fn apply_crd(client: &Client) -> Result<(), Error> {
    apply(client, &RemediationRequest::crd()).await
}

/// As [`apply_crd`], for any CRD of the RemediationRequests.
///
/// # Errors
/// As [`apply_crd`].
pub(super) async fn apply(client: &Client, crd: &CustomResourceDefinition) -> Result<(), Error> {
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    let params = PatchParams::apply("gateway-sim").force();
    crds.patch(&crd.name_any(), &params, &Patch::Apply(crd)).await?;
    for _ in 0..CRD_PATIENCE.as_millis() / CRD_POLL.as_millis() {
        let status = crds.get(&crd.name_any()).await?.status;
        let conditions = status.and_then(|status| status.conditions).unwrap_or_default();
        let established = conditions.iter().any(|c| c.type_ == "Established" && c.status == "True");
        // The condition comes shortly before the first answer.
        if established && objects(client, "default", &remediation_requests()).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(CRD_POLL).await;
    }
    Err(Error::CrdNotEstablished)
}

/// Makes a namespace whose name begins with `prefix`, and returns its name.
///
/// # Errors
/// If the cluster refuses it.
pub async fn make_namespace(client: &Client, prefix: &str) -> Result<String, Error> {
    let namespace = json!({
        "metadata": { "generateName": prefix, "labels": { "kubernaut.ai/managed": "true" } },
    });
    let namespace: Namespace = serde_json::from_value(namespace).unwrap_or_default();
    let made = Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &namespace).await?;
    Ok(made.name_any())
}

/// All objects of `resource` in `namespace`.
///
/// # Errors
/// If they cannot be listed.
pub async fn objects(client: &Client, namespace: &str, resource: &ApiResource) -> Result<Vec<Value>, Error> {
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, resource);
    let objects = api.list(&ListParams::default()).await?.items;
    Ok(objects.into_iter().filter_map(|object| serde_json::to_value(object).ok()).collect())
}

/// The resource of the RemediationRequests.
pub fn remediation_requests() -> ApiResource {
    ApiResource::erase::<RemediationRequest>(&())
}

/// The resource of the leases.
pub fn leases() -> ApiResource {
    ApiResource::erase::<k8s_openapi::api::coordination::v1::Lease>(&())
}

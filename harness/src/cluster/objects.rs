//! What gateways need in a cluster, and what they make there.
#![allow(clippy::disallowed_methods, reason = "clusters live in real time")]

use std::time::Duration;

use gateway::remediation::RemediationRequest;
use k8s_openapi::{
    api::core::v1::Namespace, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, CustomResourceExt, ResourceExt,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, Preconditions},
    core::ApiResource,
};
use serde_json::{Value, json};

use super::error::{CRD_TIMEOUT, Error};

const CRD_POLL: Duration = Duration::from_millis(200);

/// On a CRD that [`provide_crd`] made.
const MADE_HERE: (&str, &str) = ("app.kubernetes.io/managed-by", "gateway-sim");

/// Makes the gateway's CRD unless there is one, which stays as it is, and waits until it is served. Returns the uid of the one
/// that was made, for [`withdraw_crd`].
///
/// # Errors
/// If the cluster refuses it, or is too slow; then none is left that was made.
pub async fn provide_crd(client: &Client) -> Result<Option<String>, Error> {
    let mut crd = RemediationRequest::crd();
    crd.labels_mut().insert(MADE_HERE.0.to_owned(), MADE_HERE.1.to_owned());
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    for _ in 0..polls() {
        let made = match crds.create(&PostParams::default(), &crd).await {
            Ok(made) => made.metadata.uid,
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                // Gone again, or about to be, if another run has just withdrawn its own.
                let found = crds.get_opt(&crd.name_any()).await?;
                if found.is_none_or(|found| found.metadata.deletion_timestamp.is_some()) {
                    tokio::time::sleep(CRD_POLL).await;
                    continue;
                }
                None
            }
            Err(error) => return Err(error.into()),
        };
        let served = established(client, &crd.name_any()).await;
        if let (Err(_), Some(uid)) = (&served, &made) {
            // The error that led here says more than one of this.
            let _ = delete_crd(client, uid).await;
        }
        return served.map(|()| made);
    }
    Err(Error::CrdNotEstablished)
}

/// Removes the CRD with `uid`, which [`provide_crd`] made, and waits until it is gone; returns whether it is. It stays while
/// another namespace with `prefix` or a RemediationRequest outside of those needs it, or if somebody has adopted it. One that an
/// earlier run left is not touched: gateways without any RemediationRequest may have come to use it.
///
/// # Errors
/// If the cluster refuses it.
pub async fn withdraw_crd(client: &Client, prefix: &str, namespace: &str, uid: &str) -> Result<bool, Error> {
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    let name = RemediationRequest::crd().name_any();
    let crd = crds.get_opt(&name).await?;
    let label = crd.as_ref().and_then(|crd| crd.labels().get(MADE_HERE.0));
    if crd.as_ref().is_none_or(|crd| crd.metadata.uid.as_deref() != Some(uid)) {
        return Ok(true);
    }
    if label.is_none_or(|label| label != MADE_HERE.1) {
        return Ok(false);
    }
    let namespaces = Api::<Namespace>::all(client.clone()).list(&ListParams::default()).await?;
    let needs = |other: &Namespace| {
        let name = other.name_any();
        name.starts_with(prefix) && name != namespace && other.metadata.deletion_timestamp.is_none()
    };
    let others = Api::<DynamicObject>::all_with(client.clone(), &remediation_requests());
    let foreign = |object: &DynamicObject| object.namespace().is_none_or(|other| !other.starts_with(prefix));
    if namespaces.iter().any(needs) || others.list(&ListParams::default()).await?.iter().any(foreign) {
        return Ok(false);
    }
    delete_crd(client, uid).await?;
    for _ in 0..polls() {
        if crds.get_opt(&name).await?.is_none() {
            break;
        }
        tokio::time::sleep(CRD_POLL).await;
    }
    Ok(true)
}

/// Deletes the CRD if it is the one with `uid`.
async fn delete_crd(client: &Client, uid: &str) -> Result<(), Error> {
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    let only = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
    match crds.delete(&RemediationRequest::crd().name_any(), &DeleteParams::default().preconditions(only)).await {
        // Another one, or none, has its name.
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => Ok(()),
        deleted => Ok(deleted.map(|_| ())?),
    }
}

/// Applies `crd`, one of the RemediationRequests, and waits until it is served.
///
/// # Errors
/// If the cluster refuses it, or is too slow.
pub(super) async fn apply(client: &Client, crd: &CustomResourceDefinition) -> Result<(), Error> {
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    let params = PatchParams::apply("gateway-sim").force();
    crds.patch(&crd.name_any(), &params, &Patch::Apply(crd)).await?;
    established(client, &crd.name_any()).await
}

async fn established(client: &Client, name: &str) -> Result<(), Error> {
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    for _ in 0..polls() {
        let status = crds.get(name).await?.status;
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

const fn polls() -> u128 {
    CRD_TIMEOUT.as_millis() / CRD_POLL.as_millis()
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

/// `remediationrequests` of `kubernaut.ai/v1alpha1`, for dynamic clients.
pub fn remediation_requests() -> ApiResource {
    ApiResource::erase::<RemediationRequest>(&())
}

/// `leases` of `coordination.k8s.io/v1`, for dynamic clients.
pub fn leases() -> ApiResource {
    ApiResource::erase::<k8s_openapi::api::coordination::v1::Lease>(&())
}

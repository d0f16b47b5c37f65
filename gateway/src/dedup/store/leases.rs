//! All requests for the leases that are locks.

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{ListParams, ObjectList, Preconditions};

use crate::{
    context::Monotonic,
    dedup::protocol::Answer,
    kubernetes::{Api, Kubernetes, Operation},
    remediation::{COMPONENT_LABEL, COUNTER_COMPONENT, LeaseName, MANAGED_BY, MANAGED_BY_LABEL},
};

pub(super) const CREATE: Operation = Operation { verb: "create", resource: "leases" };
pub(super) const GET: Operation = Operation { verb: "get", resource: "leases" };
/// Of counters only.
pub(in crate::dedup) const PATCH: Operation = Operation { verb: "patch", resource: "leases" };
const UPDATE: Operation = Operation { verb: "update", resource: "leases" };
pub(super) const DELETE: Operation = Operation { verb: "delete", resource: "leases" };
pub(super) const LIST: Operation = Operation { verb: "list", resource: "leases" };

/// Locks in one namespace. Each request is tried again as the policy of [`Kubernetes::call`] says.
pub(in crate::dedup) struct Leases {
    kubernetes: Kubernetes,
    api: Api<Lease>,
}

impl Leases {
    /// Those of `namespace`.
    pub(in crate::dedup) fn new(kubernetes: Kubernetes, namespace: &str) -> Self {
        Self { api: kube::Api::namespaced(kubernetes.client(), namespace).into(), kubernetes }
    }

    /// Creates it; notes whether that is `in_doubt`.
    pub(in crate::dedup) async fn create(
        &self,
        lease: &Lease,
        deadline: Monotonic,
        in_doubt: &mut bool,
    ) -> Answer<Lease> {
        self.kubernetes.call_noting(CREATE, deadline, || self.api.create(lease), in_doubt).await
    }

    pub(in crate::dedup) async fn get(&self, name: &LeaseName, deadline: Monotonic) -> Answer<Option<Lease>> {
        self.kubernetes.call(GET, deadline, || self.api.get_opt(name.as_str())).await
    }

    /// Replaces it in exactly the version of `lease`; notes whether that is `in_doubt`.
    pub(in crate::dedup) async fn replace(
        &self,
        name: &LeaseName,
        lease: &Lease,
        deadline: Monotonic,
        in_doubt: &mut bool,
    ) -> Answer<Lease> {
        let send = || self.api.replace(name.as_str(), lease);
        self.kubernetes.call_noting(UPDATE, deadline, send, in_doubt).await
    }

    /// Deletes exactly this version.
    pub(in crate::dedup) async fn delete(&self, name: &str, version: Preconditions, deadline: Monotonic) -> Answer<()> {
        self.kubernetes.call(DELETE, deadline, || self.api.delete(name, &version)).await
    }

    /// The locks of all replicas and versions of the gateway, up to `limit`.
    pub(in crate::dedup) async fn list(&self, limit: u32, deadline: Monotonic) -> Answer<ObjectList<Lease>> {
        let locks = format!("{MANAGED_BY_LABEL}={MANAGED_BY},{COMPONENT_LABEL}!={COUNTER_COMPONENT}");
        let params = ListParams::default().labels(&locks).limit(limit);
        self.kubernetes.call(LIST, deadline, || self.api.list(&params)).await
    }
}

//! All requests for RemediationRequests, their counters and, in [`leases`], their locks: what follows from an answer is decided elsewhere.
//!
//! Requests of [`Kubernetes::call`] are tried again as its policy says; the others are sent once.

use std::{collections::BTreeMap, sync::Arc};

use futures::Stream;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    api::{ListParams, ObjectList, Patch, PatchParams, Preconditions, WatchEvent, WatchParams},
    core::{ListMeta, PartialObjectMeta},
};
use serde_json::Value;

use super::protocol::{Answer, count::Write};
use crate::{
    context::Monotonic,
    kubernetes::{Api, Error, Kubernetes, Operation, turn_page},
    remediation::{
        BootId, COMPONENT_LABEL, COUNTER_COMPONENT, Counter, MANAGED_BY, MANAGED_BY_LABEL, Projected, Record,
        RemediationRequest, ResourceVersion, claimed, counted_by, counter_name, new_counter, register_patch, unclaimed,
    },
};

pub(super) mod leases;

pub(super) const LIST: Operation = Operation { verb: "list", resource: "remediationrequests" };
pub(super) const CREATE: Operation = Operation { verb: "create", resource: "remediationrequests" };
pub(super) const PATCH: Operation = Operation { verb: "patch", resource: "remediationrequests" };
const WATCH: Operation = Operation { verb: "watch", resource: "remediationrequests" };
pub(super) const GET: Operation = Operation { verb: "get", resource: "remediationrequests" };
const PATCH_STATUS: Operation = Operation { verb: "patch", resource: "remediationrequests/status" };
/// Counters per page of a list.
const PAGE: u32 = 500;
/// Pages of a list at most.
const PAGES_MAX: usize = 1000;

/// RemediationRequests and their counters in one namespace.
pub(super) struct Store {
    kubernetes: Kubernetes,
    objects: Api<Projected>,
    /// The same, for what no signal waits for.
    watched: kube::Api<Projected>,
    leases: Api<Lease>,
    boot: BootId,
}

impl Store {
    /// Those of `namespace`, in which `boot` counts.
    pub(super) fn new(kubernetes: Kubernetes, namespace: &str, boot: BootId) -> Self {
        let client = kubernetes.client();
        Self {
            objects: kube::Api::namespaced(client.clone(), namespace).into(),
            watched: kube::Api::namespaced(client.clone(), namespace),
            leases: kube::Api::namespaced(client, namespace).into(),
            kubernetes,
            boot,
        }
    }

    pub(super) const fn boot(&self) -> &BootId {
        &self.boot
    }

    /// The RemediationRequest `name`, as it is now.
    pub(super) async fn object(&self, name: &str, deadline: Monotonic) -> Answer<Option<Arc<Record>>> {
        self.kubernetes.once(GET, deadline, self.objects.get_opt(name)).await?.map(record).transpose()
    }

    /// As [`Store::object`], tried again.
    pub(super) async fn get(&self, name: &str, deadline: Monotonic) -> Answer<Option<Arc<Record>>> {
        let found = self.kubernetes.call(GET, deadline, || self.objects.get_opt(name)).await?;
        found.map(record).transpose()
    }

    /// All RemediationRequests that the field selector `fields` selects, by a consistent list.
    pub(super) async fn list(&self, fields: &str, deadline: Monotonic) -> Answer<ObjectList<Projected>> {
        let params = ListParams::default().fields(fields);
        self.kubernetes.call(LIST, deadline, || self.objects.list(&params)).await
    }

    /// One page of RemediationRequests.
    pub(super) async fn page(&self, params: &ListParams, deadline: Monotonic) -> Answer<ObjectList<Projected>> {
        self.kubernetes.once(LIST, deadline, self.objects.list(params)).await
    }

    /// Changes of RemediationRequests after the version `from`; the first byte is there by `deadline`.
    pub(super) async fn watch(
        &self,
        params: &WatchParams,
        from: ResourceVersion,
        deadline: Monotonic,
    ) -> Answer<impl Stream<Item = kube::Result<WatchEvent<Projected>>>> {
        self.kubernetes.once(WATCH, deadline, self.watched.watch(params, &from.to_string())).await
    }

    /// Creates a RemediationRequest; tells, too, whether one of the tries is in doubt.
    pub(super) async fn create(&self, object: &RemediationRequest, until: Monotonic) -> (Answer<Arc<Record>>, bool) {
        let mut in_doubt = false;
        let send = || self.objects.create(object);
        let created = self.kubernetes.call_noting(CREATE, until, send, &mut in_doubt).await;
        (created.and_then(record), in_doubt)
    }

    /// Claims exactly the version seen of `predecessor`, in the name of `claim`: writer, attempt and number.
    pub(super) async fn claim(&self, predecessor: &Record, claim: &str, until: Monotonic) -> Answer<Arc<Record>> {
        let Record { name, uid, version, finalizers, .. } = predecessor;
        self.merge(name, claimed(uid, &version.to_string(), finalizers, claim), until).await
    }

    /// Removes the claim from exactly the version seen; a newer claim is left alone.
    pub(super) async fn release_claim(&self, record: &Record, deadline: Monotonic) -> Answer<()> {
        let patch = unclaimed(&record.version.to_string(), &record.finalizers);
        self.merge(&record.name, patch, deadline).await.map(|_| ())
    }

    async fn merge(&self, name: &str, patch: Value, deadline: Monotonic) -> Answer<Arc<Record>> {
        let patch = Patch::Merge(patch);
        record(self.kubernetes.call(PATCH, deadline, || self.objects.patch(name, &patch)).await?)
    }

    /// Patches the status of the RemediationRequest `name` by JSON patch.
    pub(super) async fn patch_status(&self, name: &str, patch: Value, deadline: Monotonic) -> Answer<Arc<Record>> {
        let (params, patch) = (PatchParams::default(), json_patch(patch)?);
        let patched = self.watched.patch_status(name, &params, &patch);
        record(self.kubernetes.once(PATCH_STATUS, deadline, patched).await?)
    }

    /// The counter of the RemediationRequest `uid`, as it is now.
    pub(super) async fn counter(&self, uid: &str, deadline: Monotonic) -> Answer<Option<Counter>> {
        let name = counter_name(uid);
        let found = self.kubernetes.once(leases::GET, deadline, self.leases.get_opt(&name)).await?;
        found.map(counter).transpose()
    }

    /// Writes the own register of the counter of `object`.
    pub(super) async fn write(&self, object: &Record, write: &Write, deadline: Monotonic) -> Answer<Counter> {
        let written = match write.create {
            Some(base) => {
                let lease = new_counter(object, base, &self.boot, write.new);
                self.kubernetes.once(leases::CREATE, deadline, self.leases.create(&lease)).await?
            }
            None => {
                let patch = json_patch(register_patch(&self.boot, write.old, write.new))?;
                self.patch_counter(&object.uid, &patch, deadline).await?
            }
        };
        counter(written)
    }

    /// Folds registers of the counter of the RemediationRequest `uid`.
    pub(super) async fn fold(&self, uid: &str, patch: Value, deadline: Monotonic) -> Answer<Counter> {
        counter(self.patch_counter(uid, &json_patch(patch)?, deadline).await?)
    }

    async fn patch_counter(&self, uid: &str, patch: &Patch<()>, deadline: Monotonic) -> Answer<Lease> {
        self.kubernetes.once(leases::PATCH, deadline, self.leases.patch(&counter_name(uid), patch)).await
    }

    /// All counters, by the uids of what they count.
    pub(super) async fn counters(&self, deadline: Monotonic) -> Answer<BTreeMap<String, Counter>> {
        let ours = format!("{MANAGED_BY_LABEL}={MANAGED_BY},{COMPONENT_LABEL}={COUNTER_COMPONENT}");
        let mut params = ListParams::default().labels(&ours).limit(PAGE);
        let mut counters = BTreeMap::new();
        for _ in 0..PAGES_MAX {
            let page = self.kubernetes.call(leases::LIST, deadline, || self.leases.list_metadata(&params)).await?;
            counters.extend(page.items.into_iter().filter_map(listed));
            if !turn_page(&mut params, &page.metadata) {
                return Ok(counters);
            }
        }
        Err(Error::Unexpected(format!("a list of more than {PAGES_MAX} pages")))
    }

    /// Deletes the counter of the RemediationRequest `uid` in exactly the version of `counter`.
    pub(super) async fn delete_counter(&self, uid: &str, counter: &Counter, deadline: Monotonic) -> Answer<()> {
        let version =
            Preconditions { uid: Some(counter.uid.clone()), resource_version: Some(counter.version.to_string()) };
        let name = counter_name(uid);
        self.kubernetes.call(leases::DELETE, deadline, || self.leases.delete(&name, &version)).await
    }
}

/// The version of a list.
pub(super) fn list_version(list: &ListMeta) -> Answer<ResourceVersion> {
    version(list.resource_version.as_deref())
}

/// The version of a list or bookmark.
pub(super) fn version(text: Option<&str>) -> Answer<ResourceVersion> {
    text.and_then(ResourceVersion::parse)
        .ok_or_else(|| Error::Unexpected(format!("the resourceVersion {text:?} is not an integer")))
}

fn listed(lease: PartialObjectMeta<Lease>) -> Option<(String, Counter)> {
    let uid = counted_by(lease.metadata.name.as_deref()?)?.to_owned();
    Some((uid, Counter::read(lease.metadata)?))
}

fn json_patch(steps: Value) -> Answer<Patch<()>> {
    let patch = serde_json::from_value(steps);
    patch.map(Patch::Json).map_err(|error| Error::Unexpected(error.to_string()))
}

fn record(object: Projected) -> Answer<Arc<Record>> {
    Ok(Arc::new(object.record()?))
}

fn counter(lease: Lease) -> Answer<Counter> {
    let unreadable = || Error::Unexpected("a counter has no uid or no integer resourceVersion".to_owned());
    Counter::read(lease.metadata).ok_or_else(unreadable)
}

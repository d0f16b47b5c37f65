//! `lease-only`: the protocol of the Go service that this project replaces, defects included.

use std::time::Duration;

use futures::{FutureExt, future::BoxFuture};
use gateway::{
    context::Monotonic,
    dedup::{Accepted, Deduplicate, Error, Outcome},
    kubernetes::{self, Operation},
    metrics::Metrics,
    remediation::{LeaseName, Signal},
    runtime::Parts,
};
use jiff::SignedDuration;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};

use super::{store::Store, unlocked::Unlocked};

const GET: Operation = Operation { verb: "get", resource: "leases" };
const CREATE: Operation = Operation { verb: "create", resource: "leases" };
const UPDATE: Operation = Operation { verb: "update", resource: "leases" };
const DELETE: Operation = Operation { verb: "delete", resource: "leases" };

const LEASE_DURATION_SECONDS: i32 = 30;
/// Tries to acquire the lock of one signal, 100 ms doubling to 1 s between them, ± a tenth: 6.5 s in all.
const TRIES_MAX: u32 = 10;
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// A lease by the pod's name around list and create.
///
/// Its rules are those of kubernaut's `distributed_lock.go` and `signal_ingestion_process.go`. What is wrong with them
/// is kept, and marked "Defect".
pub struct LeaseOnly {
    inside: Unlocked,
    leases: Api<Lease>,
    holder: String,
    metrics: Metrics,
}

impl LeaseOnly {
    pub(super) fn new(parts: &Parts) -> Self {
        let (store, identity, metrics) = (Store::new(parts), &parts.identity, parts.metrics.clone());
        let leases = Api::namespaced(store.kubernetes.client(), &identity.pod_namespace);
        Self { inside: Unlocked::new(store), leases, holder: identity.pod_name.clone(), metrics }
    }

    const fn store(&self) -> &Store {
        &self.inside.store
    }

    async fn locked(&self, signal: &Signal, deadline: Monotonic) -> Result<Accepted, Error> {
        let lease = LeaseName::of(&signal.fingerprint);
        if let Some(duplicate) = self.await_lock(signal, &lease, deadline).await? {
            return Ok(duplicate);
        }
        // Defect: the lease is never renewed, however long this takes.
        let result = self.inside.find_or_create(signal, deadline).await;
        // Defect: within the request's own deadline; a request that ran out of time leaves its lease.
        if let Err(error) = self.release(&lease, deadline).await {
            tracing::warn!(%lease, %error, "a lease is left");
        }
        result
    }

    /// Returns `None` with the lock, or the duplicate that the signal turned out to be while another held it.
    async fn await_lock(
        &self,
        signal: &Signal,
        lease: &LeaseName,
        deadline: Monotonic,
    ) -> Result<Option<Accepted>, Error> {
        let Store { context, .. } = self.store();
        let mut pause = PAUSE_MIN;
        for attempt in 1..=TRIES_MAX {
            let acquired = self.acquire(lease, deadline).await;
            let acquired = acquired.inspect_err(|_| self.metrics.lock_acquisition_failures.inc());
            if acquired.map_err(|error| Error::from(&error))? {
                return Ok(None);
            }
            if attempt == TRIES_MAX {
                break;
            }
            // Defect: sleeps on although the request may have been cancelled.
            context.sleep(context.jitter(pause - pause / 10, pause + pause / 10)).await;
            pause = (pause * 2).min(PAUSE_MAX);
            if let Some(active) = self.store().active(&signal.fingerprint, deadline).await? {
                let count = self.store().count(&active.name, Outcome::Deduplicated, deadline);
                return Ok(Some(count.await));
            }
        }
        Err(Error::Busy { reason: "the lock was held by another replica", retry_after: Duration::from_secs(1) })
    }

    async fn acquire(&self, name: &LeaseName, deadline: Monotonic) -> Result<bool, kubernetes::Error> {
        let Store { kubernetes, .. } = self.store();
        let Some(lease) = kubernetes.once(GET, deadline, self.leases.get_opt(name.as_str())).await? else {
            return self.create(name, deadline).await;
        };
        // Defect: by the pod's name, so two requests of one pod hold it together; also when it expired long ago, and
        // without renewing it.
        if self.holds(&lease) {
            return Ok(true);
        }
        if !self.is_expired(&lease) {
            return Ok(false);
        }
        self.take_over(lease, deadline).await
    }

    async fn create(&self, name: &LeaseName, deadline: Monotonic) -> Result<bool, kubernetes::Error> {
        let Store { kubernetes, context, .. } = self.store();
        let now = MicroTime(context.now());
        let spec = LeaseSpec {
            holder_identity: Some(self.holder.clone()),
            lease_duration_seconds: Some(LEASE_DURATION_SECONDS),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            ..LeaseSpec::default()
        };
        // Defect: neither label nor owner, so nothing collects it when the pod dies.
        let metadata = ObjectMeta { name: Some(name.to_string()), ..ObjectMeta::default() };
        let lease = Lease { metadata, spec: Some(spec) };
        match kubernetes.once(CREATE, deadline, self.leases.create(&PostParams::default(), &lease)).await {
            Ok(_) => Ok(true),
            Err(kubernetes::Error::AlreadyExists(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn take_over(&self, mut lease: Lease, deadline: Monotonic) -> Result<bool, kubernetes::Error> {
        let Store { kubernetes, context, .. } = self.store();
        let name = lease.metadata.name.clone().unwrap_or_default();
        // Defect: acquireTime, leaseDurationSeconds and leaseTransitions stay those of the holder before.
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = Some(self.holder.clone());
        spec.renew_time = Some(MicroTime(context.now()));
        match kubernetes.once(UPDATE, deadline, self.leases.replace(&name, &PostParams::default(), &lease)).await {
            Ok(_) => Ok(true),
            Err(kubernetes::Error::Conflict(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn release(&self, name: &LeaseName, deadline: Monotonic) -> Result<(), kubernetes::Error> {
        let Store { kubernetes, .. } = self.store();
        let lease = kubernetes.once(GET, deadline, self.leases.get_opt(name.as_str())).await?;
        if !lease.is_some_and(|lease| self.holds(&lease)) {
            return Ok(());
        }
        // Defect: without preconditions, so it deletes whatever lease is there by the time it takes effect.
        let without = DeleteParams::default();
        match kubernetes.once(DELETE, deadline, self.leases.delete(name.as_str(), &without)).await {
            Ok(_) | Err(kubernetes::Error::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn holds(&self, lease: &Lease) -> bool {
        lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()) == Some(self.holder.as_str())
    }

    /// Defects: this pod's wall clock against that of another; without a renewTime it never expires.
    fn is_expired(&self, lease: &Lease) -> bool {
        let spec = lease.spec.as_ref();
        let renewed = spec.and_then(|spec| spec.renew_time.as_ref());
        let seconds = spec.and_then(|spec| spec.lease_duration_seconds);
        let (Some(MicroTime(renewed)), Some(seconds)) = (renewed, seconds) else { return false };
        self.store().context.now().duration_since(*renewed) > SignedDuration::from_secs(i64::from(seconds))
    }
}

impl Deduplicate for LeaseOnly {
    fn ingest(&self, signal: Signal, deadline: Monotonic) -> BoxFuture<'_, Result<Accepted, Error>> {
        async move { self.locked(&signal, deadline).await }.boxed()
    }
}

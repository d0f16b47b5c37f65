//! The lock: a Lease per key, acquired and released by any replica.
//!
//! The lock makes it cheap that one replica creates a RemediationRequest; it cannot make it true, because a holder may
//! wake up after its lease has expired. The fence does that, so every doubt here costs a round trip and nothing more.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, OwnerReference},
};
use kube::{Api, api::PostParams};

use super::observed::Observed;
use crate::{
    config,
    context::{Context, Monotonic},
    kubernetes::{Error, Kubernetes, Operation},
    metrics::Metrics,
    remediation::{LeaseName, MANAGED_BY, MANAGED_BY_LABEL, PROTOCOL, PROTOCOL_LABEL},
};

mod release;

const CREATE: Operation = Operation { verb: "create", resource: "leases" };
const GET: Operation = Operation { verb: "get", resource: "leases" };
const UPDATE: Operation = Operation { verb: "update", resource: "leases" };

/// Who holds the locks of this process.
#[derive(Clone, Debug)]
pub struct Holder {
    /// `holderIdentity`: the pod's name.
    pub identity: String,
    /// The pod's uid, for an ownerReference; without one, leases have no owner.
    pub pod_uid: Option<String>,
}

/// What became of an attempt to acquire a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acquisition {
    /// It is ours.
    Acquired,
    /// Another holds it, or was faster.
    Contended,
}

/// Acquires and releases locks of one namespace under one identity; cheap to clone.
#[derive(Clone)]
pub struct LockManager {
    shared: Arc<Shared>,
}

struct Shared {
    api: Api<Lease>,
    kubernetes: Kubernetes,
    context: Context,
    metrics: Metrics,
    holder: Holder,
    config: config::Lock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: BTreeMap<LeaseName, Held>,
    /// Leases of others, and since when they have not changed.
    others: Observed,
    /// Acquisitions under way.
    acquiring: BTreeMap<LeaseName, usize>,
    releasing: usize,
}

struct Held {
    uid: Option<String>,
    version: Option<String>,
    since: Monotonic,
    renewed: Monotonic,
}

impl LockManager {
    /// Locks are leases in `namespace`.
    pub fn new(
        kubernetes: Kubernetes,
        context: Context,
        metrics: Metrics,
        namespace: &str,
        holder: Holder,
        config: config::Lock,
    ) -> Self {
        let api = Api::namespaced(kubernetes.client(), namespace);
        let shared = Shared { api, kubernetes, context, metrics, holder, config, state: Mutex::default() };
        Self { shared: Arc::new(shared) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tries once to acquire the lock `name`.
    ///
    /// # Errors
    /// If the API server could not be asked; that another holds the lock, or was faster, is no error. Each error is
    /// counted and logged once. The lease may have been created all the same: it is then released in the background.
    pub async fn acquire(&self, name: &LeaseName, deadline: Monotonic) -> Result<Acquisition, Error> {
        let under_way = Acquiring::begin(self, name);
        let result = self.try_acquire(name, deadline).await;
        drop(under_way);
        let Shared { metrics, .. } = &*self.shared;
        match &result {
            Ok(Acquisition::Acquired) => {}
            Ok(Acquisition::Contended) => metrics.lock_contention.inc(),
            Err(error) => {
                metrics.lock_acquisition_failures.inc();
                tracing::error!(lease = %name, %error, hint = hint(error), "lock acquisition failed");
                if error.is_ambiguous() {
                    self.release_in_background(name);
                }
            }
        }
        result
    }

    async fn try_acquire(&self, name: &LeaseName, deadline: Monotonic) -> Result<Acquisition, Error> {
        // A lease of another was there a moment ago (at the try before this one): ask for it rather than for a conflict.
        let Shared { context, config, .. } = &*self.shared;
        let a_moment_ago = context.monotonic() - 2 * config.max_backoff;
        let expect_other = self.state().others.was_there(name.as_str(), a_moment_ago);
        if !expect_other && let Some(acquired) = self.create(name, deadline).await? {
            return Ok(acquired);
        }
        match self.get(name, deadline).await? {
            Some(lease) => self.judge(name, lease, deadline).await,
            None => {
                self.state().others.forget(name.as_str());
                Ok(self.create(name, deadline).await?.unwrap_or(Acquisition::Contended))
            }
        }
    }

    /// `None` if a lease of that name exists.
    async fn create(&self, name: &LeaseName, deadline: Monotonic) -> Result<Option<Acquisition>, Error> {
        let Shared { api, kubernetes, .. } = &*self.shared;
        let lease = self.desired(name, None);
        let params = PostParams::default();
        match kubernetes.call(CREATE, deadline, || api.create(&params, &lease)).await {
            Ok(created) => Ok(Some(self.hold(name, &created))),
            Err(Error::AlreadyExists(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn get(&self, name: &LeaseName, deadline: Monotonic) -> Result<Option<Lease>, Error> {
        let Shared { api, kubernetes, .. } = &*self.shared;
        kubernetes.call(GET, deadline, || api.get_opt(name.as_str())).await
    }

    /// Decides on a lease that exists: ours, another's and valid, or to be taken over.
    async fn judge(&self, name: &LeaseName, lease: Lease, deadline: Monotonic) -> Result<Acquisition, Error> {
        let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref());
        let ours = holder == Some(self.shared.holder.identity.as_str());
        if ours && self.holds(name, &lease) {
            return Ok(Acquisition::Acquired);
        }
        let expired = self.state().others.is_expired(&lease, &self.shared.context, &self.shared.config);
        if !ours && !expired {
            return Ok(Acquisition::Contended);
        }
        // Ours, but of an incarnation before a restart, expired, or about to be released: a new version makes it ours.
        let desired = self.desired(name, Some(&lease));
        let Shared { api, kubernetes, metrics, .. } = &*self.shared;
        let params = PostParams::default();
        let mut tries = 0;
        let update = || {
            tries += 1;
            api.replace(name.as_str(), &params, &desired)
        };
        match kubernetes.call(UPDATE, deadline, update).await {
            Ok(updated) => {
                if !ours {
                    metrics.lock_takeovers.inc();
                    tracing::info!(lease = %name, from = holder.unwrap_or("nobody"), "expired lease taken over");
                }
                Ok(self.hold(name, &updated))
            }
            Err(Error::Conflict(_) | Error::NotFound(_)) => {
                // The conflict may be one with the first try, whose answer was lost.
                if tries > 1 {
                    self.release_in_background(name);
                }
                Ok(Acquisition::Contended)
            }
            Err(error) => Err(error),
        }
    }

    fn hold(&self, name: &LeaseName, lease: &Lease) -> Acquisition {
        let now = self.shared.context.monotonic();
        let ObjectMeta { uid, resource_version, .. } = lease.metadata.clone();
        let mut state = self.state();
        state.others.forget(name.as_str());
        let since = state.held.get(name).map_or(now, |held| held.since);
        state.held.insert(name.clone(), Held { uid, version: resource_version, since, renewed: now });
        Acquisition::Acquired
    }

    /// Whether `lease` is, in this very version and unexpired, what this process acquired.
    fn holds(&self, name: &LeaseName, lease: &Lease) -> bool {
        let now = self.shared.context.monotonic();
        self.state().held.get(name).is_some_and(|held| {
            held.uid == lease.metadata.uid
                && held.version == lease.metadata.resource_version
                && now.since(held.renewed) < self.shared.config.duration
        })
    }

    /// The lease as this process would hold it: new, or in place of `previous`.
    fn desired(&self, name: &LeaseName, previous: Option<&Lease>) -> Lease {
        let Shared { context, holder, config, .. } = &*self.shared;
        let now = MicroTime(context.now());
        let before = previous.and_then(|lease| lease.spec.as_ref());
        let same_holder = before.is_some_and(|spec| spec.holder_identity.as_deref() == Some(&holder.identity));
        let transitions = before.map_or(0, |spec| spec.lease_transitions.unwrap_or(0));
        let owner = holder.pod_uid.as_ref().map(|uid| OwnerReference {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            name: holder.identity.clone(),
            uid: uid.clone(),
            ..OwnerReference::default()
        });
        let mut metadata = previous.map(|lease| lease.metadata.clone()).unwrap_or_default();
        metadata.name = Some(name.to_string());
        metadata.owner_references = owner.map(|owner| vec![owner]);
        metadata.managed_fields = None;
        let labels = metadata.labels.get_or_insert_default();
        labels.insert(MANAGED_BY_LABEL.to_owned(), MANAGED_BY.to_owned());
        labels.insert(PROTOCOL_LABEL.to_owned(), PROTOCOL.to_owned());
        let spec = LeaseSpec {
            holder_identity: Some(holder.identity.clone()),
            lease_duration_seconds: Some(whole_seconds(config.duration)),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            lease_transitions: Some(transitions.saturating_add(i32::from(previous.is_some() && !same_holder))),
            ..before.cloned().unwrap_or_default()
        };
        Lease { metadata, spec: Some(spec) }
    }
}

/// Notes that an acquisition is under way, until dropped.
struct Acquiring {
    manager: LockManager,
    name: LeaseName,
}

impl Acquiring {
    fn begin(manager: &LockManager, name: &LeaseName) -> Self {
        *manager.state().acquiring.entry(name.clone()).or_default() += 1;
        Self { manager: manager.clone(), name: name.clone() }
    }
}

impl Drop for Acquiring {
    fn drop(&mut self) {
        let mut state = self.manager.state();
        if let Some(count) = state.acquiring.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                state.acquiring.remove(&self.name);
            }
        }
    }
}

fn whole_seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

fn hint(error: &Error) -> &'static str {
    match error {
        Error::Forbidden(_) => "the gateway's Role needs get, create, update, delete and list on leases",
        Error::Unreachable(_) | Error::Deadline => "is the Kubernetes API server up and reachable from this pod?",
        Error::NotFound(_) => "does the gateway's namespace exist?",
        _ => "see the Kubernetes API server's log",
    }
}

//! The lock's rules: what this process holds, what it has seen of others, and what an acquisition or a release does next.
//!
//! A doubt here costs time and nothing more: that there is one RemediationRequest is the fence's to keep.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, OwnerReference},
};
use kube::api::Preconditions;

use super::Now;
use crate::{
    config,
    context::Monotonic,
    dedup::observed::Observed,
    remediation::{LeaseName, MANAGED_BY, MANAGED_BY_LABEL, PROTOCOL, PROTOCOL_LABEL},
};

pub(in crate::dedup) mod acquire;
pub(in crate::dedup) mod release;

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

/// What this process knows of locks.
#[derive(Debug)]
pub(in crate::dedup) struct Locks {
    holder: Holder,
    config: config::Lock,
    held: BTreeMap<LeaseName, Held>,
    /// Leases of others, and since when they have not changed.
    others: Observed,
    /// Acquisitions under way.
    acquiring: BTreeMap<LeaseName, usize>,
    /// Leases that one task each looks for, since they may be ours unheard; and whether another acquisition has ended in
    /// doubt since that task began its present look.
    doubts: BTreeMap<LeaseName, bool>,
}

#[derive(Debug)]
struct Held {
    version: Preconditions,
    since: Monotonic,
    renewed: Monotonic,
}

impl Locks {
    /// None yet; `holder` will hold them.
    pub(in crate::dedup) fn new(holder: Holder, config: config::Lock) -> Self {
        let (held, acquiring, doubts) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { holder, config, held, others: Observed::default(), acquiring, doubts }
    }

    /// The names of those held.
    pub(in crate::dedup) fn held(&self) -> impl Iterator<Item = &LeaseName> {
        self.held.keys()
    }

    /// An acquisition of `name` begins: until [`Locks::ended`], a lease that is found may have become ours unheard.
    pub(in crate::dedup) fn begun(&mut self, name: &LeaseName) {
        *self.acquiring.entry(name.clone()).or_default() += 1;
    }

    /// An acquisition of `name` has ended, or its future was dropped.
    pub(in crate::dedup) fn ended(&mut self, name: &LeaseName) {
        if let Some(count) = self.acquiring.get_mut(name) {
            *count -= 1;
            if *count == 0 {
                self.acquiring.remove(name);
            }
        }
    }

    /// Gives up what is held under `name`: the version that is ours, and for how long it was.
    pub(in crate::dedup) fn take(&mut self, name: &LeaseName, now: Now) -> Option<(Preconditions, Duration)> {
        let held = self.held.remove(name)?;
        Some((held.version, now.monotonic.since(held.since)))
    }

    /// The lease `name` may be ours unheard. True if the caller has to look for it until [`Locks::looked`] is true; false
    /// if somebody does, who will look once more.
    pub(in crate::dedup) fn doubt(&mut self, name: &LeaseName) -> bool {
        self.doubts.insert(name.clone(), self.doubts.contains_key(name)).is_none()
    }

    /// The lease `name` was looked for. False if it has to be looked for again, since what was seen may be older than the
    /// last doubt; true if that is all, and the next doubt is another's to look into.
    pub(in crate::dedup) fn looked(&mut self, name: &LeaseName) -> bool {
        let again = self.doubts.remove(name) == Some(true);
        if again {
            self.doubts.insert(name.clone(), false);
        }
        !again
    }

    fn hold(&mut self, name: &LeaseName, lease: Lease, now: Now) {
        self.others.forget(name.as_str());
        let since = self.held.get(name).map_or(now.monotonic, |held| held.since);
        let held = Held { version: exactly(lease.metadata), since, renewed: now.monotonic };
        self.held.insert(name.clone(), held);
    }

    /// Whether `lease` is, in this very version and unexpired, what this process acquired.
    fn holds(&self, name: &LeaseName, lease: &Lease, now: Now) -> bool {
        self.held.get(name).is_some_and(|held| {
            held.version.uid == lease.metadata.uid
                && held.version.resource_version == lease.metadata.resource_version
                && now.monotonic.since(held.renewed) < self.config.duration
        })
    }

    /// Whether it says that this pod holds it.
    fn is_ours(&self, lease: &Lease) -> bool {
        holder_of(lease) == Some(self.holder.identity.as_str())
    }

    /// The lease as this process would hold it: new, or in place of `previous`.
    fn desired(&self, name: &LeaseName, previous: Option<&Lease>, now: Now) -> Lease {
        let Self { holder, config, .. } = self;
        let time = MicroTime(now.wall);
        let before = previous.and_then(|lease| lease.spec.as_ref());
        let changes_hands = previous.is_some_and(|lease| !self.is_ours(lease));
        let transitions = before.and_then(|spec| spec.lease_transitions).unwrap_or(0);
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
            lease_duration_seconds: Some(i32::try_from(config.duration.as_secs()).unwrap_or(i32::MAX)),
            acquire_time: Some(time.clone()),
            renew_time: Some(time),
            lease_transitions: Some(transitions.saturating_add(i32::from(changes_hands))),
            ..before.cloned().unwrap_or_default()
        };
        Lease { metadata, spec: Some(spec) }
    }
}

fn holder_of(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref()
}

/// The precondition of this very version.
fn exactly(ObjectMeta { uid, resource_version, .. }: ObjectMeta) -> Preconditions {
    Preconditions { uid, resource_version }
}

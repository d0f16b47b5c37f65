//! The lock's rules: what this process holds, what it has seen of others, and what follows for an acquisition or a release.
//!
//! A doubt here costs time and nothing more: that there is one RemediationRequest is the fence's to keep.

use std::{collections::BTreeMap, ops::ControlFlow, time::Duration};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, OwnerReference},
};
use kube::api::Preconditions;

use super::{Answer, Now};
use crate::{
    config::{self, Identity},
    context::Monotonic,
    dedup::observed::Observed,
    kubernetes::Error,
    remediation::{LeaseName, MANAGED_BY, MANAGED_BY_LABEL, PROTOCOL, PROTOCOL_LABEL},
};

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
    identity: Identity,
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
    /// None yet; the pod of `identity` will hold them.
    pub(in crate::dedup) fn new(identity: Identity, config: config::Lock) -> Self {
        let (held, acquiring, doubts) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { identity, config, held, others: Observed::default(), acquiring, doubts }
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

    /// Whether the lease `name` was another's a moment ago, at the try before this one.
    pub(in crate::dedup) fn was_there(&self, name: &LeaseName, now: Now) -> bool {
        self.others.was_there(name.as_str(), now.monotonic - 2 * self.config.max_backoff)
    }

    /// The lease `name` is not there.
    pub(in crate::dedup) fn forget(&mut self, name: &LeaseName) {
        self.others.forget(name.as_str());
    }

    /// What an acquisition makes of a `lease` that exists: it is decided, or the lease is to be replaced by this one; with whose
    /// it was, if it had expired in the hands of another.
    pub(in crate::dedup) fn judge(
        &mut self,
        name: &LeaseName,
        lease: &Lease,
        now: Now,
    ) -> ControlFlow<Acquisition, (Lease, Option<String>)> {
        let ours = self.is_ours(lease);
        if ours && self.holds(name, lease, now) {
            return ControlFlow::Break(Acquisition::Acquired);
        }
        let expired = self.others.is_expired(lease, now, &self.config);
        if !ours && !expired {
            return ControlFlow::Break(Acquisition::Contended);
        }
        // Ours, but of an incarnation before a restart, expired, or about to be released: a new version makes it ours.
        let from = (!ours).then(|| holder_of(lease).unwrap_or("nobody").to_owned());
        ControlFlow::Continue((self.desired(name, Some(lease), now), from))
    }

    /// The version of `lease` to delete if it is ours unheard. While it may be made ours by an acquisition that has not heard of
    /// it yet, this fails as a request does that is to be tried again.
    pub(in crate::dedup) fn unheard(&self, name: &LeaseName, lease: Lease) -> Answer<Option<Preconditions>> {
        if self.held.contains_key(name) || !self.is_ours(&lease) {
            return Ok(None);
        }
        if self.acquiring.contains_key(name) {
            return Err(Error::Deadline);
        }
        Ok(Some(exactly(lease.metadata)))
    }

    /// `lease` is ours, as an answer has said.
    pub(in crate::dedup) fn hold(&mut self, name: &LeaseName, lease: Lease, now: Now) {
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
        holder_of(lease) == Some(self.identity.pod_name.as_str())
    }

    /// The lease as this process would hold it: new, or in place of `previous`.
    pub(in crate::dedup) fn desired(&self, name: &LeaseName, previous: Option<&Lease>, now: Now) -> Lease {
        let Self { identity: Identity { pod_name, pod_uid, .. }, config, .. } = self;
        let time = MicroTime(now.wall);
        let before = previous.and_then(|lease| lease.spec.as_ref());
        let changes_hands = previous.is_some_and(|lease| !self.is_ours(lease));
        let transitions = before.and_then(|spec| spec.lease_transitions).unwrap_or(0);
        let owner = pod_uid.as_ref().map(|uid| OwnerReference {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            name: pod_name.clone(),
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
            holder_identity: Some(pod_name.clone()),
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

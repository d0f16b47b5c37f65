//! From a pod to the workload that it belongs to, so that all pods of one workload share an incident.
//!
//! Only controllers (`controller: true`) are followed: Pod → ReplicaSet → Deployment, Pod → StatefulSet, DaemonSet or
//! ReplicationController, Pod → Job → CronJob. One of a kind that this gateway does not know ends the chain. An alert about
//! an object that is already gone is neither lost nor does it split the incident, as far as the cache, its sender, its name
//! or its siblings still tell its owner.

use jiff::Timestamp;

use super::{
    cache::{Answer, MetadataCache, Origin, Purpose},
    controller::Controller,
    error::ResolveError,
    naming,
    object::{Object, ObjectKey},
    revisions::Revisions,
};
use crate::{context::Monotonic, remediation::TargetResource};

/// Owners followed: Pod → ReplicaSet → Deployment needs two, and no built-in chain is longer.
const MAX_OWNERS: usize = 5;

/// How an owner was found: the label `outcome` of `gateway_owner_resolution_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// From the cache alone.
    Cache,
    /// At least one object was asked for.
    Api,
    /// An object is gone, or the API failed: as it was when last seen.
    StaleCache,
    /// An object is gone and was never seen: from what its sender, its name or its siblings tell.
    Naming,
    /// An object is gone and nothing tells its owner: it stands for itself.
    Itself,
    /// The object has no controller.
    None,
}

impl Outcome {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Cache => "cache",
            Self::Api => "api",
            Self::StaleCache => "stale_cache",
            Self::Naming => "naming",
            Self::Itself => "self",
            Self::None => "none",
        }
    }
}

/// From an object to what it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chain {
    /// The object first, its last owner last.
    pub(crate) resources: Vec<TargetResource>,
    pub(crate) outcome: Outcome,
}

/// Where owners are looked up.
#[derive(Clone, Copy)]
pub(crate) struct Sources<'a> {
    pub(crate) cache: &'a MetadataCache,
    pub(crate) revisions: &'a Revisions,
    /// How many owners that a name tells are looked up: the first of them.
    pub(crate) guesses: usize,
    pub(crate) now: Timestamp,
    pub(crate) deadline: Monotonic,
}

/// Follows the controllers of `start` to the last one; `told` is what its sender says controls it.
///
/// # Errors
/// If the API fails and an object has never been seen: a guess then would split the incident.
pub(crate) async fn follow(
    sources: Sources<'_>,
    start: &ObjectKey,
    told: Option<&Controller>,
) -> Result<Chain, ResolveError> {
    let mut object = start.clone();
    let mut chain = Chain { resources: vec![object.resource()], outcome: Outcome::Cache };
    let mut uid: Option<String> = None;
    for _ in 0..MAX_OWNERS {
        if !object.kind.owned {
            break;
        }
        let answer = sources.cache.get(&object, Purpose::Owner(uid.as_deref()), sources.deadline).await?;
        let is_it = |metadata: &str| uid.as_deref().is_none_or(|uid| uid == metadata);
        let Answer { current, last_known, origin } = answer;
        let current = current.filter(|metadata| is_it(&metadata.uid));
        chain.outcome = chain.outcome.max(match origin {
            Origin::Stale => Outcome::StaleCache,
            _ if current.is_none() => Outcome::StaleCache,
            Origin::Api => Outcome::Api,
            Origin::Cache => Outcome::Cache,
        });
        let known = current.or_else(|| last_known.filter(|metadata| is_it(&metadata.uid)));
        let owner = match known {
            Some(metadata) => match &metadata.controller {
                Some(controller) => {
                    uid = Some(controller.uid.clone());
                    controller.owner(&object.namespace)
                }
                None => {
                    if object == *start && chain.outcome != Outcome::StaleCache {
                        chain.outcome = Outcome::None;
                    }
                    break;
                }
            },
            None => {
                let told = told.filter(|_| object == *start);
                let Some(owner) = stand_in(sources, &object, told).await? else {
                    chain.outcome = Outcome::Itself;
                    break;
                };
                chain.outcome = Outcome::Naming;
                uid = None;
                owner
            }
        };
        chain.resources.push(owner.resource());
        match owner {
            Object::Known(key) => object = key,
            Object::Unknown(_) => break,
        }
    }
    Ok(chain)
}

/// What stands for `object`, which is gone and was never seen.
///
/// In a namespace that exists, only what exists: no resource is made up from parts of a name.
async fn stand_in(
    sources: Sources<'_>,
    object: &ObjectKey,
    told: Option<&Controller>,
) -> Result<Option<Object>, ResolveError> {
    let Sources { cache, revisions, guesses, now, deadline } = sources;
    if let Some(controller) = told {
        return Ok(Some(controller.owner(&object.namespace)));
    }
    let told = naming::told(&object.kind, &object.name, now);
    if let Some(unseen) = by_name(object, None, now)
        && let Some(namespace) = ObjectKey::of_namespace(&object.namespace)
        && !cache.exists(&namespace, deadline).await?
    {
        return Ok(Some(unseen));
    }
    for (kind, name) in told.guesses.into_iter().take(guesses) {
        let guess = object.sibling(kind, &name);
        let answer = cache.get(&guess, Purpose::Owner(None), deadline).await?;
        if answer.current.or(answer.last_known).is_some() {
            return Ok(Some(Object::Known(guess)));
        }
    }
    let Some(stem) = told.stem else { return Ok(None) };
    let controller = revisions.controller(&object.namespace, &stem, deadline).await;
    let failed =
        |source| ResolveError::Kubernetes { object: format!("ReplicaSets {}/{stem}-…", object.namespace), source };
    Ok(controller.map_err(failed)?.map(|controller| controller.owner(&object.namespace)))
}

/// What `object` belongs to by names alone: of what its sender says controls it, else of its own.
pub(crate) fn by_name(object: &ObjectKey, told: Option<&Controller>, now: Timestamp) -> Option<Object> {
    let owner = told.map(|controller| controller.owner(&object.namespace));
    let start = match &owner {
        Some(Object::Unknown(_)) => return owner,
        Some(Object::Known(key)) => key,
        None => object,
    };
    let told = naming::told(&start.kind, &start.name, now);
    let certain = told.certain().map(|(kind, name)| Object::Known(object.sibling(kind, name)));
    certain.or(owner)
}

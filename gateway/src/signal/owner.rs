//! From a pod to the workload that it belongs to, so that all pods of one workload share an incident.
//!
//! Only controllers (`controller: true`) of built-in kinds are followed: Pod → ReplicaSet → Deployment, Pod →
//! StatefulSet, DaemonSet or ReplicationController, Pod → Job → CronJob. An alert about an object that is already gone is
//! neither lost nor does it split the incident, as far as the cache or the object's name still tell its owner.

use jiff::Timestamp;

use super::{
    cache::{Answer, MetadataCache, Origin, Purpose},
    error::ResolveError,
    naming,
    object::ObjectKey,
};
use crate::context::Monotonic;

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
    /// An object is gone and was never seen: from its name.
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

/// Follows the controllers of `start` to the last one.
///
/// # Errors
/// If the API fails and an object has never been seen: a guess then would split the incident.
pub(crate) async fn follow(
    cache: &MetadataCache,
    start: &ObjectKey,
    now: Timestamp,
    deadline: Monotonic,
) -> Result<(ObjectKey, Outcome), ResolveError> {
    let mut object = start.clone();
    let mut uid: Option<String> = None;
    let mut outcome = Outcome::Cache;
    for _ in 0..MAX_OWNERS {
        if !object.kind.owned {
            break;
        }
        let answer = cache.get(&object, Purpose::Owner(uid.as_deref()), deadline).await?;
        let is_it = |metadata: &str| uid.as_deref().is_none_or(|uid| uid == metadata);
        let Answer { current, last_known, origin } = answer;
        let current = current.filter(|metadata| is_it(&metadata.uid));
        outcome = outcome.max(match origin {
            Origin::Stale => Outcome::StaleCache,
            _ if current.is_none() => Outcome::StaleCache,
            Origin::Api => Outcome::Api,
            Origin::Cache => Outcome::Cache,
        });
        let Some(metadata) = current.or_else(|| last_known.filter(|metadata| is_it(&metadata.uid))) else {
            return Ok(by_name(object, now));
        };
        match metadata.controller.clone() {
            Some(controller) => {
                object = ObjectKey { kind: controller.kind, name: controller.name, ..object };
                uid = Some(controller.uid);
            }
            None if object == *start && outcome != Outcome::StaleCache => return Ok((object, Outcome::None)),
            None => break,
        }
    }
    Ok((object, outcome))
}

fn by_name(object: ObjectKey, now: Timestamp) -> (ObjectKey, Outcome) {
    match naming::controller(object.kind, &object.name, now) {
        Some((kind, name)) => (ObjectKey { kind, name, ..object }, Outcome::Naming),
        None => (object, Outcome::Itself),
    }
}

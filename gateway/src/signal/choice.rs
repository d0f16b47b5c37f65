//! What a signal is about: the first of its candidates that exists, or the last owner of that.

use jiff::Timestamp;

use super::{
    cache::{MetadataCache, Purpose},
    candidates::{Candidate, Candidates, Ground},
    error::ResolveError,
    kind::{Kind, KindRef},
    nodes::Nodes,
    object::{Object, ObjectKey},
    owner::{self, Chain, Outcome},
};
use crate::{context::Monotonic, remediation::TargetResource};

/// What was found out about a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// There is such an object.
    Exists,
    /// There is none now, but the cache has seen one.
    Remembered,
    /// There is none.
    Absent,
    /// The gateway may not look.
    Forbidden,
    /// A node that something runs on, not the subject.
    Whereabouts,
    /// It is in another cluster, or nothing is looked up at all.
    Unseen,
    /// Nothing depends on it.
    NotLookedUp,
}

/// What a signal is about, and how that was found out: for those who act on it, and for those who ask why.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Decision {
    pub(crate) choice: Choice,
    /// What its sender names, if that can be asked for.
    pub(crate) named: Option<ObjectKey>,
    /// From what its sender names to the last owner of it.
    pub(crate) chain: Chain,
}

impl Decision {
    /// Decides by names alone, as for a signal from another cluster.
    pub(crate) fn unseen(candidates: &Candidates, now: Timestamp) -> Self {
        let choice = Choice::unseen(candidates);
        let mut chain = Chain { resources: vec![choice.object(candidates).resource()], outcome: Outcome::Naming };
        let candidate = choice.candidate(candidates);
        if let Some((candidate, Object::Known(key))) = candidate.map(|candidate| (candidate, &candidate.object))
            && let Some(owner) = owner::by_name(key, candidate.controller.as_ref(), now)
        {
            chain.resources.push(owner.resource());
        }
        let named = candidate.and_then(|candidate| candidate.object.key()).cloned();
        Self { choice, named, chain }
    }

    /// What its sender names.
    pub(crate) fn original(&self) -> Option<&TargetResource> {
        self.chain.resources.first()
    }

    /// What it is about.
    pub(crate) fn target(&self) -> Option<&TargetResource> {
        self.chain.resources.last()
    }
}

/// Which of its candidates a signal is about.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Choice {
    /// One for each candidate.
    pub(crate) sights: Vec<Sight>,
    pub(crate) chosen: Chosen,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Chosen {
    /// The candidate at this place.
    Candidate(usize),
    /// The Node with the address in `instance`.
    NodeByAddress(ObjectKey),
    /// The alert itself.
    Itself,
}

impl Choice {
    /// Chooses without looking: the subject's voice is believed.
    fn unseen(candidates: &Candidates) -> Self {
        let stands = candidates.list.iter().position(|candidate| candidate.ground != Ground::IfItExists);
        let chosen = stands.map_or(Chosen::Itself, Chosen::Candidate);
        Self { sights: vec![Sight::Unseen; candidates.list.len()], chosen }
    }

    /// The candidate that was chosen.
    pub(crate) fn candidate<'a>(&self, candidates: &'a Candidates) -> Option<&'a Candidate> {
        match self.chosen {
            Chosen::Candidate(place) => candidates.list.get(place),
            Chosen::NodeByAddress(_) | Chosen::Itself => None,
        }
    }

    /// What was chosen.
    pub(crate) fn object(&self, candidates: &Candidates) -> Object {
        match (&self.chosen, self.candidate(candidates)) {
            (_, Some(candidate)) => candidate.object.clone(),
            (Chosen::NodeByAddress(key), _) => Object::Known(key.clone()),
            (Chosen::Candidate(_) | Chosen::Itself, None) => Object::Unknown(candidates.itself.clone()),
        }
    }
}

/// Chooses by what exists.
///
/// # Errors
/// If the API fails and an object has never been seen: a guess then would split the incident.
pub(crate) async fn choose(
    candidates: &Candidates,
    cache: &MetadataCache,
    nodes: Option<&Nodes>,
    deadline: Monotonic,
) -> Result<Choice, ResolveError> {
    let mut sights = vec![Sight::NotLookedUp; candidates.list.len()];
    let chosen = |chosen, sights| Ok(Choice { sights, chosen });
    // A lookup could not change the choice, and the lookup of its owner follows anyway.
    if let [Candidate { ground: Ground::Subject, .. }] = candidates.list[..] {
        return chosen(Chosen::Candidate(0), sights);
    }
    for (place, (candidate, sight)) in candidates.list.iter().zip(&mut sights).enumerate() {
        *sight = look(candidate, cache, deadline).await?;
        if matches!(sight, Sight::Exists | Sight::Remembered) {
            return chosen(Chosen::Candidate(place), sights);
        }
    }
    let stands = |(candidate, sight): (&Candidate, &Sight)| match candidate.ground {
        Ground::Subject => true,
        Ground::IfItExists => false,
        Ground::UnlessThePlace { .. } => *sight != Sight::Whereabouts,
    };
    if let Some(place) = candidates.list.iter().zip(&sights).position(stands) {
        return chosen(Chosen::Candidate(place), sights);
    }
    if let Some(nodes) = nodes.filter(|_| !candidates.addresses.is_empty()) {
        let failed = |source| ResolveError::Kubernetes { object: "nodes".to_owned(), source };
        let node = nodes.find(&candidates.addresses, deadline).await.map_err(failed)?;
        if let (Some(name), Some(kind)) = (node, Kind::named("Node").map(KindRef::from)) {
            return chosen(Chosen::NodeByAddress(ObjectKey { kind, namespace: String::new(), name }), sights);
        }
    }
    chosen(Chosen::Itself, sights)
}

async fn look(candidate: &Candidate, cache: &MetadataCache, deadline: Monotonic) -> Result<Sight, ResolveError> {
    if let Ground::UnlessThePlace { namespace, service, pod } = &candidate.ground {
        let whereabouts = is_whereabouts(cache, namespace, [("Service", service), ("Pod", pod)], deadline).await?;
        return Ok(if whereabouts { Sight::Whereabouts } else { Sight::NotLookedUp });
    }
    let Object::Known(key) = &candidate.object else { return Ok(Sight::NotLookedUp) };
    Ok(match cache.get_if_permitted(key, Purpose::Owner(None), deadline).await? {
        None => Sight::Forbidden,
        Some(answer) if answer.current.is_some() => Sight::Exists,
        Some(answer) if key.kind.owned && answer.last_known.is_some() => Sight::Remembered,
        Some(_) => Sight::Absent,
    })
}

/// Whether `namespace` exists here and none of `things` in it: then it is the subject's, and not the exporter's.
async fn is_whereabouts(
    cache: &MetadataCache,
    namespace: &str,
    things: [(&str, &Option<String>); 2],
    deadline: Monotonic,
) -> Result<bool, ResolveError> {
    let Some(own) = ObjectKey::of_namespace(namespace) else { return Ok(false) };
    if !cache.exists(&own, deadline).await? {
        return Ok(false);
    }
    for (kind, name) in things {
        let (Some(kind), Some(name)) = (Kind::named(kind), name) else { continue };
        let key = ObjectKey { kind: kind.into(), namespace: namespace.to_owned(), name: name.clone() };
        if cache.exists(&key, deadline).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

//! What a signal is about, and how that was found out: for those who act on it, and for those who ask why.

use jiff::Timestamp;

use super::{
    candidates::{Candidate, Candidates},
    choice::{self, Choice, Chosen},
    object::{Object, ObjectKey},
    owner::{self, Chain, Outcome},
};
use crate::remediation::TargetResource;

/// What a signal is about.
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
        let choice = choice::unseen(candidates);
        let mut chain =
            Chain { resources: vec![Self::named(&choice, candidates).resource()], outcome: Outcome::Naming };
        let candidate = Self::candidate(&choice, candidates);
        if let Some((candidate, Object::Known(key))) = candidate.map(|candidate| (candidate, &candidate.object))
            && let Some(owner) = owner::by_name(key, candidate.controller.as_ref(), now)
        {
            chain.resources.push(owner.resource());
        }
        let named = candidate.and_then(|candidate| candidate.object.key()).cloned();
        Self { choice, named, chain }
    }

    /// What `choice` is before its owners are looked for.
    pub(crate) fn named(choice: &Choice, candidates: &Candidates) -> Object {
        match (&choice.chosen, Self::candidate(choice, candidates)) {
            (_, Some(candidate)) => candidate.object.clone(),
            (Chosen::NodeByAddress(key), _) => Object::Known(key.clone()),
            (Chosen::Candidate(_) | Chosen::Itself, None) => Object::Unknown(candidates.itself.clone()),
        }
    }

    /// The candidate that was chosen.
    pub(crate) fn candidate<'a>(choice: &Choice, candidates: &'a Candidates) -> Option<&'a Candidate> {
        match choice.chosen {
            Chosen::Candidate(place) => candidates.list.get(place),
            Chosen::NodeByAddress(_) | Chosen::Itself => None,
        }
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

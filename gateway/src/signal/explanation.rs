//! Why a signal is about what it is about, in words for people.

use serde::Serialize;

use super::{
    candidates::{Candidate, Candidates, Ground},
    choice::{Chosen, Decision, Sight},
    mentions::SetAside,
    owner::Outcome,
};
use crate::remediation::{Fingerprint, Signal, TargetResource};

/// What a signal is about, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Everything that its labels name, candidates first and in the order in which they are looked up.
    pub candidates: Vec<Named>,
    /// From what was chosen to its last owner.
    pub owners: Vec<TargetResource>,
    /// The last of them: what the RemediationRequest is about.
    pub target: TargetResource,
    /// Of that target.
    pub fingerprint: Fingerprint,
}

/// What a label names, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Named {
    /// The label, or the field of an event.
    pub label: String,
    /// `Kind namespace/name`, or the value of a label that is no candidate.
    pub names: String,
    /// Whether it is what the signal is about.
    pub chosen: bool,
    /// Why, or why not.
    pub why: String,
}

/// Where was looked for what a signal may be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looked {
    /// At the objects that it names, and at the addresses of nodes.
    Everywhere,
    /// At the objects that it names.
    AtObjects,
    /// Nowhere: no cluster was asked.
    Nowhere,
}

impl Explanation {
    /// Puts into words what `decision` found of `signal`, which has these `candidates`.
    pub(super) fn new(signal: &Signal, candidates: &Candidates, decision: &Decision, looked: Looked) -> Self {
        let Candidates { list, set_aside, addresses, itself } = candidates;
        let chosen = |place| decision.choice.chosen == Chosen::Candidate(place);
        let sights = decision.choice.sights.iter().copied();
        let mut named: Vec<Named> = list
            .iter()
            .zip(sights)
            .enumerate()
            .map(|(place, (candidate, sight))| Named {
                label: candidate.label.clone(),
                names: shown(&candidate.object.resource()),
                chosen: chosen(place),
                why: match sight {
                    Sight::Unseen if looked == Looked::Nowhere => would(candidate, list.len()),
                    sight if chosen(place) => why(candidate, sight, decision.chain.outcome),
                    sight => why_not(candidate, sight),
                },
            })
            .collect();
        named.extend(set_aside.iter().map(|(label, why)| {
            let names = signal.labels.get(label).cloned().unwrap_or_default();
            Named { label: label.clone(), names, chosen: false, why: set_aside_since(*why).to_owned() }
        }));
        if !addresses.is_empty() {
            named.push(by_address(addresses, &decision.choice.chosen, looked));
        }
        if decision.choice.chosen == Chosen::Itself {
            let why = "no label identifies a resource: the alert gets an incident of its own".to_owned();
            named.push(Named { label: String::new(), names: shown(itself), chosen: true, why });
        }
        let target = decision.target().unwrap_or(&signal.target).clone();
        Self {
            candidates: named,
            owners: decision.chain.resources.clone(),
            fingerprint: Fingerprint::of_target(signal.cluster_id.as_deref(), &target),
            target,
        }
    }
}

/// `Kind namespace/name`.
pub fn shown(resource: &TargetResource) -> String {
    let TargetResource { kind, name, namespace, .. } = resource;
    if namespace.is_empty() { format!("{kind} {name}") } else { format!("{kind} {namespace}/{name}") }
}

fn why(candidate: &Candidate, sight: Sight, outcome: Outcome) -> String {
    let owned = candidate.object.key().is_some_and(|key| key.kind.owned);
    let known = match sight {
        Sight::Exists => "exists",
        Sight::Remembered => "no longer exists, but was seen before",
        Sight::NotLookedUp if owned => return following(outcome).to_owned(),
        Sight::NotLookedUp if candidate.object.key().is_none() => "is of a kind unknown to this gateway",
        Sight::NotLookedUp => "is the only candidate, so no lookup is needed",
        Sight::Absent if owned => {
            return format!("is the first candidate, and no candidate exists; {}", following(outcome));
        }
        Sight::Absent => "is the first candidate, and no candidate exists",
        Sight::Forbidden => "is the first candidate; the gateway lacks permission to look it up",
        Sight::Unseen => "is the first candidate; nothing was looked up",
        Sight::Whereabouts => "is where something runs",
    };
    known.to_owned()
}

/// What was seen on the way to the owner of the one that was chosen.
const fn following(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Cache | Outcome::Api | Outcome::None => "exists",
        Outcome::StaleCache => "no longer exists, but it or its owner was seen before",
        Outcome::Naming => {
            "no longer exists; its owner was derived from its name, its sender or siblings with the same name prefix"
        }
        Outcome::Itself => "does not exist, and its owner is unknown",
    }
}

/// What would be looked up if there were a cluster to ask.
fn would(candidate: &Candidate, candidates: usize) -> String {
    let owners =
        if candidate.object.key().is_some_and(|key| key.kind.owned) { ", and then its controllers" } else { "" };
    match &candidate.ground {
        Ground::Subject if candidates == 1 && owners.is_empty() => {
            "is the only candidate, whether or not it exists".to_owned()
        }
        Ground::Subject if candidates == 1 => "is the only candidate; its controllers would be looked up".to_owned(),
        Ground::Subject => {
            format!("would be looked up{owners}: the first candidate that exists is chosen, else the first one")
        }
        Ground::IfItExists => format!("would be looked up{owners}: it counts only if it exists"),
        Ground::UnlessThePlace { namespace, .. } => format!(
            "would be chosen unless namespace {namespace} exists and has neither the Service nor the Pod of kube-state-metrics"
        ),
    }
}

fn why_not(candidate: &Candidate, sight: Sight) -> String {
    let text = match (sight, &candidate.ground) {
        (Sight::Absent, Ground::IfItExists) => "does not exist, and counts only if it does",
        (Sight::Absent, _) => "does not exist",
        (Sight::Forbidden, _) => "the gateway lacks permission to look it up",
        (Sight::Unseen, Ground::IfItExists) => "counts only if it exists, which was not looked up",
        (Sight::Unseen, _) => "was not looked up",
        (Sight::Whereabouts, Ground::UnlessThePlace { namespace, .. }) => {
            return format!(
                "is where kube-state-metrics runs: namespace {namespace} exists and has neither its Service nor its Pod"
            );
        }
        (Sight::Exists | Sight::Remembered | Sight::NotLookedUp | Sight::Whereabouts, _) => {
            "was not looked up: an earlier candidate was chosen"
        }
    };
    text.to_owned()
}

const fn set_aside_since(why: SetAside) -> &'static str {
    match why {
        SetAside::InvalidName => "is not a valid name for this kind",
        SetAside::NotExported => "belongs to the exporter, since another label is `exported_…`",
        SetAside::Exporters => "is the exporter named by `job` or `service`, or where it runs",
        SetAside::Whereabouts => "a node only gives the location, and another resource is named",
        SetAside::NoGround => {
            "next to a namespace, a node counts only in metrics of kube-state-metrics, a kubelet or node-exporter"
        }
        SetAside::Outvoted => "another label names an object of this kind and takes precedence",
        SetAside::NotTheMachine => "an alert from node-exporter is about its node",
        SetAside::TooMany => "at most three candidates are looked up",
    }
}

fn by_address(addresses: &[String], chosen: &Chosen, looked: Looked) -> Named {
    let names = match chosen {
        Chosen::NodeByAddress(key) => format!("Node {}", key.name),
        Chosen::Candidate(_) | Chosen::Itself => format!("Node at {}", addresses.join(" or ")),
    };
    let found = matches!(chosen, Chosen::NodeByAddress(_));
    let why = match looked {
        _ if found => "has the address or the name",
        Looked::Everywhere => "no node that the gateway can see has the address or the name",
        Looked::AtObjects => "nodes are not looked up by address (signal.nodeByInstance)",
        Looked::Nowhere => "would be looked up if signal.nodeByInstance is true",
    };
    Named { label: "instance".to_owned(), names, chosen: found, why: why.to_owned() }
}

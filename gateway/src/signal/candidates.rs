//! Which resources an alert may be about, in the order in which they are to be looked up. Pure.
//!
//! Labels come from two voices: that of the subject, and that of the exporter which measured it and which Prometheus
//! scraped. Prometheus renames a label of the subject's that collides with one of the exporter's to `exported_<label>`; where
//! none collides, or the operator keeps the subject's (`honorLabels`), what the labels say has to tell them apart.
//! `docs/targets.md` has the rules for operators.

use std::collections::BTreeMap;

use super::{
    controller::Controller,
    exporter::Exporter,
    kind::{Kind, KindRef, Rank},
    mentions::{Mention, Mentions, SetAside},
    object::{Object, ObjectKey},
    rules::Rules,
    target,
    vocabulary::Vocabulary,
};
use crate::{remediation::TargetResource, rfc1123::is_subdomain};

/// What an alert may be about.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Candidates {
    /// The first that exists is it.
    pub(crate) list: Vec<Candidate>,
    /// Labels that name an object and yet no candidate, and why.
    pub(crate) set_aside: Vec<(String, SetAside)>,
    /// Addresses or names of the node that it is about if no candidate is it.
    pub(crate) addresses: Vec<String>,
    /// What it is about if nothing else is: itself.
    pub(crate) itself: TargetResource,
}

/// One resource that an alert may be about.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Candidate {
    /// The label that names it; the field of an event.
    pub(crate) label: String,
    pub(crate) object: Object,
    pub(crate) ground: Ground,
    /// The controller that a forwarder of events tells, for an object that is gone.
    pub(crate) controller: Option<Controller>,
}

/// What speaks for a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ground {
    /// The subject's voice names it: it stands also unseen, since it may be gone.
    Subject,
    /// It counts only if it exists: its name and its namespace may be of two voices.
    IfItExists,
    /// A Node beside a namespace, named by kube-state-metrics: it is the subject if `namespace` is where kube-state-metrics
    /// runs, which its Service or its Pod tells; else the node that kube-state-metrics runs on.
    UnlessThePlace { namespace: String, service: Option<String>, pod: Option<String> },
}

/// Candidates that are looked up at most: each may cost a request.
const MAX_CANDIDATES: usize = 3;

/// The values of `phase` that only namespaces have.
const NAMESPACE_PHASES: [&str; 2] = ["Active", "Terminating"];

/// What an alert with `labels` may be about; `sent` is Alertmanager's fingerprint of it.
pub(crate) fn of_labels(labels: &BTreeMap<String, String>, sent: Option<&str>, rules: &Rules) -> Candidates {
    let exporter = Exporter::of(labels, rules);
    let mut reading = Reading { labels, exporter, mentions: Mentions::of(labels, rules), list: Vec::new() };
    if reading.exporter == Some(Exporter::Machine) {
        reading.machine();
    } else {
        reading.subjects();
    }
    let namespace = reading.mentions.namespaces.subject().unwrap_or(target::DEFAULT_NAMESPACE).to_owned();
    let mut addresses = Vec::new();
    if reading.list.is_empty() && matches!(reading.exporter, Some(Exporter::Machine | Exporter::Kubelet)) {
        addresses = ["instance", "nodename"]
            .into_iter()
            .filter_map(|label| reading.label(label))
            .map(host)
            .filter(|host| !host.is_empty())
            .collect();
    }
    Candidates {
        list: reading.list,
        set_aside: reading.mentions.set_aside.into_iter().map(|(label, why)| (label.to_owned(), why)).collect(),
        addresses,
        itself: target::of_alert(labels, sent, namespace),
    }
}

impl Candidates {
    /// What an event is about: the object that it names, and nothing else.
    pub(crate) fn of_event(
        label: &str,
        resource: TargetResource,
        controller: Option<Controller>,
        rules: &Rules,
    ) -> Self {
        let object = Object::of(resource.clone(), rules);
        let candidate = Candidate { label: label.to_owned(), object, ground: Ground::Subject, controller };
        Self { list: vec![candidate], set_aside: Vec::new(), addresses: Vec::new(), itself: resource }
    }

    /// What the alert is about if nothing can be looked up.
    pub(crate) fn unseen(&self) -> TargetResource {
        let stands = self.list.iter().find(|candidate| candidate.ground != Ground::IfItExists);
        stands.map_or_else(|| self.itself.clone(), |candidate| candidate.object.resource())
    }
}

/// An alert that is being read.
struct Reading<'a> {
    labels: &'a BTreeMap<String, String>,
    exporter: Option<Exporter>,
    mentions: Mentions<'a>,
    list: Vec<Candidate>,
}

impl Reading<'_> {
    fn label(&self, label: &str) -> Option<&str> {
        self.labels.get(label).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// What `label` names, if an object can be called so.
    fn name(&self, label: &str) -> Option<String> {
        self.label(label).filter(|name| is_subdomain(name)).map(str::to_owned)
    }

    /// An alert of node-exporter: about its machine, whatever else it names.
    fn machine(&mut self) {
        let all = std::mem::take(&mut self.mentions.objects);
        // A node that was renamed is one that the machine itself has told.
        let node = all.iter().filter(|mention| mention.kind.rank == Rank::Place).min_by_key(|mention| mention.exported);
        if let Some(node) = node {
            self.push(node, String::new(), Ground::Subject);
        }
        let others = all.iter().filter(|mention| node.is_none_or(|node| node.label != mention.label));
        self.mentions.set_aside.extend(others.map(|mention| (mention.label, SetAside::NotTheMachine)));
    }

    /// An alert of anyone else: about what its labels name.
    fn subjects(&mut self) {
        self.mentions.set_aside_the_exporters(self.exporter.as_ref(), self.label("uid").is_some());
        self.mentions.keep_one_of_each_kind();
        let mut mentions = std::mem::take(&mut self.mentions.objects);
        mentions.sort_by(|a, b| (a.kind.rank, &a.kind).cmp(&(b.kind.rank, &b.kind)));
        let (nodes, mentions): (Vec<_>, Vec<_>) = mentions.into_iter().partition(|it| it.kind.rank == Rank::Place);
        for mention in &mentions {
            let Some((namespace, ground)) = self.place(mention) else {
                self.mentions.set_aside.push((mention.label, SetAside::NotExported));
                continue;
            };
            if self.list.len() < MAX_CANDIDATES {
                self.push(mention, namespace, ground);
            } else {
                self.mentions.set_aside.push((mention.label, SetAside::TooMany));
            }
        }
        // A pod that may be the exporter's does not stand in the way.
        if self.list.iter().all(|candidate| candidate.ground == Ground::IfItExists) {
            self.namespace();
        }
        for node in &nodes {
            match self.node_ground(node).filter(|_| self.list.is_empty()) {
                Some(ground) => self.push(node, String::new(), ground),
                None => {
                    let why = if self.list.is_empty() { SetAside::NoGround } else { SetAside::Whereabouts };
                    self.mentions.set_aside.push((node.label, why));
                }
            }
        }
    }

    fn push(&mut self, mention: &Mention<'_>, namespace: String, ground: Ground) {
        let object = Object::Known(ObjectKey { kind: mention.kind.clone(), namespace, name: mention.name.to_owned() });
        self.list.push(Candidate { label: mention.label.to_owned(), object, ground, controller: None });
    }

    /// The namespace of what `mention` names, and what speaks for it.
    fn place(&self, mention: &Mention<'_>) -> Option<(String, Ground)> {
        let namespaces = &self.mentions.namespaces;
        if !mention.kind.namespaced {
            return Some((String::new(), Ground::Subject));
        }
        let default = || target::DEFAULT_NAMESPACE.to_owned();
        if !self.mentions.is_exported {
            return Some((namespaces.of(mention.vocabulary).map_or_else(default, str::to_owned), Ground::Subject));
        }
        let is_plain_pod =
            mention.kind.name == "Pod" && !mention.exported && mention.vocabulary != Vocabulary::OpenTelemetry;
        match (namespaces.exported, namespaces.plain) {
            (Some(exported), plain) if is_plain_pod => {
                let ground = self.plain_pod_ground(mention.name, plain == Some(exported))?;
                Some((exported.to_owned(), ground))
            }
            (None, _) if is_plain_pod => None,
            (Some(exported), _) => Some((exported.to_owned(), Ground::Subject)),
            (None, Some(plain)) => Some((plain.to_owned(), Ground::IfItExists)),
            (None, None) => {
                Some((namespaces.of(mention.vocabulary).map_or_else(default, str::to_owned), Ground::Subject))
            }
        }
    }

    /// What speaks for a plain `pod` beside `exported_namespace`: it did not collide, or `exported_pod` would be there, so it
    /// may be the subject's.
    fn plain_pod_ground(&self, name: &str, beside_the_exporter: bool) -> Option<Ground> {
        let measured = self.exporter == Some(Exporter::KubeStateMetrics) && self.label("uid").is_some();
        match &self.exporter {
            // What it tells of a pod, and nothing else, has a uid.
            Some(exporter) if measured && !exporter.runs_as(name) => Some(Ground::Subject),
            // It runs in no pod.
            Some(Exporter::Kubelet) => Some(Ground::Subject),
            _ if measured || !beside_the_exporter => Some(Ground::IfItExists),
            _ => None,
        }
    }

    /// What speaks for a Node, where nothing else is named.
    fn node_ground(&self, mention: &Mention<'_>) -> Option<Ground> {
        if self.mentions.is_exported && !mention.exported {
            return None;
        }
        let namespace = self.mentions.namespaces.any();
        // Relabelled, a node that is only the place is `kubernetes_node`.
        let is_its_own = mention.vocabulary == Vocabulary::Metrics && self.mentions.namespaces.is_relabelled();
        match (&self.exporter, namespace) {
            (_, None) | (Some(Exporter::Kubelet | Exporter::Machine), _) => Some(Ground::Subject),
            (Some(Exporter::KubeStateMetrics), _) if mention.exported || is_its_own => Some(Ground::Subject),
            (Some(Exporter::KubeStateMetrics), Some(namespace)) => Some(Ground::UnlessThePlace {
                namespace: namespace.to_owned(),
                service: self.name("service"),
                pod: self.name("pod"),
            }),
            _ if mention.exported => Some(Ground::IfItExists),
            _ => None,
        }
    }

    /// kube-state-metrics names a Namespace by nothing but `namespace`.
    fn namespace(&mut self) {
        let has_phase = self.label("phase").is_some_and(|phase| NAMESPACE_PHASES.contains(&phase));
        if self.exporter != Some(Exporter::KubeStateMetrics) || !has_phase {
            return;
        }
        let (exported, plain) = (self.mentions.namespaces.exported, self.mentions.namespaces.plain);
        let (label, name) = match (exported, plain) {
            (Some(exported), _) => ("exported_namespace", exported),
            (None, Some(plain)) if !self.mentions.is_exported => ("namespace", plain),
            _ => return,
        };
        let Some(kind) = Kind::named("Namespace").map(KindRef::from) else { return };
        let object = Object::Known(ObjectKey { kind, namespace: String::new(), name: name.to_owned() });
        self.list.push(Candidate { label: label.to_owned(), object, ground: Ground::Subject, controller: None });
    }
}

/// The host of `instance`, which is an address or a name, mostly with a port.
fn host(instance: &str) -> String {
    if let Some((host, _)) = instance.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return host.to_owned();
    }
    match instance.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') && port.bytes().all(|b| b.is_ascii_digit()) => host.to_owned(),
        _ => instance.to_owned(),
    }
}

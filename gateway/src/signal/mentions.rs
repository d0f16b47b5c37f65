//! What an alert's labels name: objects and namespaces, each by one of two voices. Pure.

use std::collections::BTreeMap;

use super::{
    exporter::Exporter,
    kind::{KindRef, Rank},
    rules::Rules,
    vocabulary::{self, Named, Vocabulary},
};
use crate::rfc1123::{is_label, is_subdomain};

/// Why a label that names an object is no candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SetAside {
    /// No object of the kind can have that name.
    InvalidName,
    /// It is a label of the exporter, since others are `exported_…`.
    NotExported,
    /// It is the exporter's own.
    Exporters,
    /// It tells where something runs, and the alert names what.
    Whereabouts,
    /// It is a Node beside a namespace, and nothing says that the node is meant.
    NoGround,
    /// Another label names an object of that kind, and counts for more.
    Outvoted,
    /// Alerts of node-exporter are about the machine.
    NotTheMachine,
    /// More candidates are not looked up.
    TooMany,
}

/// A label that names an object.
#[derive(Clone, Debug)]
pub(super) struct Mention<'a> {
    pub(super) label: &'a str,
    pub(super) name: &'a str,
    pub(super) kind: KindRef,
    /// Prometheus renamed it: it is the subject's.
    pub(super) exported: bool,
    pub(super) vocabulary: Vocabulary,
    spelling: usize,
}

/// The namespaces that labels name.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Namespaces<'a> {
    pub(super) exported: Option<&'a str>,
    pub(super) plain: Option<&'a str>,
    open_telemetry: Option<&'a str>,
    relabelled: Option<&'a str>,
}

/// All that the labels of an alert name.
#[derive(Debug, Default)]
pub(super) struct Mentions<'a> {
    pub(super) objects: Vec<Mention<'a>>,
    pub(super) namespaces: Namespaces<'a>,
    /// Some label that names a resource is `exported_…`: plain `namespace`, `pod` and `node` are the exporter's then.
    pub(super) is_exported: bool,
    pub(super) set_aside: Vec<(&'a str, SetAside)>,
}

impl<'a> Mentions<'a> {
    pub(super) fn of(labels: &'a BTreeMap<String, String>, rules: &Rules) -> Self {
        let mut mentions = Self::default();
        for (label, value) in labels.iter().filter(|(_, value)| !value.is_empty()) {
            let bare = label.strip_prefix("exported_");
            if let Some((vocabulary, named)) = vocabulary::read(bare.unwrap_or(label), rules) {
                mentions.add(label, value, bare.is_some(), vocabulary, named);
            }
        }
        mentions
    }

    fn add(&mut self, label: &'a str, name: &'a str, exported: bool, vocabulary: Vocabulary, named: Named) {
        let is_valid = match &named {
            Named::Namespace => is_label(name),
            Named::Object(..) => is_subdomain(name),
        };
        if !is_valid {
            self.set_aside.push((label, SetAside::InvalidName));
            return;
        }
        self.is_exported |= exported;
        match named {
            Named::Object(kind, spelling) => {
                self.objects.push(Mention { label, name, kind, exported, vocabulary, spelling });
            }
            Named::Namespace => {
                let place = match vocabulary {
                    _ if exported => &mut self.namespaces.exported,
                    Vocabulary::Metrics => &mut self.namespaces.plain,
                    Vocabulary::OpenTelemetry => &mut self.namespaces.open_telemetry,
                    Vocabulary::Relabelled => &mut self.namespaces.relabelled,
                };
                place.get_or_insert(name);
            }
        }
    }

    /// Sets aside what names the exporter, which measured, in place of the subject; `has_uid` if the alert has a uid, which
    /// only kube-state-metrics' subjects have.
    pub(super) fn set_aside_the_exporters(&mut self, exporter: Option<&Exporter>, has_uid: bool) {
        use Vocabulary::{Metrics, OpenTelemetry, Relabelled};
        let is_its = |mention: &Mention<'_>| exporter.is_some_and(|exporter| exporter.runs_as(mention.name));
        // Attributes are of one resource all together.
        let attributes = |mention: &Mention<'_>| mention.vocabulary == OpenTelemetry && !mention.exported;
        let attributes_are_its = self.objects.iter().any(|mention| attributes(mention) && is_its(mention));
        if attributes_are_its {
            self.namespaces.open_telemetry = None;
        }
        let Namespaces { plain, open_telemetry, relabelled, .. } = self.namespaces;
        // Measured in one namespace, about another one.
        let plain_is_elsewhere = open_telemetry.is_some() && plain.is_some() && open_telemetry != plain;
        let relabelled_is_elsewhere = relabelled.is_some() && plain.is_some() && relabelled != plain;
        let is_exported = self.is_exported;
        let why = |mention: &Mention<'_>| {
            let is_pod = mention.kind.name == "Pod" && !mention.exported;
            match mention.vocabulary {
                _ if mention.exported => None,
                OpenTelemetry => attributes_are_its.then_some(SetAside::Exporters),
                Metrics if is_pod && plain_is_elsewhere => Some(SetAside::Exporters),
                Relabelled if relabelled_is_elsewhere => Some(SetAside::Exporters),
                // With a second voice, the rules for that one apply.
                Metrics | Relabelled => {
                    (is_pod && !is_exported && !has_uid && is_its(mention)).then_some(SetAside::Exporters)
                }
            }
        };
        let set_aside = &mut self.set_aside;
        self.objects.retain(|mention| match why(mention) {
            Some(why) => {
                set_aside.push((mention.label, why));
                false
            }
            None => true,
        });
    }

    /// Keeps of several labels that name an object of one kind the one that counts for most: one that Prometheus renamed,
    /// then by vocabulary and by spelling.
    pub(super) fn keep_one_of_each_kind(&mut self) {
        let weight = |mention: &Mention<'_>| (!mention.exported, mention.vocabulary, mention.spelling);
        self.objects.sort_by(|a, b| (&a.kind, weight(a)).cmp(&(&b.kind, weight(b))));
        let set_aside = &mut self.set_aside;
        let is_exported = self.is_exported;
        self.objects.dedup_by(|other, kept| {
            let same = other.kind == kept.kind;
            if same {
                let not_exported =
                    is_exported && !other.exported && matches!(other.kind.rank, Rank::Leaf | Rank::Place);
                set_aside.push((other.label, if not_exported { SetAside::NotExported } else { SetAside::Outvoted }));
            }
            same
        });
    }
}

impl<'a> Namespaces<'a> {
    /// The namespace of an object that a label of `vocabulary` names.
    pub(super) fn of(&self, vocabulary: Vocabulary) -> Option<&'a str> {
        let Self { plain, open_telemetry, relabelled, .. } = *self;
        match vocabulary {
            Vocabulary::OpenTelemetry => open_telemetry.or(plain).or(relabelled),
            Vocabulary::Metrics => plain.or(open_telemetry).or(relabelled),
            Vocabulary::Relabelled => relabelled.or(plain),
        }
    }

    /// The namespace of the subject, whatever that is.
    pub(super) fn subject(&self) -> Option<&'a str> {
        self.exported.or(self.open_telemetry).or(self.plain).or(self.relabelled)
    }

    /// Whether the only namespace is that of the exporter, by the classic relabelling.
    pub(super) fn is_relabelled(&self) -> bool {
        self.relabelled.is_some() && self.exported.or(self.plain).or(self.open_telemetry).is_none()
    }

    /// A namespace that is not that of the subject alone.
    pub(super) fn any(&self) -> Option<&'a str> {
        self.plain.or(self.open_telemetry).or(self.relabelled)
    }
}

//! The section `signal` of the configuration, prepared for reading signals.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::RwLock;

use super::kind::KindRef;
use crate::config::{Matchers, Signals};

/// How signals are read; cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    inner: Arc<Inner>,
}

#[derive(Debug, PartialEq)]
struct Inner {
    settings: Signals,
    kinds: BTreeMap<String, KindRef>,
}

/// Where a signal's resource is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the cluster that this gateway runs in, as far as it can tell.
    Here,
    /// In another cluster, about which nothing can be looked up.
    OtherCluster,
}

impl Rules {
    /// Rules as `settings` have them.
    pub fn new(settings: &Signals) -> Self {
        let kinds =
            settings.targets.iter().map(|(label, target)| (label.clone(), KindRef::of_target(target))).collect();
        Self { inner: Arc::new(Inner { settings: settings.clone(), kinds }) }
    }

    /// The kind that the operator's label `label` names.
    pub(super) fn kind(&self, label: &str) -> Option<&KindRef> {
        self.inner.kinds.get(label)
    }

    /// The kinds that the operator has added.
    pub(super) fn kinds(&self) -> impl Iterator<Item = &KindRef> {
        self.inner.kinds.values()
    }

    /// Names of exporters that the operator has added.
    pub(super) fn exporters(&self) -> &[String] {
        &self.inner.settings.exporters
    }

    /// The label that holds the cluster's name.
    pub(super) fn cluster_label(&self) -> &str {
        &self.inner.settings.cluster.label
    }

    /// The cluster of a signal that says it comes from `told`.
    ///
    /// Where this cluster has a name, signals that do not say theirs belong to it too: events never do, and alerts only
    /// where Prometheus has an external label.
    pub(super) fn cluster(&self, told: Option<&str>) -> Option<String> {
        told.filter(|name| !name.is_empty()).or(self.own_cluster()).map(str::to_owned)
    }

    /// Where a signal of `cluster` has its resource.
    pub(super) fn place(&self, cluster: Option<&str>) -> Place {
        match (self.own_cluster(), cluster) {
            (Some(own), Some(cluster)) if own != cluster => Place::OtherCluster,
            _ => Place::Here,
        }
    }

    fn own_cluster(&self) -> Option<&str> {
        Some(self.inner.settings.cluster.name.as_str()).filter(|name| !name.is_empty())
    }

    /// The condition that makes an alert with these labels no incident.
    pub(super) fn ignored_by(&self, labels: &BTreeMap<String, String>) -> Option<&Matchers> {
        self.inner.settings.ignore.iter().find(|matchers| matchers.match_all(labels))
    }

    /// Bytes of a payload that are kept.
    pub(super) fn max_payload_bytes(&self) -> usize {
        self.inner.settings.max_payload_bytes
    }

    /// Whether nodes may be found by their address.
    pub(super) fn node_by_instance(&self) -> bool {
        self.inner.settings.node_by_instance
    }
}

/// Rules that may be replaced while signals are read; cheap to clone, all clones have the same.
#[derive(Clone, Debug)]
pub struct LiveRules {
    current: Arc<RwLock<Rules>>,
}

impl LiveRules {
    /// `rules` until they are replaced.
    pub fn new(rules: Rules) -> Self {
        Self { current: Arc::new(RwLock::new(rules)) }
    }

    /// Those that whatever is received now is read by.
    pub fn current(&self) -> Rules {
        self.current.read().clone()
    }

    /// What is received from now on is read by `rules`.
    pub fn replace(&self, rules: Rules) {
        *self.current.write() = rules;
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self::new(&Signals::default())
    }
}

//! Who measured what an alert is about, as `job` and the Service tell.

use std::{borrow::Cow, collections::BTreeMap};

use super::rules::Rules;

/// Measured the cluster's objects: its labels tell the subject.
const KUBE_STATE_METRICS: &str = "kube-state-metrics";
/// Measured the machine that it runs on.
const NODE_EXPORTER: &str = "node-exporter";
/// Keeps what others have pushed to it.
const PUSHGATEWAY: &str = "pushgateway";
/// Measure their machine and the containers on it; the second is what the classic scrape configuration calls them.
const KUBELETS: [&str; 2] = ["kubelet", "kubernetes-nodes"];
/// How all others are called: `mysql-exporter`.
const EXPORTER: &str = "exporter";

/// The exporter whose metric an alert is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Exporter {
    KubeStateMetrics,
    /// node-exporter, which measures the machine it runs on.
    Machine,
    Kubelet,
    /// Any other one, by its name.
    Other(String),
}

impl Exporter {
    /// Who measured an alert with these labels: `job` tells, else `service`, which of kube-state-metrics' own alerts may be
    /// the subject's, else what the classic relabelling calls the Service or copies from the scraped pod's labels.
    pub(crate) fn of(labels: &BTreeMap<String, String>, rules: &Rules) -> Option<Self> {
        ["job", "service", "kubernetes_name", "app_kubernetes_io_name"]
            .into_iter()
            .filter_map(|label| labels.get(label))
            .find_map(|text| named_in(text, rules))
    }

    /// The name that its pods bear; a kubelet has none.
    fn pods_bear(&self) -> Option<&str> {
        match self {
            Self::KubeStateMetrics => Some(KUBE_STATE_METRICS),
            Self::Machine => Some(NODE_EXPORTER),
            Self::Kubelet => None,
            Self::Other(name) => Some(name),
        }
    }

    /// Whether an object called `name` is this exporter's own.
    pub(crate) fn runs_as(&self, name: &str) -> bool {
        self.pods_bear().is_some_and(|exporter| dashed(name).contains(exporter))
    }
}

fn named_in(text: &str, rules: &Rules) -> Option<Exporter> {
    let text = &*dashed(text);
    if text.contains(KUBE_STATE_METRICS) {
        return Some(Exporter::KubeStateMetrics);
    }
    if text.contains(NODE_EXPORTER) {
        return Some(Exporter::Machine);
    }
    let added = rules.exporters().iter().map(String::as_str).chain([PUSHGATEWAY]).find(|name| text.contains(name));
    if let Some(name) = added {
        return Some(Exporter::Other(name.to_owned()));
    }
    if KUBELETS.iter().any(|name| text.contains(name)) {
        return Some(Exporter::Kubelet);
    }
    let mut before = None;
    for word in text.split(['-', '/', '.']) {
        if word == EXPORTER {
            return Some(Exporter::Other(before.map_or_else(|| EXPORTER.to_owned(), |of| format!("{of}-{EXPORTER}"))));
        }
        before = Some(word);
    }
    None
}

/// Jobs are also written with underscores.
fn dashed(text: &str) -> Cow<'_, str> {
    if text.contains('_') { text.replace('_', "-").into() } else { text.into() }
}

//! The metrics that gateways expose are those that operators read about, alert on and look at.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use embedded_apiserver::{Fault, Script};
use gateway::{config::AuthMode, metrics::Metrics};
use harness::{
    fleet::{Fleet, Skew},
    replica::{Replica, config},
    testing::{post, rest, script, send, storm, wait_ms},
};
use regex::Regex;

const DOCUMENT: &str = include_str!("../../../gateway/docs/metrics.md");
const ALERTS: &str = include_str!("../../../gateway/deploy/alerts/gateway.yaml");
const DASHBOARD: &str = include_str!("../../../gateway/deploy/dashboards/gateway.json");
/// Whose readers type queries.
const PAGES: [&str; 4] = [
    include_str!("../../../gateway/docs/runbook.md"),
    include_str!("../../../gateway/docs/tracing.md"),
    include_str!("../../../gateway/docs/connect.md"),
    include_str!("../../../gateway/docs/configuration.md"),
];

/// A metric's type, and its labels with the values they can have; none if those are described in words.
#[derive(Debug, PartialEq)]
struct Metric {
    kind: String,
    labels: BTreeMap<String, Option<BTreeSet<String>>>,
}

/// The names in backticks.
fn quoted(text: &str) -> impl Iterator<Item = String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// The labels of a row; `as above` and `such as` leave the values open.
fn documented_labels(cell: &str) -> BTreeMap<String, Option<BTreeSet<String>>> {
    let mut labels = BTreeMap::new();
    for part in cell.split(';') {
        let (names, values) = part.split_once(':').unwrap_or((part, ""));
        let open = values.contains("such as") || !values.contains('`');
        for name in quoted(names) {
            labels.insert(name, (!open).then(|| quoted(values).collect()));
        }
    }
    labels
}

fn documented() -> BTreeMap<String, Metric> {
    let rows = DOCUMENT.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, name, kind, labels, meaning, _] = cells[..] else { panic!("{row}") };
        assert!(!meaning.is_empty(), "{row}");
        let metric = Metric { kind: kind.to_owned(), labels: documented_labels(labels) };
        (quoted(name).next().unwrap(), metric)
    })
    .collect()
}

/// Every series' label values, by metric and label; and the type of each metric.
#[derive(Debug, Default)]
struct Exposed {
    kinds: BTreeMap<String, String>,
    values: BTreeMap<(String, String), BTreeSet<String>>,
}

impl Exposed {
    fn add(&mut self, text: &str) {
        static LABEL: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#"(\w+)="([^"]*)""#).unwrap());
        let mut metric = String::new();
        for line in text.lines().filter(|line| !line.starts_with("# HELP")) {
            if let Some(declared) = line.strip_prefix("# TYPE ") {
                let (name, kind) = declared.split_once(' ').unwrap();
                metric = name.to_owned();
                self.kinds.insert(metric.clone(), kind.to_owned());
                continue;
            }
            for label in LABEL.captures_iter(line).filter(|label| &label[1] != "le") {
                self.values.entry((metric.clone(), label[1].to_owned())).or_default().insert(label[2].to_owned());
            }
        }
    }
}

/// Two replicas in a world where all kinds of things happen: one for everyone, one that asks who is there.
async fn eventful() -> Exposed {
    let fleet = Fleet::new(1);
    let script = script(&fleet);
    let mut talkative = config();
    talkative.events.enabled = true;
    let first = fleet.start_with(1, talkative, Skew::default()).await;
    let mut careful = config();
    careful.scope.require_managed_label = true;
    careful.datastorage.url = Some("http://127.0.0.1:9".parse().unwrap());
    careful.tracing.endpoint = careful.datastorage.url.clone();
    let scoped = fleet.start_with(2, careful.clone(), Skew::default()).await;
    careful.auth.mode = AuthMode::Kubernetes;
    let guarded = fleet.start_with(3, careful, Skew::default()).await;
    happen(&fleet, &script, &[first, scoped, guarded]).await
}

async fn happen(fleet: &Fleet, script: &Script, replicas: &[Replica]) -> Exposed {
    storm(fleet, &replicas[..1], "checkout", 10).await;
    send(fleet, &replicas[1], "checkout").await;
    send(fleet, &replicas[2], "checkout").await;
    script.on(usize::MAX, "patch", "leases", Fault::lost());
    send(fleet, &replicas[0], "checkout").await;
    script.clear();
    script.on(1, "create", "leases", Fault::lost());
    send(fleet, &replicas[0], "unlucky").await;
    script.on(1, "watch", "remediationrequests", Fault::lost());
    post(&replicas[0], "nonsense").await;
    let pod = r#"{"version": "4", "status": "firing", "alerts": [{"status": "firing", "startsAt": "2026-10-31T23:00:00Z",
        "labels": {"alertname": "A", "namespace": "shop", "pod": "checkout-7d9c5b6f4-4xv2k"}, "annotations": {}}]}"#;
    post(&replicas[0], pod).await;
    // Until the watch ends and is begun again.
    wait_ms(60_000).await;
    rest().await;
    let mut exposed = Exposed::default();
    // What a gateway that has a process of its own adds.
    let process = Metrics::new().unwrap();
    process.add_process().unwrap();
    exposed.add(&String::from_utf8(process.render().unwrap()).unwrap());
    for replica in replicas {
        exposed.add(&replica.metrics());
        replica.crash();
    }
    exposed
}

#[tokio::test(start_paused = true)]
async fn every_metric_is_documented_and_every_documented_metric_exists() {
    let (exposed, documented) = (eventful().await, documented());
    let kinds: BTreeMap<_, _> = documented.iter().map(|(name, metric)| (name.clone(), metric.kind.clone())).collect();
    assert_eq!(exposed.kinds, kinds);
    let labels = |(name, metric): (&String, &Metric)| -> Vec<_> {
        metric.labels.keys().map(|label| (name.clone(), label.clone())).collect()
    };
    let expected: BTreeSet<_> = documented.iter().flat_map(labels).collect();
    assert_eq!(exposed.values.keys().cloned().collect::<BTreeSet<_>>(), expected);
    for ((name, label), values) in &exposed.values {
        if let Some(known) = &documented[name].labels[label] {
            assert!(values.is_subset(known), "{name}{{{label}}} has {values:?}, documented are {known:?}");
        }
    }
}

#[test]
fn alerts_the_dashboard_and_pages_ask_for_metrics_that_exist_by_labels_that_exist() {
    let documented = documented();
    let metric = Regex::new(r"\bgateway_[a-z_]+").unwrap();
    let selector = Regex::new(r#"\b(gateway_[a-z_]+)\{([^}]*)\}"#).unwrap();
    let matcher = Regex::new(r#"(\w+)(?:=~|!~|!=|=)"#).unwrap();
    let base = |name: &str| {
        let suffix = ["_bucket", "_count", "_sum"].into_iter().find(|suffix| name.ends_with(suffix));
        suffix.map_or(name, |suffix| &name[..name.len() - suffix.len()]).to_owned()
    };
    let known = |name: &str| documented.get(name).or_else(|| documented.get(&base(name)));
    for text in [ALERTS, DASHBOARD] {
        assert!(metric.find_iter(text).count() > 15);
    }
    for text in [ALERTS, DASHBOARD].iter().chain(&PAGES) {
        for name in metric.find_iter(text) {
            assert!(known(name.as_str()).is_some(), "{} is not in gateway/docs/metrics.md", name.as_str());
        }
        for selected in selector.captures_iter(text) {
            for label in matcher.captures_iter(&selected[2]) {
                let of_the_target = ["job", "namespace", "pod"].contains(&&label[1]);
                let metric = known(&selected[1]).unwrap();
                assert!(of_the_target || metric.labels.contains_key(&label[1]), "{}", &selected[0]);
            }
        }
    }
    let shown: BTreeSet<_> = metric.find_iter(DASHBOARD).map(|name| base(name.as_str())).collect();
    let all: BTreeSet<_> = documented.keys().filter(|name| name.starts_with("gateway_")).cloned().collect();
    assert_eq!(shown.difference(&all).count(), 0);
    assert_eq!(all.difference(&shown).collect::<Vec<_>>(), Vec::<&String>::new(), "the dashboard shows all of them");
}

//! The alerts that kube-prometheus ships with, and the document for operators that lists them.

use std::fmt::Write as _;

use harness::{
    fleet::Skew,
    testing::{PROMETHEUS, account, forbidden, guarded_fleet},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    case::{self, Labels},
    objects, run, scrapes,
};

const DOCUMENT: &str = include_str!("../../../../gateway/docs/targets.md");

/// The alerts, and the cluster that they tell of.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    objects: Vec<String>,
    alerts: Vec<Row>,
}

/// Alerts of one kind.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// The names of their rules.
    alerts: Vec<String>,
    /// What is scraped.
    from: String,
    /// The labels of the metric.
    #[serde(default)]
    labels: Labels,
    /// The labels that the rule keeps, where it is an aggregation.
    #[serde(default)]
    by: Option<Vec<String>>,
    /// The labels that the rule drops.
    #[serde(default)]
    without: Vec<String>,
    /// Where the exporter's labels do not win, what is kept tells of the exporter: nobody can know the resource.
    #[serde(default)]
    needs_honor_labels: bool,
    about: String,
    /// In words, for operators.
    words: String,
}

impl Row {
    /// The labels of `alert` in `style`.
    fn labels(&self, alert: &str, style: &str) -> Labels {
        let mut labels = scrapes::scraped(style, &self.labels);
        labels.retain(|name, _| {
            let kept = self.by.as_ref().is_none_or(|by| by.contains(name));
            kept && !self.without.contains(name)
        });
        labels.insert("alertname".to_owned(), alert.to_owned());
        labels.insert("severity".to_owned(), "warning".to_owned());
        labels
    }
}

fn table() -> Table {
    serde_saphyr::from_str(include_str!("kube_prometheus.yaml")).unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_alert_of_kube_prometheus_is_about_the_same_resource_however_it_is_scraped() {
    let fleet = guarded_fleet(1);
    let table = table();
    table.objects.iter().for_each(|line| objects::create(&fleet.api, line));
    let config = run::config(&json!({ "nodeByInstance": true }));
    let replica = fleet.start_via(1, config, Skew::default(), account(&fleet)).await;
    let mut report = String::new();
    let mut sent = 0;
    for row in &table.alerts {
        let styles: Vec<_> =
            scrapes::styles(&row.from).filter(|style| !(row.needs_honor_labels && style.contains("without"))).collect();
        assert!(!styles.is_empty(), "no such exporter: {}", row.from);
        for (alert, style) in row.alerts.iter().flat_map(|alert| styles.iter().map(move |style| (alert, style))) {
            let labels = row.labels(alert, style);
            let body = case::webhook(std::slice::from_ref(&labels)).to_string();
            let answer = replica.post(PROMETHEUS, body).await;
            let got = run::about_what(&fleet, &answer.body);
            sent += 1;
            if got != row.about {
                let _ = writeln!(report, "{style}: {labels:?}\n  expected {}\n  got      {got}", row.about);
            }
        }
    }
    println!("{sent} alerts");
    assert!(report.is_empty(), "{report}");
    assert_eq!(forbidden(&fleet), Vec::<String>::new());
}

/// The table for operators: alerts by what they are about.
fn document() -> Vec<String> {
    let mut rows: Vec<(String, Vec<String>)> = Vec::new();
    for Row { words, alerts, .. } in table().alerts {
        let alerts = alerts.into_iter().map(|alert| format!("`{alert}`"));
        match rows.iter_mut().find(|(known, _)| *known == words) {
            Some((_, known)) => known.extend(alerts),
            None => rows.push((words, alerts.collect())),
        }
    }
    rows.into_iter().map(|(words, alerts)| format!("| {words} | {} |", alerts.join(", "))).collect()
}

#[test]
fn operators_read_which_resource_each_alert_of_kube_prometheus_is_about() {
    let table = document();
    let written: Vec<&str> = DOCUMENT.lines().skip_while(|line| *line != "| about | alerts |").skip(2).collect();
    let written: Vec<&str> = written.into_iter().take_while(|line| line.starts_with('|')).collect();
    assert_eq!(written, table, "gateway/docs/targets.md needs this table:\n{}", table.join("\n"));
}

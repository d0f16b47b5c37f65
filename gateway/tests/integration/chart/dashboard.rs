//! The Grafana dashboard: what people who look at it in a hurry rely on. Whether its queries find anything is asked of a real
//! Prometheus, in `harness/tests/real_time/dashboard.rs`.

use std::{collections::BTreeSet, fs, path::Path};

use regex::Regex;
use serde_json::{Value, json};

use super::monitoring::RUNBOOK;

fn dashboard() -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/dashboards/gateway.json");
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

#[test]
fn every_panel_says_what_it_shows_and_in_which_unit() {
    let dashboard = dashboard();
    let mut ids = BTreeSet::new();
    for panel in items(&dashboard, "panels") {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64()), "{title}");
        if panel["type"] == "row" {
            continue;
        }
        assert!(panel["description"].as_str().is_some_and(|text| text.ends_with('.')), "{title}");
        let defaults = &panel["fieldConfig"]["defaults"];
        assert!(defaults["unit"].is_string(), "{title}");
        // What stands for itself is coloured by whether it is well.
        assert!(panel["type"] != "stat" || !defaults["thresholds"]["steps"].as_array().unwrap().is_empty(), "{title}");
        assert!(items(panel, "targets").count() > 0, "{title}");
    }
}

#[test]
fn panels_stand_in_rows_and_not_upon_each_other() {
    let dashboard = dashboard();
    assert_eq!(dashboard["panels"][0]["type"], "row");
    let mut taken = BTreeSet::new();
    for panel in items(&dashboard, "panels") {
        let of = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(of("x") + of("w") <= 24, "{}", panel["title"]);
        for (x, y) in (of("x")..of("x") + of("w")).flat_map(|x| (of("y")..of("y") + of("h")).map(move |y| (x, y))) {
            assert!(taken.insert((y, x)), "{}", panel["title"]);
        }
    }
}

/// With the tests beside it, the rules of Grafana's dashboard-linter.
#[test]
fn counters_are_shown_as_rates_over_the_interval_that_is_looked_at() {
    let dashboard = dashboard();
    assert_eq!(dashboard["editable"], false);
    for variable in items(&dashboard["templating"], "list").skip(1) {
        // At each change of the time range; and all of them at once.
        assert_eq!(
            (&variable["refresh"], &variable["includeAll"], &variable["multi"]),
            (&json!(2), &json!(true), &json!(true))
        );
    }
    let counter = Regex::new(r"(.{0,10})\b\w+_(?:total|bucket|count|sum)\{[^}]*\}(.{0,18})").unwrap();
    let mut counters = 0;
    for target in items(&dashboard, "panels").flat_map(|panel| items(panel, "targets")) {
        let query = target["expr"].as_str().unwrap();
        for found in counter.captures_iter(query) {
            let (before, after) = (&found[1], &found[2]);
            let rate = before.ends_with("rate(") && after.starts_with("[$__rate_interval]");
            assert!(rate || before.ends_with("increase(") && after.starts_with("[$__range]"), "{query}");
            counters += 1;
        }
        assert_eq!(query.matches("rate(").count(), query.matches("[$__rate_interval]").count(), "{query}");
    }
    assert!(counters > 30, "{counters}");
}

#[test]
fn every_query_is_about_the_gateways_that_are_chosen() {
    let dashboard = dashboard();
    let variables: Vec<_> = items(&dashboard["templating"], "list").map(|variable| &variable["name"]).collect();
    assert_eq!(variables, ["datasource", "job", "namespace", "pod"]);
    let source = json!({ "type": "prometheus", "uid": "${datasource}" });
    let chosen = r#"job=~"$job", namespace=~"$namespace", pod=~"$pod""#;
    for panel in items(&dashboard, "panels").filter(|panel| panel["type"] != "row") {
        assert_eq!(panel["datasource"], source);
        for target in items(panel, "targets") {
            let query = target["expr"].as_str().unwrap();
            assert_eq!(target["datasource"], source, "{query}");
            let selectors = query.matches('{').count();
            assert!(selectors > 0 && query.matches(chosen).count() == selectors, "{query}");
        }
    }
}

#[test]
fn links_lead_to_sections_of_the_runbook() {
    let dashboard = dashboard();
    let runbook = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/runbook.md")).unwrap();
    let address = RUNBOOK;
    assert_eq!(dashboard["links"][0]["url"], address);
    let mut linked = BTreeSet::new();
    for panel in items(&dashboard, "panels") {
        for link in items(panel, "links") {
            let alert = link["title"].as_str().unwrap().strip_prefix("Runbook: ").unwrap();
            assert_eq!(link["url"], format!("{address}#{}", alert.to_lowercase()));
            assert!(runbook.contains(&format!("\n## {alert}\n")), "{alert}");
            linked.insert(alert.to_owned());
        }
    }
    let alerts: BTreeSet<_> =
        runbook.lines().filter_map(|line| line.strip_prefix("## ")).filter(|title| !title.contains(' ')).collect();
    assert_eq!(
        linked.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        alerts,
        "every alert has a panel to look at"
    );
}

//! Disruptions, network, alerts, dashboard.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rstest::rstest;
use serde_json::{Value, json};

use super::helm::{Helm, yaml};

fn deployed(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

fn alerts() -> Value {
    yaml(&fs::read_to_string(deployed("alerts/gateway.yaml")).unwrap())
}

#[test]
fn nodes_may_be_drained_one_pod_at_a_time() {
    let Some(helm) = Helm::find() else { return };
    let release = helm.render("");
    let budget = &release.named("PodDisruptionBudget", "gateway")["spec"];
    assert_eq!((&budget["maxUnavailable"], &budget["unhealthyPodEvictionPolicy"]), (&json!(1), &json!("AlwaysAllow")));
    assert_eq!(helm.render("podDisruptionBudget: {enabled: false}").all("PodDisruptionBudget").count(), 0);
}

#[rstest]
#[case::nobody_named("", json!([
    { "ports": [{ "port": "api" }] }, { "ports": [{ "port": "metrics" }] }, { "ports": [{ "port": "health" }] }]), Value::Null)]
#[case::named(
    "networkPolicy: {senders: [{podSelector: {}}], scrapers: [{namespaceSelector: {}}]}",
    json!([
        { "ports": [{ "port": "api" }], "from": [{ "podSelector": {} }] },
        { "ports": [{ "port": "metrics" }], "from": [{ "namespaceSelector": {} }] },
        { "ports": [{ "port": "health" }] },
    ]),
    Value::Null
)]
#[case::egress(
    "{networkPolicy: {egress: {enabled: true, apiServerPorts: [16444], extra: [{to: []}]}},
      config: {datastorage: {url: 'http://ds:8443'}}}",
    json!([
        { "ports": [{ "port": "api" }] }, { "ports": [{ "port": "metrics" }] }, { "ports": [{ "port": "health" }] }]),
    json!([
        { "ports": [{ "port": 53, "protocol": "UDP" }, { "port": 53, "protocol": "TCP" }] },
        { "ports": [{ "port": 16444 }] },
        { "ports": [{ "port": 8443 }] },
        { "to": [] },
    ])
)]
fn the_network_policy_admits_who_is_named(#[case] values: &str, #[case] ingress: Value, #[case] egress: Value) {
    let Some(helm) = Helm::find() else { return };
    let release = helm.render(values);
    let policy = &release.named("NetworkPolicy", "gateway")["spec"];
    assert_eq!((&policy["ingress"], &policy["egress"]), (&ingress, &egress));
    let types = if egress.is_null() { json!(["Ingress"]) } else { json!(["Ingress", "Egress"]) };
    assert_eq!(policy["policyTypes"], types);
}

#[rstest]
#[case("https://ds.audit/x", 443)]
#[case("http://ds", 80)]
fn datastorage_is_reached_at_its_schemes_port(#[case] url: &str, #[case] port: u16) {
    let Some(helm) = Helm::find() else { return };
    let values = format!("{{networkPolicy: {{egress: {{enabled: true}}}}, config: {{datastorage: {{url: '{url}'}}}}}}");
    let release = helm.render(&values);
    assert_eq!(release.named("NetworkPolicy", "gateway")["spec"]["egress"][2], json!({ "ports": [{ "port": port }] }));
}

#[test]
fn alerts_and_dashboard_are_deployed_as_they_are_checked() {
    let Some(helm) = Helm::find() else { return };
    let release = helm.render(
        "{prometheusRule: {enabled: true, labels: {release: p}}, dashboard: {enabled: true}, serviceMonitor: {enabled: true}}",
    );
    let rule = release.named("PrometheusRule", "gateway");
    assert_eq!((&rule["spec"], &rule["metadata"]["labels"]["release"]), (&alerts(), &json!("p")));
    let dashboard = release.named("ConfigMap", "gateway-dashboard");
    let text = dashboard["data"]["gateway.json"].as_str().unwrap();
    let file = fs::read_to_string(deployed("dashboards/gateway.json")).unwrap();
    let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(parse(text), parse(&file));
    assert_eq!(dashboard["metadata"]["labels"]["grafana_dashboard"], "1");
    assert_eq!(
        release.named("ServiceMonitor", "gateway")["spec"]["endpoints"],
        json!([{ "port": "metrics", "interval": "30s" }])
    );
    for kind in ["PrometheusRule", "ServiceMonitor"] {
        assert_eq!(helm.render("").all(kind).count(), 0, "{kind}");
    }
}

#[test]
fn every_alert_says_how_bad_it_is_and_has_a_section_of_the_runbook() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut named = BTreeSet::new();
    let alerts = alerts();
    for rule in alerts["groups"][0]["rules"].as_array().unwrap() {
        let alert = rule["alert"].as_str().unwrap();
        assert!(["critical", "warning"].contains(&rule["labels"]["severity"].as_str().unwrap()), "{alert}");
        let url = rule["annotations"]["runbook_url"].as_str().unwrap();
        let (file, anchor) = url.split_once('#').unwrap();
        assert_eq!(anchor, alert.to_lowercase());
        let heading = format!("\n## {alert}\n");
        assert!(fs::read_to_string(root.join(file)).unwrap().contains(&heading), "{alert} has no section in {file}");
        named.insert(alert.to_owned());
    }
    let runbook = fs::read_to_string(root.join("gateway/docs/runbook.md")).unwrap();
    // Headings of several words are other questions.
    let headings = runbook.lines().filter_map(|line| line.strip_prefix("## ")).filter(|heading| !heading.contains(' '));
    let sections: BTreeSet<_> = headings.map(str::to_owned).collect();
    assert_eq!(sections, named);
}

#[rstest]
#[case::syntax(&["check", "rules", "alerts/gateway.yaml"])]
#[case::behaviour(&["test", "rules", "alerts/tests.yaml"])]
fn promtool_has_no_complaint_about_the_alerts(#[case] arguments: &[&str]) {
    let promtool = std::env::var_os("PROMTOOL").unwrap_or_else(|| "promtool".into());
    let Ok(output) = Command::new(promtool).args(arguments).current_dir(deployed("")).output() else {
        println!("skipped: promtool not found (apt install prometheus)");
        return;
    };
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
}

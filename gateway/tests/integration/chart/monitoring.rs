//! Disruptions, network, alerts, dashboard.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rstest::rstest;
use serde_json::{Value, json};

use super::helm::{Helm, NAMESPACE, yaml};

/// In the files' place of where an operator publishes the runbook.
pub(crate) const RUNBOOK: &str = "https://runbook.example.com";

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
    "{networkPolicy: {egress: {enabled: true, dnsPorts: [53, 5353], apiServerPorts: [16444], extra: [{to: []}]}},
      config: {datastorage: {url: 'http://ds:8443'}}, extraEnv: [{name: GATEWAY__TRACING__ENDPOINT, value: 'http://x'}]}",
    json!([
        { "ports": [{ "port": "api" }] }, { "ports": [{ "port": "metrics" }] }, { "ports": [{ "port": "health" }] }]),
    json!([
        { "ports": [
            { "port": 53, "protocol": "UDP" }, { "port": 53, "protocol": "TCP" },
            { "port": 5353, "protocol": "UDP" }, { "port": 5353, "protocol": "TCP" },
        ] },
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
#[case::https("https://ds.audit/x", "[]", &[443, 8443])]
#[case::http("http://ds", "[]", &[80, 8080])]
#[case::named("http://ds:9000", "[]", &[9000])]
#[case::of_the_pods("http://ds", "[3000]", &[3000])]
#[case::of_a_url_in_a_secret("", "[3000]", &[3000])]
#[case::none("", "[]", &[])]
fn datastorage_is_reached_where_its_pods_listen(#[case] url: &str, #[case] own: &str, #[case] ports: &[u16]) {
    let Some(helm) = Helm::find() else { return };
    let url = if url.is_empty() { String::new() } else { format!("url: '{url}'") };
    let values = format!(
        "{{networkPolicy: {{egress: {{enabled: true, datastoragePorts: {own}}}}}, config: {{datastorage: {{{url}}}}}}}"
    );
    let release = helm.render(&values);
    let rule = release.named("NetworkPolicy", "gateway")["spec"]["egress"].get(2).cloned();
    let ports: Vec<_> = ports.iter().map(|port| json!({ "port": port })).collect();
    assert_eq!(rule, (!ports.is_empty()).then(|| json!({ "ports": ports })));
}

#[test]
fn alerts_and_dashboard_are_deployed_as_they_are_checked() {
    let Some(helm) = Helm::find() else { return };
    let release = helm.render(
        "{runbookUrl: 'https://runbook.example.com', prometheusRule: {enabled: true, labels: {release: p}},
        dashboard: {enabled: true}, serviceMonitor: {enabled: true}}",
    );
    let rule = release.named("PrometheusRule", "gateway");
    let mut expected = alerts();
    // Of this release alone: see below.
    expected["groups"][0]["rules"][0]["expr"] = json!("absent(gateway_build_info{namespace=\"kubernaut-system\"})");
    assert_eq!((&rule["spec"], &rule["metadata"]["labels"]["release"]), (&expected, &json!("p")));
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
fn alerts_are_those_that_the_operator_wants_as_he_wants_them() {
    let Some(helm) = Helm::find() else { return };
    let values =
        "{runbookUrl: 'https://wiki/6h/runbook', prometheusRule: {enabled: true, disabled: [GatewaySlow], silence: 2d,
        certificateExpiryDays: 3, additionalRuleLabels: {team: a, severity: none}}, dashboard: {enabled: true}}";
    let release = helm.render(values);
    let spec = &release.named("PrometheusRule", "gateway")["spec"];
    let rules = spec["groups"][0]["rules"].as_array().unwrap();
    assert_eq!(rules.len() + 1, alerts()["groups"][0]["rules"].as_array().unwrap().len());
    for rule in rules {
        let alert = rule["alert"].as_str().unwrap();
        let link = format!("https://wiki/6h/runbook#{}", alert.to_lowercase());
        assert_eq!(
            (&rule["annotations"]["runbook_url"], &rule["labels"]["team"]),
            (&json!(link), &json!("a")),
            "{alert}"
        );
        assert!(alert != "GatewaySlow" && rule["labels"]["severity"] != "none", "{alert}");
    }
    let of = |alert: &str| rules.iter().find(|rule| rule["alert"] == alert).unwrap();
    let silence = of("GatewayReceivesNothing");
    assert_eq!(silence["expr"].as_str().unwrap().matches("2d").count(), 3, "{silence}");
    assert!(silence["annotations"]["description"].as_str().unwrap().starts_with("For 2d nobody"));
    assert!(of("GatewayCertificateExpiry")["expr"].as_str().unwrap().ends_with("< 3 * 86400\n"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.json");
    fs::write(&file, spec.to_string()).unwrap();
    promtool(&["check", "rules", file.to_str().unwrap()]);
    let dashboard = release.named("ConfigMap", "gateway-dashboard")["data"]["gateway.json"].as_str().unwrap();
    assert!(!dashboard.contains(RUNBOOK) && dashboard.contains("https://wiki/6h/runbook#gatewayabsent"));
}

#[test]
fn where_no_runbook_is_published_nothing_links_to_one() {
    let Some(helm) = Helm::find() else { return };
    let values = "{prometheusRule: {enabled: true}, dashboard: {enabled: true}}";
    let release = helm.render(values);
    let rules = &release.named("PrometheusRule", "gateway")["spec"]["groups"][0]["rules"];
    for rule in rules.as_array().unwrap() {
        let annotations = rule["annotations"].as_object().unwrap();
        assert_eq!(annotations.keys().collect::<Vec<_>>(), ["description", "summary"], "{rule}");
    }
    let text = release.named("ConfigMap", "gateway-dashboard")["data"]["gateway.json"].as_str().unwrap();
    assert!(!text.contains("unbook"), "{text}");
    let [without, mut with]: [Value; 2] = [text, &fs::read_to_string(deployed("dashboards/gateway.json")).unwrap()]
        .map(|text| serde_json::from_str(text).unwrap());
    with["links"] = json!([]);
    for panel in with["panels"].as_array_mut().unwrap() {
        panel["links"] = json!([]);
    }
    assert_eq!(without, with, "all else is there");
    let hint = "runbookUrl is empty";
    assert!(helm.notes(values).contains(hint) && !helm.notes("").contains(hint));
    assert!(!helm.notes(&format!("{{runbookUrl: 'https://wiki', {}", &values[1..])).contains(hint));
}

#[rstest]
#[case::of_the_release("", "absent(gateway_build_info{namespace=\"kubernaut-system\"})")]
#[case::elsewhere(
    "absentSelector: 'job=\"g\", cluster!=\"a: b #\"'",
    "absent(gateway_build_info{job=\"g\", cluster!=\"a: b #\"})"
)]
fn gateways_of_another_release_do_not_hide_that_those_of_this_one_are_absent(#[case] own: &str, #[case] expr: &str) {
    let Some(helm) = Helm::find() else { return };
    let release = helm.render(&format!("prometheusRule: {{enabled: true, {own}}}"));
    let spec = &release.named("PrometheusRule", "gateway")["spec"];
    assert_eq!(spec["groups"][0]["rules"][0]["expr"], expr);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("rules.json"), spec.to_string()).unwrap();
    let labels = if own.is_empty() { json!({ "namespace": NAMESPACE }) } else { json!({ "job": "g" }) };
    let mut firing = labels.as_object().unwrap().clone();
    firing.insert("severity".to_owned(), json!("critical"));
    let test = json!({ "rule_files": ["rules.json"], "tests": [{
        "interval": "1m",
        "input_series": [{ "series": "gateway_build_info{namespace=\"other\", job=\"o\"}", "values": "1x20" }],
        "alert_rule_test": [{ "eval_time": "10m", "alertname": "GatewayAbsent", "exp_alerts": [{
            "exp_labels": firing,
            "exp_annotations": spec["groups"][0]["rules"][0]["annotations"],
        }] }],
    }] });
    let file = folder.path().join("test.json");
    fs::write(&file, test.to_string()).unwrap();
    promtool(&["test", "rules", file.to_str().unwrap()]);
}

#[test]
fn releases_that_share_a_namespace_for_monitoring_have_objects_of_their_own_in_it() {
    let Some(helm) = Helm::find() else { return };
    let values = |namespace: &str| {
        let of = format!("{{enabled: true, namespace: '{namespace}'}}");
        format!("{{prometheusRule: {of}, dashboard: {of}, serviceMonitor: {of}}}")
    };
    let names = |namespace: &str| {
        let release = helm.render(&values(namespace));
        let of = |kind: &str| -> Vec<String> {
            let objects = release.all(kind).filter(|object| object["metadata"]["namespace"] == "monitoring");
            objects.map(|object| object["metadata"]["name"].as_str().unwrap().to_owned()).collect()
        };
        ["PrometheusRule", "ServiceMonitor", "ConfigMap"].map(|kind| of(kind).join(" "))
    };
    let shared = ["kubernaut-system.gateway", "kubernaut-system.gateway", "kubernaut-system.gateway-dashboard"];
    assert_eq!(names("monitoring"), shared);
    for own in ["", NAMESPACE] {
        let release = helm.render(&values(own));
        release.named("PrometheusRule", "gateway");
        release.named("ConfigMap", "gateway-dashboard");
    }
}

#[rstest]
#[case::pace("{interval: 15s, scrapeTimeout: 5s}", "/endpoints/0/scrapeTimeout", "5s")]
#[case::labels("{relabelings: [{action: drop}]}", "/endpoints/0/relabelings/0/action", "drop")]
#[case::metrics("{metricRelabelings: [{action: keep}]}", "/endpoints/0/metricRelabelings/0/action", "keep")]
#[case::of_the_targets("{honorLabels: true}", "/endpoints/0/honorLabels", "true")]
#[case::elsewhere("{namespace: monitoring}", "/namespaceSelector/matchNames/0", "kubernaut-system")]
#[case::job("{jobLabel: app}", "/jobLabel", "app")]
#[case::bound("{sampleLimit: 5000}", "/sampleLimit", "5000")]
fn prometheus_scrapes_as_the_operator_says(#[case] monitor: &str, #[case] pointer: &str, #[case] expected: &str) {
    let Some(helm) = Helm::find() else { return };
    let spec = |values: &str| {
        let release = helm.render(&format!("serviceMonitor: {values}"));
        release.all("ServiceMonitor").next().unwrap()["spec"].clone()
    };
    let enabled = |values: &str| format!("{{enabled: true, {}", values.trim_start_matches('{'));
    assert_eq!(spec(&enabled(monitor)).pointer(pointer), Some(&yaml(expected)));
    assert_eq!(spec("{enabled: true}").pointer(pointer), None);
}

#[test]
fn the_dashboard_goes_into_the_folder_that_is_named() {
    let Some(helm) = Helm::find() else { return };
    let annotations = |values: &str| {
        let release = helm.render(&format!("dashboard: {{enabled: true, {values}}}"));
        release.named("ConfigMap", "gateway-dashboard")["metadata"]["annotations"].clone()
    };
    assert_eq!(annotations(""), Value::Null);
    assert_eq!(annotations("folder: Kubernaut"), json!({ "grafana_folder": "Kubernaut" }));
    assert_eq!(annotations("folder: Kubernaut, folderAnnotation: f"), json!({ "f": "Kubernaut" }));
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
        let (address, anchor) = url.split_once('#').unwrap();
        assert_eq!((address, anchor), (RUNBOOK, &*alert.to_lowercase()));
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
    promtool(arguments);
}

#[track_caller]
fn promtool(arguments: &[&str]) {
    let promtool = std::env::var_os("PROMTOOL").unwrap_or_else(|| "promtool".into());
    let Ok(output) = Command::new(promtool).args(arguments).current_dir(deployed("")).output() else {
        crate::skip("promtool not found (apt install prometheus)");
        return;
    };
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
}

//! What docs/connect.md and the chart's notes tell operators to paste fits the chart and Alertmanager.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use super::helm::{Helm, NAMESPACE, chart, yaml};

/// Where Alertmanager finds its token.
const TOKEN: &str = "/etc/alertmanager/secrets/signal-sender-token/token";

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/connect.md")).unwrap()
}

/// The code blocks of `text` in `language`.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let start = format!("```{language}\n");
    text.split(&start).skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect()
}

/// Checks `config` with Alertmanager's own tool.
#[track_caller]
fn check_alertmanager(config: &str) {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, "secret").unwrap();
    assert!(config.contains(TOKEN), "{config}");
    let config = config.replace(TOKEN, token.to_str().unwrap());
    let file = folder.path().join("alertmanager.yml");
    fs::write(&file, &config).unwrap();
    match Command::new("amtool").arg("check-config").arg(&file).output() {
        Ok(checked) => {
            assert!(checked.status.success(), "{config}\n{}", String::from_utf8_lossy(&checked.stderr));
        }
        Err(_) => crate::skip("amtool not found (apt install prometheus-alertmanager)"),
    }
}

fn urls<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) if text.starts_with("http://") => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| urls(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| urls(field, found)),
        _ => {}
    }
}

#[test]
fn the_receivers_to_paste_send_to_the_service_of_the_chart() {
    let page = page();
    let documents: Vec<Value> = blocks(&page, "yaml").into_iter().map(yaml).collect();
    assert_eq!(documents.len(), 3, "Alertmanager, the operator, events");
    let mut found = Vec::new();
    documents.iter().for_each(|document| urls(document, &mut found));
    let base = format!("http://gateway.{NAMESPACE}:8080");
    let [prometheus, event] =
        ["prometheus", "kubernetes-event"].map(|source| format!("{base}/api/v1/signals/{source}"));
    assert_eq!(found, [&*prometheus, &*prometheus, &*event]);
    let Some(helm) = Helm::find() else { return };
    let release = helm.render("");
    assert_eq!(release.named("Service", "gateway")["spec"]["ports"][0]["port"], 8080);
    assert!(page.contains("--clusterrole=gateway-role-sender"));
    release.named("ClusterRole", "gateway-role-sender");
}

#[test]
fn alertmanager_takes_the_configuration_of_the_page() {
    let page = page();
    let config = blocks(&page, "yaml").into_iter().find(|block| block.contains("webhook_configs")).unwrap();
    check_alertmanager(config);
}

#[test]
fn alertmanager_takes_the_receiver_and_the_route_of_the_notes() {
    let Some(helm) = Helm::find() else { return };
    let notes = helm.notes("");
    let (_, rest) = notes.split_once("  receivers:\n").unwrap();
    let (receivers, rest) = rest.split_once("\n\nand two routes").unwrap();
    let (_, rest) = rest.split_once("  routes:\n").unwrap();
    let (routes, _) = rest.split_once("\n\n").unwrap();
    let null = "    - name: default\n";
    check_alertmanager(&format!(
        "  route:\n    receiver: default\n    routes:\n{}\n  receivers:\n{null}{receivers}\n",
        routes.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
    ));
    let page = page();
    let config = blocks(&page, "yaml").into_iter().find(|block| block.contains("webhook_configs")).unwrap();
    let matchers = |text: &str| -> Vec<String> {
        text.lines().map(str::trim).filter(|line| line.starts_with("matchers:")).map(str::to_owned).collect()
    };
    assert_eq!(matchers(routes), matchers(config), "those of the page");
    assert!(notes.contains("http://gateway.kubernaut-system:8080/api/v1/signals/prometheus"));
    assert!(helm.notes("tls: {secretName: tls}").contains("- url: https://gateway.kubernaut-system:8080"));
    assert!(chart().join("templates/NOTES.txt").is_file());
}

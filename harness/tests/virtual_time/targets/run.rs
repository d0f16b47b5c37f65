//! A case against a gateway over the embedded API, with the rights that the chart grants.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use gateway::config::Config;
use harness::{
    fleet::{Fleet, Skew},
    replica::{self, Answer},
    testing::{account, count_of, forbidden, guarded_fleet, name_of, wait},
};
use serde_json::{Map, Value, json};

use super::{
    case::{Case, Labels, Step},
    objects, scrapes,
};

/// The configuration of scenarios, with `own` as its section `signal`.
pub(super) fn config(own: &Value) -> Config {
    let mut config = serde_json::to_value(replica::config()).unwrap();
    overlay(&mut config["signal"], own.as_object().unwrap());
    serde_json::from_value(config).unwrap_or_else(|error| panic!("{own}: {error}"))
}

fn overlay(under: &mut Value, over: &Map<String, Value>) {
    for (key, value) in over {
        match value {
            Value::Object(map) if under[key].is_object() => overlay(&mut under[key], map),
            _ => under[key] = value.clone(),
        }
    }
}

/// What is wrong with the case; nothing if all is as it should be.
pub(super) async fn check(case: &Case) -> String {
    let mut report = String::new();
    let unconfigured = [json!({})];
    let configurations = if case.signal.is_empty() { unconfigured.as_slice() } else { &case.signal };
    for signal in configurations {
        let wrong = run(case, signal).await;
        if !wrong.is_empty() {
            let _ = write!(report, "{} ({}) {signal}\n{wrong}", case.id, case.why);
        }
    }
    report
}

async fn run(case: &Case, signal: &Value) -> String {
    let fleet = guarded_fleet(1);
    signal["targets"].as_object().into_iter().flatten().for_each(|(_, kind)| grant(&fleet, kind));
    for line in &case.objects {
        objects::create(&fleet.api, line);
    }
    let replica = fleet.start_via(1, config(signal), Skew::default(), account(&fleet)).await;
    let mut report = String::new();
    // By what makes an incident: how many signals it got.
    let mut incidents: BTreeMap<String, u64> = BTreeMap::new();
    for step in &case.send {
        step.delete.iter().for_each(|line| objects::delete(&fleet.api, line));
        wait(Duration::from_secs(step.wait)).await;
        let step = scraped(step);
        let Some(post) = step.post() else { continue };
        let answer = replica.post(post.path, post.body.to_string()).await;
        let new = incidents.len();
        let mut results = Vec::new();
        for (i, about) in step.about.iter().enumerate() {
            let result = result(&answer, i);
            let got = about_what(&fleet, result);
            results.push(result);
            if &got != about {
                let _ = writeln!(report, "    {}\n      expected {about}\n      got      {got}", told(&step, i));
                if got == "nothing" {
                    let _ = writeln!(report, "      {} {}", answer.status, answer.body);
                }
            }
            if is_incident(about) {
                *incidents.entry(incident(about, step.alerts.get(i))).or_default() += 1;
            }
            report.push_str(&check_fields(&fleet, &step, result));
        }
        assert_eq!(results.len(), step.alerts.len().max(1), "{}: each alert is about something", case.id);
        let expected = status(&step.about, incidents.len() > new);
        if answer.status.as_u16() != expected {
            let _ = writeln!(report, "    {}\n      expected {expected}, got {}", told(&step, 0), answer.status);
        }
    }
    wait(Duration::from_secs(3)).await;
    let mut counts: Vec<u64> = fleet.requests().iter().map(count_of).collect();
    let mut expected: Vec<u64> = incidents.into_values().collect();
    counts.sort_unstable();
    expected.sort_unstable();
    if counts != expected {
        let _ = writeln!(report, "    expected incidents with {expected:?} signals, got {counts:?}");
    }
    replica.crash();
    for refused in forbidden(&fleet) {
        let _ = writeln!(report, "    the chart's roles lack: {refused}");
    }
    report
}

/// Lets the gateway read a kind that the operator adds, as the chart does.
fn grant(fleet: &Fleet, kind: &Value) {
    let roles = fleet.api.objects("clusterroles");
    let mut role = roles.into_iter().find(|role| name_of(role) == "gateway-role-cluster").unwrap();
    let rule = json!({ "apiGroups": [kind["group"]], "resources": [kind["plural"]], "verbs": ["get"] });
    role["rules"].as_array_mut().unwrap().push(rule);
    fleet.api.seed(role);
}

/// The step with the labels that Prometheus adds.
fn scraped(step: &Step) -> Step {
    let mut step = step.clone();
    if let Some(scrape) = &step.scrape {
        step.alerts = step.alerts.iter().map(|labels| scrapes::scraped(scrape, labels)).collect();
    }
    step
}

fn is_incident(about: &str) -> bool {
    !matches!(about, "ignored" | "rejected")
}

/// An alert that is about itself is an incident of its own with each set of labels; empty ones are absent.
fn incident(about: &str, labels: Option<&Labels>) -> String {
    let labels: Vec<_> = labels.into_iter().flatten().filter(|(_, value)| !value.is_empty()).collect();
    if about.starts_with("Alert ") { format!("{about} {labels:?}") } else { about.to_owned() }
}

fn status(about: &[String], new: bool) -> u16 {
    match about {
        [one] if one == "ignored" => 200,
        [one] if one == "rejected" => 400,
        [_] if new => 201,
        [_] => 202,
        several if several.iter().all(|one| one == "ignored") => 200,
        several if several.iter().all(|one| one == "rejected") => 400,
        _ => 207,
    }
}

/// What the answer says of the alert `i`.
fn result(answer: &Answer, i: usize) -> &Value {
    answer.body["results"].get(i).unwrap_or(&answer.body)
}

/// The target of the RemediationRequest that `result` names, in the words of cases.
pub(super) fn about_what(fleet: &Fleet, result: &Value) -> String {
    let Some(request) = request(fleet, result) else {
        return match &result["status"] {
            Value::String(status) => status.clone(),
            _ if result["status"] == 400 => "rejected".to_owned(),
            _ => "nothing".to_owned(),
        };
    };
    let spec = &request["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let target = &spec["targetResource"];
    let kind = objects::kind(&text(&target["apiVersion"]), &text(&target["kind"]));
    let name = if kind == "Alert" { "*".to_owned() } else { text(&target["name"]) };
    let mut about = format!("{kind} {}/{name}", text(&target["namespace"]));
    if let Some(cluster) = spec["clusterID"].as_str() {
        let _ = write!(about, " cluster={cluster}");
    }
    about
}

fn request(fleet: &Fleet, result: &Value) -> Option<Value> {
    let name = result["remediationRequestName"].as_str()?;
    fleet.requests().into_iter().find(|request| request["metadata"]["name"] == name)
}

/// What else must be true of the RemediationRequest.
fn check_fields(fleet: &Fleet, step: &Step, result: &Value) -> String {
    let Some(request) = request(fleet, result) else { return String::new() };
    let mut report = String::new();
    for (field, expected) in &step.spec {
        let got = &request["spec"][field];
        if got != expected {
            let _ = writeln!(report, "    {field}: expected {expected}, got {got}");
        }
    }
    report
}

/// What was sent, for people.
fn told(step: &Step, i: usize) -> String {
    match (step.alerts.get(i), &step.event) {
        (Some(labels), _) => labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "),
        (None, event) => json!(event).to_string(),
    }
}

//! Alerts, good and bad.

use harness::{fleet::Fleet, load::webhook, replica::Replica, testing::STARTS_AT};
use serde_json::{Value, json};

/// One good alert on the Deployment `resource`, with `status`.
pub(crate) fn alert(resource: &str, status: &str) -> Value {
    let mut alert = webhook(resource, STARTS_AT)["alerts"][0].take();
    alert["status"] = json!(status);
    alert
}

/// A webhook with these alerts, each as JSON text.
pub(crate) fn envelope(alerts: &[String]) -> String {
    let mut body = webhook("any", STARTS_AT);
    body["alerts"] = json!(["ALERTS"]);
    body.to_string().replace(r#""ALERTS""#, &alerts.join(","))
}

/// A good alert with one label changed, or without it.
pub(crate) fn with_label(name: &str, value: Option<&str>) -> String {
    let mut alert = alert("bad", "firing");
    let labels = alert["labels"].as_object_mut().unwrap();
    match value {
        Some(value) => labels.insert(name.to_owned(), json!(value)),
        None => labels.remove(name),
    };
    alert.to_string()
}

/// A good alert with one field changed.
pub(crate) fn with_field(name: &str, value: Value) -> String {
    let mut alert = alert("bad", "firing");
    alert[name] = value;
    alert.to_string()
}

/// A good alert with more text before its end.
pub(crate) fn with_text(text: &str) -> String {
    let alert = alert("bad", "firing").to_string();
    format!("{},{text}}}", &alert[..alert.len() - 1])
}

pub(crate) fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

pub(crate) async fn start() -> (Fleet, Replica) {
    let fleet = Fleet::new(1);
    let replica = fleet.start(1).await;
    (fleet, replica)
}

pub(crate) fn parse_dropped(replica: &Replica) -> f64 {
    let metrics = replica.metrics();
    let lines = metrics.lines().filter(|line| line.starts_with("gateway_signals_parse_dropped_total{"));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

//! What people have at hand: a webhook, an event, or alerts without the webhook around them.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::signal::{Ignored, Parsed, Rejection, Rules, UnresolvedSignal, alertmanager, event};

/// One alert or event.
pub(super) enum Item {
    Signal(Box<UnresolvedSignal>),
    /// Its name, and why nothing comes of it.
    Ignored(String, Ignored),
    Rejected(Rejection),
}

/// Reads `body`: an Alertmanager webhook, an Event, or one alert or a list of them as Alertmanager's API shows them.
pub(super) fn read(body: &[u8], now: Timestamp, rules: &Rules) -> Result<Vec<Item>, Rejection> {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    if value.get("involvedObject").or(value.get("regarding")).is_some() {
        let name = text(&value, "/reason");
        // A malformed event is refused as a whole.
        let parsed = event::parse(body, now, rules)?;
        return Ok(vec![item(Ok(parsed), name)]);
    }
    let (body, value) = match value {
        Value::Array(_) => wrapped(value),
        Value::Object(ref alert) if alert.contains_key("labels") => wrapped(json!([value])),
        value => (Cow::Borrowed(body), value),
    };
    let alerts = alertmanager::parse(&body, now, rules)?.alerts;
    let named = alerts.into_iter().enumerate();
    Ok(named.map(|(place, alert)| item(alert, text(&value, &format!("/alerts/{place}/labels/alertname")))).collect())
}

/// `alerts` as a webhook. Alertmanager's API tells of an alert's status in another form than the webhook does.
fn wrapped(mut alerts: Value) -> (Cow<'static, [u8]>, Value) {
    for alert in alerts.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        if alert.get("status").is_some_and(Value::is_object) {
            alert.remove("status");
        }
    }
    let webhook = json!({ "alerts": alerts });
    (Cow::Owned(webhook.to_string().into_bytes()), webhook)
}

fn item(parsed: Result<Parsed, Rejection>, name: String) -> Item {
    match parsed {
        Ok(Parsed::Signal(signal)) => Item::Signal(signal),
        Ok(Parsed::Ignored(why)) => Item::Ignored(name, why),
        Err(rejection) => Item::Rejected(rejection),
    }
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("unnamed").to_owned()
}

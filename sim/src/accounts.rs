//! What senders were told, signal by signal.

use std::collections::{BTreeMap, BTreeSet};

use harness::oracles::fingerprint;
use serde_json::Value;

/// What all answers say together.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    /// Signals that were created or counted, by fingerprint.
    pub(crate) acknowledged: BTreeMap<String, u64>,
    /// Names of RemediationRequests that senders were told of.
    pub(crate) told: BTreeSet<String>,
    /// What was posted: each body, by its number.
    bodies: BTreeMap<usize, Body>,
}

/// One body, which may have been posted many times.
#[derive(Debug, Default)]
struct Body {
    posted: u64,
    /// The fingerprint of each of its alerts, as far as any answer told.
    alerts: Vec<Option<String>>,
}

impl Accounts {
    /// Notes one answer to the body `number`: a single result, the results of a batch, or nothing that says anything.
    pub(crate) fn note(&mut self, number: usize, answer: &Value) {
        self.bodies.entry(number).or_default().posted += 1;
        match answer["results"].as_array() {
            Some(results) => results.iter().enumerate().for_each(|(alert, result)| self.result(number, alert, result)),
            None => self.result(number, 0, answer),
        }
    }

    fn result(&mut self, number: usize, alert: usize, result: &Value) {
        let accepted = matches!(result["status"].as_str(), Some("created" | "deduplicated"));
        let fingerprint = result["fingerprint"].as_str().filter(|_| accepted);
        let alerts = &mut self.bodies.entry(number).or_default().alerts;
        alerts.resize(alerts.len().max(alert + 1), None);
        let (Some(fingerprint), Some(known)) = (fingerprint, alerts.get_mut(alert)) else { return };
        *known = Some(fingerprint.to_owned());
        *self.acknowledged.entry(fingerprint.to_owned()).or_default() += 1;
        self.told.extend(result["remediationRequestName"].as_str().map(str::to_owned));
    }

    /// Signals of each fingerprint that were sent. Of an alert that was never acknowledged, only the cluster knows the
    /// fingerprint: it may be that of any of `requests` that no answer named.
    pub(crate) fn attempted(&self, requests: &[Value]) -> BTreeMap<String, u64> {
        let (mut attempted, mut unnamed) = (BTreeMap::new(), 0);
        for Body { posted, alerts } in self.bodies.values() {
            for alert in alerts {
                match alert {
                    Some(fingerprint) => *attempted.entry(fingerprint.clone()).or_default() += posted,
                    None => unnamed += posted,
                }
            }
        }
        if unnamed > 0 {
            for request in requests {
                attempted.entry(fingerprint(request).to_owned()).or_insert(unnamed);
            }
        }
        attempted
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_post_of_a_body_is_an_attempt_for_each_fingerprint_that_any_of_its_answers_named() {
        let mut accounts = Accounts::default();
        let created = json!({"status": "created", "fingerprint": "a", "remediationRequestName": "rr-a"});
        let counted = json!({"status": "deduplicated", "fingerprint": "a", "remediationRequestName": "rr-a"});
        accounts.note(0, &created);
        accounts.note(1, &json!({"results": [counted, {"status": "rejected"}]}));
        accounts.note(0, &json!({"status": 500, "title": "Internal Server Error"}));
        assert_eq!(accounts.acknowledged, BTreeMap::from([("a".to_owned(), 2)]));
        assert_eq!(accounts.attempted(&[]), BTreeMap::from([("a".to_owned(), 3)]));
    }

    #[test]
    fn a_request_that_no_answer_named_is_one_of_an_unacknowledged_signal() {
        let mut accounts = Accounts::default();
        accounts.note(0, &json!({"status": 503}));
        accounts.note(0, &json!({"status": 503}));
        let request = json!({"spec": {"signalFingerprint": "b"}});
        assert_eq!(accounts.attempted(&[request]), BTreeMap::from([("b".to_owned(), 2)]));
    }
}

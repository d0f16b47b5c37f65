//! What senders were told, signal by signal.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// What all answers say together.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    /// Signals that were created or counted, by fingerprint.
    pub(crate) acknowledged: BTreeMap<String, u64>,
    /// Names of RemediationRequests that senders were told of.
    pub(crate) told: BTreeSet<String>,
    /// Answers that do not say of which fingerprint the signal is.
    pub(crate) failed: u64,
}

impl Accounts {
    /// Notes one answer: a single result, or the results of a batch.
    pub(crate) fn note(&mut self, body: &Value) {
        match body["results"].as_array() {
            Some(results) => results.iter().for_each(|result| self.result(result)),
            None => self.result(body),
        }
    }

    fn result(&mut self, result: &Value) {
        let accepted = matches!(result["status"].as_str(), Some("created" | "deduplicated"));
        match (accepted, result["fingerprint"].as_str()) {
            (true, Some(fingerprint)) => {
                *self.acknowledged.entry(fingerprint.to_owned()).or_default() += 1;
                self.told.extend(result["remediationRequestName"].as_str().map(str::to_owned));
            }
            _ => self.failed += 1,
        }
    }

    /// Signals of each fingerprint that were sent: those acknowledged, and perhaps all that failed.
    pub(crate) fn attempted(&self) -> BTreeMap<String, u64> {
        self.acknowledged.iter().map(|(fingerprint, count)| (fingerprint.clone(), count + self.failed)).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn single_results_and_batches_are_counted_alike() {
        let mut accounts = Accounts::default();
        let created = json!({"status": "created", "fingerprint": "a", "remediationRequestName": "rr-a"});
        let counted = json!({"status": "deduplicated", "fingerprint": "a", "remediationRequestName": "rr-a"});
        accounts.note(&created);
        accounts.note(&json!({"results": [counted, {"status": "rejected"}]}));
        accounts.note(&json!({"status": 500, "title": "Internal Server Error"}));
        assert_eq!(accounts.acknowledged, BTreeMap::from([("a".to_owned(), 2)]));
        assert_eq!(accounts.attempted(), BTreeMap::from([("a".to_owned(), 4)]));
        assert_eq!(accounts.failed, 2);
    }
}

//! Where twins may come to be, every replica that is up detects them, and signals go to the older one.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use super::{
    oracle::{Detected, Oracle, Signal, Told, Write},
    read::{REMEDIATION_REQUESTS, fingerprint, name},
    single_active::is_active,
};

/// After healing and after the last change of a fingerprint's active ones, every view knows of them within this: a watch
/// that hangs ends after 40 s. What was decided before is sent by then, too.
pub(crate) const SETTLED: Duration = Duration::from_secs(60);
const SETTLED_MS: i64 = SETTLED.as_millis() as i64;

/// Knows the active ones of each fingerprint, and what each replica has detected.
#[derive(Debug, Default)]
pub struct Twins {
    allowed: bool,
    healed_ms: Option<i64>,
    fingerprints: BTreeMap<String, Active>,
    /// When the last backup was made.
    backed_up: BTreeMap<String, Active>,
    /// When replicas were last asked how many twins they have detected, and what they said.
    asked: Option<(i64, Detected)>,
}

#[derive(Clone, Debug, Default)]
struct Active {
    /// By uid.
    requests: BTreeMap<String, Request>,
    /// When one came or went.
    changed_ms: i64,
}

#[derive(Clone, Debug)]
struct Request {
    name: String,
    /// `metadata.creationTimestamp`: text of one form, whole seconds.
    created: String,
    /// When it became active beside another.
    beside_ms: Option<i64>,
}

impl Oracle for Twins {
    fn name(&self) -> &'static str {
        "twins"
    }

    fn allow_twins(&mut self) {
        self.allowed = true;
    }

    fn on_healed(&mut self, at_ms: i64) {
        self.healed_ms = Some(at_ms);
    }

    fn on_backed_up(&mut self) {
        self.backed_up = self.fingerprints.clone();
    }

    fn on_restored(&mut self, at_ms: i64) {
        self.fingerprints = self.backed_up.clone();
        for active in self.fingerprints.values_mut() {
            active.changed_ms = at_ms;
        }
    }

    fn on_write(&mut self, write: &Write<'_>) -> Option<String> {
        if write.resource != REMEDIATION_REQUESTS || !self.allowed {
            return None;
        }
        let object = write.new.or(write.old)?;
        let Active { requests, changed_ms } = self.fingerprints.entry(fingerprint(object).to_owned()).or_default();
        let uid = text(object, "uid");
        let was_active = requests.contains_key(uid);
        if write.new.is_some_and(is_active) == was_active {
            return None;
        }
        *changed_ms = write.at_ms;
        if was_active {
            requests.remove(uid);
        } else {
            let beside_ms = (!requests.is_empty()).then_some(write.at_ms);
            let (name, created) = (name(object).to_owned(), text(object, "creationTimestamp").to_owned());
            requests.insert(uid.to_owned(), Request { name, created, beside_ms });
        }
        None
    }

    fn on_answer(&mut self, signal: &Signal<'_>, told: &Told<'_>) -> Option<String> {
        let active = self.fingerprints.get(signal.fingerprint)?;
        if active.requests.len() < 2 || !self.has_settled(active, signal.sent_ms) {
            return None;
        }
        let oldest = active.requests.values().map(|request| &request.created).min()?;
        let older = active.requests.values().filter(|request| request.created == *oldest);
        let older: Vec<&str> = older.map(|request| request.name.as_str()).collect();
        let Signal { pod, .. } = signal;
        (!older.contains(&told.name))
            .then(|| format!("{pod} counts a signal on {}, though {} is older", told.name, older.join(", ")))
    }

    fn on_detected(&mut self, detected: &Detected, at_ms: i64) -> Vec<String> {
        let settled = self.fingerprints.values().filter(|active| self.has_settled(active, at_ms));
        let twins: Vec<&Active> = settled.filter(|active| active.requests.len() > 1).collect();
        let (asked_ms, before) = self.asked.take().unwrap_or((i64::MAX, Detected::new()));
        let requests = twins.iter().flat_map(|active| active.requests.values());
        let since = requests.filter(|request| request.beside_ms.is_some_and(|beside_ms| beside_ms > asked_ms)).count();
        let mut wrong = Vec::new();
        for (pod, count) in detected {
            let news = count - before.get(pod).copied().unwrap_or(0).min(*count);
            if *count < twins.len() as u64 {
                wrong.push(format!("{pod} has detected {count} times twins; {} fingerprints have them", twins.len()));
            } else if before.contains_key(pod) && news < since as u64 {
                wrong.push(format!("{pod} has detected {news} of the {since} twins that have come to be lately"));
            }
        }
        self.asked = Some((at_ms, detected.clone()));
        wrong
    }
}

impl Twins {
    fn has_settled(&self, active: &Active, at_ms: i64) -> bool {
        self.healed_ms.is_some_and(|healed_ms| healed_ms.max(active.changed_ms) + SETTLED_MS <= at_ms)
    }
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn request(name: &str, second: u8) -> Value {
        json!({
            "metadata": {"name": name, "uid": name, "creationTimestamp": format!("2026-11-01T00:00:{second:02}Z")},
            "spec": {"signalFingerprint": "f"},
        })
    }

    /// `older` and `younger` are active since the beginning.
    fn twins() -> Twins {
        let mut oracle = Twins::default();
        oracle.allow_twins();
        for (object, at_ms) in [(request("older", 1), 1000), (request("younger", 2), 2000)] {
            write(&mut oracle, &object, at_ms);
        }
        oracle.on_healed(3000);
        oracle
    }

    fn write(oracle: &mut Twins, object: &Value, at_ms: i64) {
        let (resource, verb, caller) = (REMEDIATION_REQUESTS, "create", "foreign-creator");
        let write = Write { version: 1, resource, verb, caller, old: None, new: Some(object), at_ms };
        assert_eq!(oracle.on_write(&write), None);
    }

    #[rstest]
    #[case::older("older", 3000 + SETTLED_MS, false)]
    #[case::younger("younger", 3000 + SETTLED_MS, true)]
    #[case::younger_but_too_early_to_know("younger", 2999 + SETTLED_MS, false)]
    #[case::neither("gone", 3000 + SETTLED_MS, true)]
    fn signals_must_go_to_the_older_one(#[case] name: &str, #[case] sent_ms: i64, #[case] violated: bool) {
        let signal = Signal { pod: "gateway-pod-1", fingerprint: "f", sent_ms };
        let told = Told { name, occurrence: 1, version: 1 };
        assert_eq!(twins().on_answer(&signal, &told).is_some(), violated);
    }

    fn detected(count: u64) -> Detected {
        Detected::from([("gateway-pod-1".to_owned(), count)])
    }

    #[test]
    fn each_replica_must_detect_twins_that_last_and_those_that_come_later_too() {
        let mut oracle = twins();
        assert_eq!(oracle.on_detected(&detected(0), 2999 + SETTLED_MS), [""; 0], "too early to know");
        assert_eq!(twins().on_detected(&detected(0), 3000 + SETTLED_MS).len(), 1);
        let mut oracle = twins();
        assert_eq!(oracle.on_detected(&detected(1), 100_000), [""; 0]);
        write(&mut oracle, &request("third", 59), 200_000);
        assert_eq!(oracle.on_detected(&detected(1), 200_000 + SETTLED_MS).len(), 1);
        let mut oracle = twins();
        assert_eq!(oracle.on_detected(&detected(1), 100_000), [""; 0]);
        write(&mut oracle, &request("third", 59), 200_000);
        assert_eq!(oracle.on_detected(&detected(2), 200_000 + SETTLED_MS), [""; 0]);
    }
}

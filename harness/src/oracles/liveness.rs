//! After everything has healed, each replica acknowledges signals again.

use std::collections::BTreeMap;

use super::oracle::{End, Oracle, Signal, Told};

/// Judges what is sent after healing; somebody must ask each replica for each resource, and not give up too early.
#[derive(Debug, Default)]
pub struct Liveness {
    healed: bool,
    /// By replica and fingerprint: whether a signal was acknowledged since.
    asked: BTreeMap<(String, String), bool>,
}

impl Oracle for Liveness {
    fn name(&self) -> &'static str {
        "liveness"
    }

    fn on_healed(&mut self, _at_ms: i64) {
        self.healed = true;
    }

    fn on_signal(&mut self, signal: &Signal<'_>) {
        if self.healed {
            self.asked.entry(key(signal)).or_default();
        }
    }

    fn on_answer(&mut self, signal: &Signal<'_>, _told: &Told<'_>) -> Option<String> {
        if let Some(acknowledged) = self.asked.get_mut(&key(signal)) {
            *acknowledged = true;
        }
        None
    }

    fn at_end(&mut self, _end: &End) -> Vec<String> {
        let stuck = self.asked.iter().filter(|(_, acknowledged)| !**acknowledged);
        let told = |((pod, fingerprint), _): (&(String, String), _)| {
            format!("{pod} acknowledges no signal of {fingerprint} though all has healed")
        };
        stuck.map(told).collect()
    }
}

fn key(signal: &Signal<'_>) -> (String, String) {
    (signal.pod.to_owned(), signal.fingerprint.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_that_answers_for_one_fingerprint_only_is_stuck() {
        let mut oracle = Liveness::default();
        let signal = |pod, fingerprint| Signal { pod, fingerprint, sent_ms: 0 };
        oracle.on_signal(&signal("gateway-pod-3", "f"));
        oracle.on_healed(0);
        for (pod, fingerprint) in [("gateway-pod-1", "f"), ("gateway-pod-1", "g"), ("gateway-pod-2", "f")] {
            oracle.on_signal(&signal(pod, fingerprint));
        }
        let told = Told { name: "a", occurrence: 1, version: 1 };
        assert_eq!(oracle.on_answer(&signal("gateway-pod-1", "f"), &told), None);
        assert_eq!(oracle.on_answer(&signal("gateway-pod-2", "f"), &told), None);
        let stuck = oracle.at_end(&End::default());
        assert_eq!(stuck, ["gateway-pod-1 acknowledges no signal of g though all has healed"]);
    }
}

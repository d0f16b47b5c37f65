//! What can go wrong in a scenario, for people.

use super::scenario::{Clocks, Incident, Scenario, When};

impl Scenario {
    /// Its parts in a few words.
    pub fn summary(&self) -> String {
        let Self { replicas, signals, incidents, actors, heal_at_ms, .. } = self;
        format!(
            "{} replicas, {} signals on {} resources, {} incidents, {} actors, healed after {} ms",
            replicas.len(),
            signals.len(),
            self.resources(),
            incidents.len(),
            actors.len(),
            heal_at_ms,
        )
    }

    /// All that can go wrong in it: a name and a value each, what cannot left out.
    pub fn profile(&self) -> Vec<(String, String)> {
        let mut profile = vec![("scenario".to_owned(), self.summary())];
        let mut add = |name: &str, value: String| profile.push((name.to_owned(), value));
        let network = serde_json::to_value(self.network).unwrap_or_default();
        let shares = network.as_object().into_iter().flatten().filter(|(_, value)| **value != 0);
        add("network", shares.map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", "));
        for (index, Clocks { offset_ms, rate_ppm }) in self.replicas.iter().enumerate() {
            if (*offset_ms, *rate_ppm) != (0, 0) {
                add(&format!("clock of replica {}", index + 1), format!("{offset_ms:+} ms, {rate_ppm:+} ppm"));
            }
        }
        for Incident { when, what } in &self.incidents {
            let when = match when {
                When::AtMs(at_ms) => format!("at {at_ms} ms"),
                When::Request(replica, number) => format!("at request {number} of replica {}", replica + 1),
            };
            add("incident", format!("{when}: {what:?}"));
        }
        for adopted in &self.adopted {
            add("adopted", format!("{adopted:?}"));
        }
        if let Some(version) = self.lease_store {
            add("leases", format!("in a store of their own, from version {version}"));
        }
        for actor in &self.actors {
            add("actor", format!("{actor:?}"));
        }
        profile
    }
}

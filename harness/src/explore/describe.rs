//! What can go wrong in a scenario, for people.

use std::fmt;

use super::scenario::{Actor, Adopted, Caches, Clocks, Fault, Network, Refusal, Scenario, What, When};

impl Scenario {
    /// Its parts in a few words.
    pub fn summary(&self) -> String {
        let Self { replicas, signals, faults, actors, heal_at_ms, .. } = self;
        let (replicas, signals) = (plural(replicas.len(), "replica"), plural(signals.len(), "signal"));
        let (faults, actors) = (plural(faults.len(), "fault"), plural(actors.len(), "actor"));
        let resources = plural(self.resources(), "resource");
        format!("{replicas}, {signals} on {resources}, {faults}, {actors}, healed after {heal_at_ms} ms")
    }

    /// All that can go wrong in it: a name and a value each, what cannot left out.
    pub fn describe(&self) -> Vec<(String, String)> {
        let mut parts = vec![("scenario".to_owned(), self.summary())];
        let mut add = |name: &str, value: String| parts.push((name.to_owned(), value));
        add("network", network(&self.network));
        for (index, Clocks { offset_ms, rate_ppm }) in self.replicas.iter().enumerate() {
            if (*offset_ms, *rate_ppm) != (0, 0) {
                add(&format!("clock of replica {}", index + 1), format!("{offset_ms:+} ms, {rate_ppm:+} ppm"));
            }
        }
        for Fault { when, what } in &self.faults {
            let when = match when {
                When::AtMs(at_ms) => format!("at {at_ms} ms"),
                When::Request(replica, number) => format!("at request {number} of replica {}", replica + 1),
            };
            add("fault", format!("{when}: {what}"));
        }
        for adopted in &self.adopted {
            add("adopted", adopted.to_string());
        }
        if let Some(version) = self.lease_store {
            add("leases", format!("in a store of their own, from version {version}"));
        }
        if self.ready_only {
            add("senders", "ask a replica only while it is ready".to_owned());
        }
        for actor in &self.actors {
            add("actor", actor.to_string());
        }
        parts
    }
}

/// `1 lease`, `2 leases`.
pub fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// Such as `latency max 20 ms, lost 30 ‰`.
fn network(network: &Network) -> String {
    let network = serde_json::to_value(network).unwrap_or_default();
    let set = network.as_object().into_iter().flatten().filter(|(_, value)| **value != 0);
    let words = set.map(|(name, value)| match name.strip_suffix("_ms") {
        Some(name) => format!("{} {value} ms", name.replace('_', " ")),
        None => format!("{} {value} ‰", name.replace('_', " ")),
    });
    words.collect::<Vec<_>>().join(", ")
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Crash { replica, lands, down_ms, new_pod } => {
                let requests = if lands { "still reach the API" } else { "are lost" };
                let back = if new_pod { "a new pod starts" } else { "it starts again" };
                write!(
                    f,
                    "replica {} crashes, its requests under way {requests}, {back} after {down_ms} ms",
                    replica + 1
                )
            }
            Self::Restart { replica, down_ms } => write!(f, "replica {} restarts, down for {down_ms} ms", replica + 1),
            Self::Pause { replica, for_ms } => write!(f, "replica {} is paused for {for_ms} ms", replica + 1),
            Self::Cut { replica, for_ms } => {
                write!(f, "replica {} is cut off from the API for {for_ms} ms", replica + 1)
            }
            Self::Down { for_ms } => write!(f, "the API is down for {for_ms} ms"),
            Self::BreakWatches { replica } => write!(f, "the watches of replica {} break", replica + 1),
            Self::HoldWatches { replica, for_ms } => {
                write!(f, "the watches of replica {} are held up for {for_ms} ms", replica + 1)
            }
            Self::Compact => f.write_str("the API's history is compacted"),
            Self::Roll { replica, down_ms } => {
                write!(f, "replica {} is shut down, another pod takes its place after {down_ms} ms", replica + 1)
            }
            Self::Suspend { replica, for_ms, half_open_ms } => write!(
                f,
                "the machine of replica {} is suspended for {for_ms} ms, its watch half open for {half_open_ms} ms more",
                replica + 1
            ),
            Self::Refuse { refusal, for_ms } => write!(f, "{refusal} for {for_ms} ms"),
            Self::OldCrd { for_ms } => write!(f, "the CRD is the predecessor's for {for_ms} ms"),
            Self::Restore { for_ms, caches } => {
                write!(f, "etcd is backed up, and restored from that {for_ms} ms later; {caches}")
            }
        }
    }
}

impl fmt::Display for Caches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anew => f.write_str("the API servers restart with it"),
            Self::Passed => {
                f.write_str("the API servers restart with it, and their versions soon pass those of before")
            }
            Self::Stay { for_ms } => write!(f, "the API servers restart only {for_ms} ms after that"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quota => "a quota refuses creates (403)",
            Self::Policy => "a policy refuses creates (422)",
            Self::StatusNotFound => "writes of the status are answered 404",
            Self::CounterNotFound => "reads and writes of counters are answered 404",
            Self::ObjectNotFound => "reads of a RemediationRequest are answered 404",
        })
    }
}

impl fmt::Display for Adopted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resource, terminal, count, age_s } = self;
        let phase = if *terminal { "a terminal" } else { "an active" };
        let counts = count.map_or_else(|| "without a count".to_owned(), |count| format!("with the count {count}"));
        write!(
            f,
            "{phase} RemediationRequest of the predecessor about resource {}, {counts}, {age_s} s old",
            resource + 1
        )
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Controller { pause_ms, full_put } => {
                let how = if full_put { "replaces" } else { "patches" };
                write!(f, "a controller {how} the status to move phases, a step every {pause_ms} ms")
            }
            Self::Retention { after_ms, signals, around_ms } => {
                write!(f, "a collector deletes terminal ones {after_ms} ms after their end")?;
                match signals {
                    0 => Ok(()),
                    _ => write!(f, ", {} about each within {around_ms} ms of that", plural(signals.into(), "signal")),
                }
            }
            Self::User { after_ms } => write!(f, "a user deletes active ones {after_ms} ms after their creation"),
            Self::Peer { pause_ms, think_ms, releases } => {
                let claims = if releases { "releases" } else { "leaves" };
                write!(
                    f,
                    "a peer creates by the rules of the fence without the lease, a look every {pause_ms} ms, acts within \
                     {think_ms} ms, {claims} its claims"
                )
            }
            Self::Foreign { pause_ms } => write!(f, "a creator with names of its own, a look every {pause_ms} ms"),
            Self::Typed { pause_ms } => {
                write!(f, "a typed controller replaces the status without unknown fields, a step every {pause_ms} ms")
            }
            Self::Maps { pause_ms } => write!(f, "a writer of labels and annotations, a step every {pause_ms} ms"),
            Self::Finalizers { pause_ms } => {
                write!(f, "a user removes finalizers of what is being deleted, a step every {pause_ms} ms")
            }
            Self::Restorer { pause_ms } => {
                write!(f, "a restorer of the predecessor's terminal ones, a step every {pause_ms} ms")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explore::{draw::draw, fault_profile::FaultProfile};

    #[test]
    fn what_is_printed_of_a_scenario_is_sentences_and_no_notation_of_rust() {
        for seed in 0..300 {
            for (name, text) in draw(seed, FaultProfile::Neighbours).describe() {
                assert!(!text.contains(['{', '}', '_']) && !text.contains(" 1 signals"), "{name}: {text}");
            }
        }
        let one = Scenario { signals: vec![], faults: vec![], ..draw(1, FaultProfile::None) };
        assert_eq!(
            one.summary(),
            format!("3 replicas, 0 signals on 0 resources, 0 faults, 0 actors, healed after {} ms", one.heal_at_ms)
        );
        assert_eq!((plural(1, "resource"), plural(2, "resource")), ("1 resource".to_owned(), "2 resources".to_owned()));
    }
}

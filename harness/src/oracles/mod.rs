//! What must hold, judged at every committed write and at the end; one oracle a file.
//!
//! An oracle sees what the store commits and what senders were told, never what a gateway believes.

mod counts;
mod leases;
mod monotonic;
mod single_active;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use serde::Serialize;
use serde_json::Value;

pub(crate) use self::single_active::is_active;
pub use self::{counts::Counts, leases::Leases, monotonic::Monotonic, single_active::SingleActive};

/// One write that the store committed.
#[derive(Clone, Copy, Debug)]
pub struct Write<'a> {
    /// The version of the store that it made.
    pub version: u64,
    /// Such as `leases`.
    pub resource: &'a str,
    /// create, update, patch or delete.
    pub verb: &'a str,
    /// Who wrote: a replica's name, or another user's.
    pub caller: &'a str,
    /// The object before, absent for a create.
    pub old: Option<&'a Value>,
    /// The object after, absent for a delete.
    pub new: Option<&'a Value>,
    /// Wall time of the store, in milliseconds since 1970.
    pub at_ms: i64,
}

/// How a run ended.
#[derive(Clone, Debug, Default)]
pub struct End {
    /// RemediationRequests that exist.
    pub requests: Vec<Value>,
    /// Leases that exist.
    pub leases: Vec<Value>,
    /// Signals sent, by fingerprint.
    pub attempted: BTreeMap<String, u64>,
    /// Signals answered 2xx, by fingerprint.
    pub acknowledged: BTreeMap<String, u64>,
    /// Names of RemediationRequests that senders were told of.
    pub told: Vec<String>,
}

/// Something that must hold.
pub trait Oracle: Send {
    /// Its name in reports.
    fn name(&self) -> &'static str;

    /// The replicas' wall clocks differ by this much at most.
    fn allow_skew(&mut self, _skew_ms: i64) {}

    /// Judges one write; says what is wrong.
    fn on_write(&mut self, _write: &Write<'_>) -> Option<String> {
        None
    }

    /// Judges the end of a run after everything has come to rest; says what is wrong.
    fn at_end(&mut self, _end: &End) -> Vec<String> {
        Vec::new()
    }
}

/// Something that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which oracle says so.
    pub oracle: &'static str,
    /// The version of the store at which it was violated, none if it was found at the end.
    pub version: Option<u64>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { oracle, version, message } = self;
        match version {
            Some(version) => write!(f, "{oracle} at version {version}: {message}"),
            None => write!(f, "{oracle} at the end: {message}"),
        }
    }
}

/// Violations kept of one oracle at most: the first ones say it all, and must not hide what the others found.
const VIOLATIONS_MAX: usize = 25;

/// A set of oracles and what they found; cheap to clone.
#[derive(Clone)]
pub struct Oracles {
    state: Arc<Mutex<State>>,
}

struct State {
    oracles: Vec<Box<dyn Oracle>>,
    violations: Vec<Violation>,
}

/// Keeps what `oracle` says, if it has not said enough.
fn keep(violations: &mut Vec<Violation>, oracle: &'static str, version: Option<u64>, message: String) {
    if violations.iter().filter(|violation| violation.oracle == oracle).count() < VIOLATIONS_MAX {
        violations.push(Violation { oracle, version, message });
    }
}

impl Default for Oracles {
    /// All of them.
    fn default() -> Self {
        Self::new(vec![
            Box::new(SingleActive::default()),
            Box::new(Counts::default()),
            Box::new(Monotonic),
            Box::new(Leases::default()),
        ])
    }
}

impl Oracles {
    /// Just these.
    pub fn new(oracles: Vec<Box<dyn Oracle>>) -> Self {
        Self { state: Arc::new(Mutex::new(State { oracles, violations: Vec::new() })) }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells all by how much the replicas' wall clocks differ at most.
    pub fn allow_skew(&self, skew_ms: i64) {
        self.with(|state| state.oracles.iter_mut().for_each(|oracle| oracle.allow_skew(skew_ms)));
    }

    /// Shows a write to all.
    pub fn on_write(&self, write: &Write<'_>) {
        self.with(|State { oracles, violations }| {
            for oracle in oracles {
                if let Some(message) = oracle.on_write(write) {
                    keep(violations, oracle.name(), Some(write.version), message);
                }
            }
        });
    }

    /// Shows the end to all, and says what they found in all.
    pub fn finish(&self, end: &End) -> Vec<Violation> {
        self.with(|State { oracles, violations }| {
            for oracle in oracles {
                for message in oracle.at_end(end) {
                    keep(violations, oracle.name(), None, message);
                }
            }
            violations.clone()
        })
    }

    /// What they have found so far.
    pub fn violations(&self) -> Vec<Violation> {
        self.with(|state| state.violations.clone())
    }
}

/// `spec.signalFingerprint` of a RemediationRequest.
pub fn fingerprint(request: &Value) -> &str {
    request["spec"]["signalFingerprint"].as_str().unwrap_or_default()
}

/// `status.deduplication.occurrenceCount`, 1 where it is absent.
pub fn occurrences(request: &Value) -> u64 {
    request["status"]["deduplication"]["occurrenceCount"].as_u64().unwrap_or(1)
}

/// `metadata.name`.
pub(crate) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// The plural of the resource that most oracles look at.
pub(crate) const REMEDIATION_REQUESTS: &str = "remediationrequests";

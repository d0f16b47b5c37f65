//! What must hold, judged at every committed write and at the end; one oracle a file.
//!
//! An oracle sees what the store commits, what senders were told and what replicas show to people; never what a gateway
//! believes.

mod budget;
mod claims;
mod counts;
mod durable;
mod leases;
mod liveness;
mod monotonic;
mod ownership;
mod single_active;
mod twins;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use serde::Serialize;
use serde_json::Value;

pub use self::{
    budget::Budget, claims::Claims, counts::Counts, durable::Durable, leases::Leases, liveness::Liveness,
    monotonic::Monotonic, ownership::Ownership, single_active::SingleActive, twins::Twins,
};
pub(crate) use self::{claims::is_claimed, single_active::is_active, twins::SETTLED as TWINS_SETTLED};
use embedded_apiserver::RequestRecord;

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

/// One signal on its way to a replica, or answered.
#[derive(Clone, Copy, Debug)]
pub struct Signal<'a> {
    /// The replica.
    pub pod: &'a str,
    /// The signal's fingerprint.
    pub fingerprint: &'a str,
    /// When it was sent: wall time of the store, in milliseconds since 1970.
    pub sent_ms: i64,
}

/// What a sender was told in a 2xx.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// On which RemediationRequest the signal is counted.
    pub name: &'a str,
    /// Its own ordinal there.
    pub occurrence: u64,
    /// The version of the store at this moment.
    pub version: u64,
}

/// What each replica that is up shows to people.
pub type Detected = BTreeMap<String, u64>;

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

    /// The run leaves the protocol's assumptions: twins may come to be, and must be detected.
    fn allow_twins(&mut self) {}

    /// Judges one write; says what is wrong.
    fn on_write(&mut self, _write: &Write<'_>) -> Option<String> {
        None
    }

    /// A signal is sent to a replica.
    fn on_signal(&mut self, _signal: &Signal<'_>) {}

    /// Judges a 2xx at the moment it is told; says what is wrong.
    fn on_answer(&mut self, _signal: &Signal<'_>, _told: &Told<'_>) -> Option<String> {
        None
    }

    /// From now on (wall time of the store, in milliseconds since 1970) nothing goes wrong.
    fn on_healed(&mut self, _at_ms: i64) {}

    /// Judges how many twins each replica has detected by now; says what is wrong.
    fn on_detected(&mut self, _detected: &Detected, _at_ms: i64) -> Vec<String> {
        Vec::new()
    }

    /// Judges all requests of a run in which nothing went wrong; says what is wrong.
    fn on_requests(&mut self, _requests: &[RequestRecord]) -> Vec<String> {
        Vec::new()
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
            Box::new(Durable::default()),
            Box::new(Ownership),
            Box::new(Monotonic),
            Box::new(Leases::default()),
            Box::new(Claims),
            Box::new(Liveness::default()),
            Box::new(Budget::default()),
            Box::new(Twins::default()),
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
        self.each(|oracle| oracle.allow_skew(skew_ms));
    }

    /// Tells all that twins may come to be.
    pub fn allow_twins(&self) {
        self.each(|oracle| oracle.allow_twins());
    }

    /// Shows a write to all.
    pub fn on_write(&self, write: &Write<'_>) {
        self.judge(Some(write.version), |oracle| oracle.on_write(write));
    }

    /// Shows a signal to all.
    pub fn on_signal(&self, signal: &Signal<'_>) {
        self.each(|oracle| oracle.on_signal(signal));
    }

    /// Shows a 2xx to all.
    pub fn on_answer(&self, signal: &Signal<'_>, told: &Told<'_>) {
        self.judge(Some(told.version), |oracle| oracle.on_answer(signal, told));
    }

    /// Tells all that nothing goes wrong any more.
    pub fn on_healed(&self, at_ms: i64) {
        self.each(|oracle| oracle.on_healed(at_ms));
    }

    /// Shows to all how many twins each replica has detected.
    pub fn on_detected(&self, detected: &Detected, at_ms: i64) {
        self.judge(None, |oracle| oracle.on_detected(detected, at_ms));
    }

    /// Shows the requests of a run in which nothing went wrong to all.
    pub fn on_requests(&self, requests: &[RequestRecord]) {
        self.judge(None, |oracle| oracle.on_requests(requests));
    }

    fn each(&self, tell: impl Fn(&mut dyn Oracle)) {
        self.with(|state| state.oracles.iter_mut().for_each(|oracle| tell(oracle.as_mut())));
    }

    /// Keeps what each oracle says when it is asked.
    fn judge<Messages: IntoIterator<Item = String>>(
        &self,
        version: Option<u64>,
        ask: impl Fn(&mut dyn Oracle) -> Messages,
    ) {
        self.with(|State { oracles, violations }| {
            for oracle in oracles {
                for message in ask(oracle.as_mut()) {
                    keep(violations, oracle.name(), version, message);
                }
            }
        });
    }

    /// Shows the end to all, and says what they found in all.
    pub fn finish(&self, end: &End) -> Vec<Violation> {
        self.judge(None, |oracle| oracle.at_end(end));
        self.violations()
    }

    /// What they have found so far.
    pub fn violations(&self) -> Vec<Violation> {
        self.with(|state| state.violations.clone())
    }
}

/// Whether a user is one of the replicas: others may do as they please.
pub(crate) fn is_replica(caller: &str) -> bool {
    caller.starts_with("gateway-pod-")
}

/// Whether a user is a replica, or the service account that replicas share.
pub(crate) fn is_gateway(caller: &str) -> bool {
    is_replica(caller) || caller.strip_prefix("system:serviceaccount:").is_some_and(|name| name.ends_with(":gateway"))
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

//! What oracles see, and what they may say.

use std::{collections::BTreeMap, fmt};

use embedded_apiserver::RequestRecord;
use serde::Serialize;
use serde_json::Value;

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
    /// Pod name of the replica.
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

/// How far a neighbour has come that wants to write a RemediationRequest.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// User name of the neighbour, as the API server authenticates it.
    pub user: &'a str,
    /// Name of the RemediationRequest.
    pub object: &'a str,
    /// When it first read the object: wall time of the store, in milliseconds since 1970.
    pub since_ms: i64,
    /// When its last write was answered, likewise.
    pub at_ms: i64,
    /// Its writes so far.
    pub tries: u32,
    /// Whether the last one took effect; otherwise somebody else had written meanwhile.
    pub done: bool,
}

/// What each replica that is up shows to people.
pub type Detected = BTreeMap<String, u64>;

/// How a run ended.
#[derive(Clone, Debug, Default)]
pub struct End {
    /// RemediationRequests that exist.
    pub requests: Vec<Value>,
    /// Leases that exist, locks and counters.
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

    /// Every signal is shown on its way: none is sent past the oracles.
    fn see_all_signals(&mut self) {}

    /// Judges one write; says what is wrong.
    fn on_write(&mut self, _write: &Write<'_>) -> Option<String> {
        None
    }

    /// A backup of the store is made.
    fn on_backed_up(&mut self) {}

    /// The store is as it was at the last backup (wall time of the store, in milliseconds since 1970): what was written since
    /// is gone, and what was acknowledged with it.
    fn on_restored(&mut self, _at_ms: i64) {}

    /// A signal is sent to a replica.
    fn on_signal(&mut self, _signal: &Signal<'_>) {}

    /// Judges a 2xx at the moment it is told; says what is wrong.
    fn on_answer(&mut self, _signal: &Signal<'_>, _told: &Told<'_>) -> Option<String> {
        None
    }

    /// A signal is answered with this HTTP status, 0 if its sender waits no longer, at this wall time of the store, in
    /// milliseconds since 1970.
    fn on_end(&mut self, _signal: &Signal<'_>, _status: u16, _at_ms: i64) {}

    /// Judges how a neighbour gets on; says what is wrong.
    fn on_neighbour(&mut self, _progress: &Progress<'_>) -> Option<String> {
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

    /// Judges all requests of any run, faults included, which began at the wall time `epoch_ms`; says what is wrong.
    fn on_all_requests(&mut self, _requests: &[RequestRecord], _epoch_ms: i64) -> Vec<String> {
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

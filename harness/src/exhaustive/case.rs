//! What is explored.

use std::time::Duration;

use crate::baselines::Protocol;

/// A small system whose schedules are all tried.
#[derive(Clone, Debug)]
pub struct Case {
    /// The rules that the replicas follow.
    pub protocol: Protocol,
    /// How many replicas there are.
    pub replicas: u8,
    /// For each signal, all about one resource, the replica that it is sent to, counted from 1.
    pub signals: Vec<u8>,
    /// When they reach their replicas.
    pub arrivals: Arrivals,
    /// The RemediationRequest that exists at the beginning, if one does.
    pub existing: Option<Existing>,
    /// What somebody else may do once, at any moment or never.
    pub action: Option<Action>,
    /// What may go wrong once, at any moment or never.
    pub faults: FaultKinds,
    /// How often at most time passes until a replica does something of itself while something else could happen.
    /// (Where nothing else can happen, time passes without being counted.)
    pub early_timers: u8,
    /// `lock.waitTimeout` of the replicas; their default if none.
    pub lock_wait_timeout: Option<Duration>,
    /// Decides on the randomness of the replicas.
    pub seed: u64,
}

/// When signals reach their replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// All before anything else happens; their requests wait as long as the scheduler wants.
    Together,
    /// Each at any moment.
    AnyTime,
}

/// A RemediationRequest that exists at the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// One that was completed long ago.
    Completed,
    /// An active one without a counter: signals are its duplicates.
    Active,
}

/// What somebody else may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Retention deletes the predecessor.
    DeletePredecessor,
    /// The remediation controller completes the active RemediationRequest.
    CompleteActive,
}

/// What may go wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultKinds {
    /// A request is lost before it takes effect.
    pub lost_requests: bool,
    /// An answer is lost after the request has taken effect.
    pub lost_answers: bool,
    /// A request is refused with 503.
    pub refusals: bool,
    /// A replica is killed, and starts again at any later moment.
    pub crashes: bool,
}

impl FaultKinds {
    /// No fault happens.
    pub const NONE: Self = Self { lost_requests: false, lost_answers: false, refusals: false, crashes: false };
    /// One fault of any kind may happen.
    pub const ALL: Self = Self { lost_requests: true, lost_answers: true, refusals: true, crashes: true };

    /// Whether nothing goes wrong.
    pub fn is_empty(&self) -> bool {
        *self == Self::NONE
    }
}

impl Case {
    /// The product with so many replicas, each of which is sent so many signals; nothing else happens.
    pub fn new(replicas: u8, signals_each: u8) -> Self {
        let signals = (1..=replicas).flat_map(|replica| (0..signals_each).map(move |_| replica));
        Self {
            protocol: Protocol::Fenced,
            replicas,
            signals: signals.collect(),
            arrivals: Arrivals::Together,
            existing: None,
            action: None,
            faults: FaultKinds::NONE,
            early_timers: 0,
            lock_wait_timeout: None,
            seed: 1,
        }
    }

    /// What may happen, in words.
    pub fn describe(&self) -> String {
        let Self {
            protocol,
            replicas,
            signals,
            arrivals,
            existing,
            action,
            faults,
            early_timers,
            lock_wait_timeout,
            seed,
        } = self;
        let mut text = format!("{protocol}: {replicas} replicas, {} signals", signals.len());
        text.push_str(match arrivals {
            Arrivals::Together => " at once",
            Arrivals::AnyTime => ", each at any moment",
        });
        text.push_str(match existing {
            Some(Existing::Completed) => ", after a completed RemediationRequest",
            Some(Existing::Active) => ", on an active RemediationRequest",
            None => "",
        });
        text.push_str(match action {
            Some(Action::DeletePredecessor) => ", which retention deletes at any moment",
            Some(Action::CompleteActive) => ", the active one completes at any moment",
            None => "",
        });
        let FaultKinds { lost_requests, lost_answers, refusals, crashes } = *faults;
        let kinds = [
            (lost_requests, "a lost request"),
            (lost_answers, "a lost answer"),
            (refusals, "a 503"),
            (crashes, "a crash with restart"),
        ];
        let kinds: Vec<&str> = kinds.into_iter().filter(|(may, _)| *may).map(|(_, kind)| kind).collect();
        if !kinds.is_empty() {
            text.push_str(&format!(", one fault at any moment: {}", kinds.join(" or ")));
        }
        text.push_str(&match early_timers {
            0 => "; timers fire only where nothing else can happen".to_owned(),
            1 => "; once at most a timer fires before what waits".to_owned(),
            most => format!("; {most} times at most a timer fires before what waits"),
        });
        text.push_str(&format!(", seed {seed}"));
        if let Some(wait_timeout) = lock_wait_timeout {
            text.push_str(&format!(", lock.waitTimeout {} ms", wait_timeout.as_millis()));
        }
        text
    }
}

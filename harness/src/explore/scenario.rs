//! Everything a run is made of, as data.

use serde::{Deserialize, Serialize};

/// How long a run may go on after healing.
const REST_MS: i64 = 1_000_000;

/// A run: with the protocol, it decides everything that happens.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Decides the replicas' randomness and the fate of each request.
    pub seed: u64,
    /// The replicas, `gateway-pod-1` and so on.
    pub replicas: Vec<Clocks>,
    /// What senders send.
    pub signals: Vec<Arrival>,
    /// How requests fare.
    pub network: Network,
    /// What happens to replicas and to the API.
    #[serde(alias = "incidents")]
    pub faults: Vec<Fault>,
    /// Who else writes RemediationRequests.
    pub actors: Vec<Actor>,
    /// When everything heals; from then on all must converge.
    pub heal_at_ms: u64,
    /// What must hold.
    #[serde(default)]
    pub promise: Promise,
    /// What another program left there before the run begins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adopted: Vec<Adopted>,
    /// Leases are kept in a store of their own, which begins at this version: it means nothing for other objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_store: Option<u64>,
    /// Senders ask a replica only while it is ready, as behind a Service.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ready_only: bool,
}

/// A RemediationRequest of the predecessor service: a random name, and nothing that a gateway writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adopted {
    /// Which resource it is about.
    pub resource: usize,
    /// Whether it has ended.
    pub terminal: bool,
    /// `status.deduplication.occurrenceCount`, if it has one.
    pub count: Option<u32>,
    /// How old it is when the run begins.
    pub age_s: u32,
}

/// What must hold in a scenario, beside liveness and that nothing acknowledged is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Promise {
    /// At most one active RemediationRequest per fingerprint: the scenario keeps to the protocol's assumptions.
    #[default]
    Unique,
    /// It does not: every replica that is up must detect twins, and send signals to the older one.
    Detected,
}

/// How the clocks of a replica differ from the simulation's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clocks {
    /// Added to the wall clock.
    pub offset_ms: i64,
    /// Local seconds per simulated second beyond one, in parts per million.
    pub rate_ppm: i32,
}

/// A signal that a sender posts, and how often it retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arrival {
    /// When it is sent first.
    pub at_ms: u64,
    /// The index of the replica that it is sent to.
    pub replica: usize,
    /// Which resource it is about.
    pub resource: usize,
    /// How often its sender tries again, at the next replica, after an answer that is not 2xx.
    pub retries: u32,
}

/// How requests fare. Shares are in thousandths of all requests of the replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// Each way takes this long at least.
    pub latency_min_ms: u64,
    /// Each way takes this long at most.
    pub latency_max_ms: u64,
    /// Added to each way of a replica, by its index: replicas are not equally far.
    pub latency_step_ms: u64,
    /// Requests that are under way for longer, before they take effect.
    pub slow: u16,
    /// The longest of these.
    pub slow_max_ms: u64,
    /// Requests whose answer is under way for longer.
    pub slow_answer: u16,
    /// Requests lost before they take effect.
    pub lost: u16,
    /// Requests that take effect and whose answer is lost.
    pub answer_lost: u16,
    /// Requests answered 429, 500 or 503 without effect.
    pub refused: u16,
    /// Requests that take effect and are answered 500 or 504.
    pub timed_out: u16,
    /// Lists and watches served by a server that lags.
    pub lagging: u16,
    /// Watch events that come late.
    pub late_event: u16,
    /// The longest that a server or an event lags.
    pub lag_max_ms: u64,
    /// Watch events in whose place the watch breaks, ends or answers 410.
    pub broken_watch: u16,
    /// How far every cache is behind the store.
    pub event_lag_ms: u64,
}

/// Something that happens to a replica or to the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// When it begins.
    pub when: When,
    /// The fault itself.
    pub what: What,
}

/// When a fault begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// At this time.
    AtMs(u64),
    /// When this replica (by its index) sends this request, counted from its start.
    Request(usize, u64),
}

/// What happens. Replicas are given by their index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// It ends as SIGKILL would, and starts again.
    Crash {
        /// Index of the replica.
        replica: usize,
        /// Whether requests under way still take effect.
        lands: bool,
        /// Until it starts again.
        down_ms: u64,
        /// Whether it starts as a new pod, under a name of its own.
        new_pod: bool,
    },
    /// It ends as SIGTERM would, and starts again.
    Restart {
        /// Index of the replica.
        replica: usize,
        /// Until it starts again.
        down_ms: u64,
    },
    /// It stands still.
    Pause {
        /// Index of the replica.
        replica: usize,
        /// Duration in milliseconds.
        for_ms: u64,
    },
    /// None of its requests reaches the API.
    Cut {
        /// Index of the replica.
        replica: usize,
        /// Duration in milliseconds.
        for_ms: u64,
    },
    /// No request reaches the API.
    Down {
        /// Duration in milliseconds.
        for_ms: u64,
    },
    /// The connections of its open watches break.
    BreakWatches {
        /// Index of the replica.
        replica: usize,
    },
    /// The server that it watches stands still.
    HoldWatches {
        /// Index of the replica.
        replica: usize,
        /// Duration in milliseconds.
        for_ms: u64,
    },
    /// The API forgets history.
    Compact,
    /// It ends as SIGTERM would, and another pod takes its place.
    Roll {
        /// Index of the replica.
        replica: usize,
        /// Until the other pod starts.
        down_ms: u64,
    },
    /// Its machine is suspended: clocks that do not count that stand still, and its watch is half open for a while after.
    Suspend {
        /// Index of the replica.
        replica: usize,
        /// Duration in milliseconds.
        for_ms: u64,
        /// Its watch is silent for so long after.
        half_open_ms: u64,
    },
    /// Admission refuses some of the replicas' requests.
    Refuse {
        /// What admission refuses, and with which status.
        refusal: Refusal,
        /// Duration in milliseconds.
        for_ms: u64,
    },
    /// The CRD is replaced by the predecessor service's, and put right again.
    OldCrd {
        /// After so long.
        for_ms: u64,
    },
    /// etcd is restored from the backup that is made when this begins.
    Restore {
        /// After so long.
        for_ms: u64,
        /// What becomes of the API servers' caches.
        caches: Caches,
    },
}

/// What becomes of the API servers' caches when etcd is restored from a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Caches {
    /// The API servers are restarted with it.
    Anew,
    /// Likewise, in a cluster that is so busy that its versions soon pass those of before.
    Passed,
    /// They stay as they were, until the API servers are restarted.
    Stay {
        /// After so long.
        for_ms: u64,
    },
}

/// What admission refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Creates of RemediationRequests: 403, a quota is used up.
    Quota,
    /// Creates of RemediationRequests: 422, a policy denies them.
    Policy,
    /// Writes of their status: 404.
    StatusNotFound,
    /// Counts on a counter that is there, and looks at it: 404.
    CounterNotFound,
    /// Looks at a RemediationRequest: 404.
    ObjectNotFound,
}

impl What {
    /// The replica that it happens to, if to one.
    pub fn replica_mut(&mut self) -> Option<&mut usize> {
        match self {
            Self::Crash { replica, .. }
            | Self::Restart { replica, .. }
            | Self::Pause { replica, .. }
            | Self::Cut { replica, .. }
            | Self::BreakWatches { replica }
            | Self::HoldWatches { replica, .. }
            | Self::Roll { replica, .. }
            | Self::Suspend { replica, .. } => Some(replica),
            Self::Down { .. } | Self::Compact | Self::Refuse { .. } | Self::OldCrd { .. } | Self::Restore { .. } => {
                None
            }
        }
    }
}

/// Who else writes RemediationRequests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// Moves phases, patching the status.
    Controller {
        /// The mean pause between two of its steps.
        pause_ms: u64,
        /// Whether it writes the whole status instead of patching it.
        full_put: bool,
    },
    /// Deletes terminal ones.
    Retention {
        /// Not within this time of their termination.
        after_ms: u64,
        /// So many signals about it come around each deletion.
        #[serde(default)]
        signals: u8,
        /// That far before and after it at most.
        #[serde(default)]
        around_ms: u64,
    },
    /// Deletes active ones.
    User {
        /// Not within this time of their creation.
        after_ms: u64,
    },
    /// Creates under the names that replicas derive, by the rules of the fence and without the lease.
    Peer {
        /// The mean pause between two of its looks.
        pause_ms: u64,
        /// It stands still for up to this long before each request that a look leads to.
        think_ms: u64,
        /// Whether it releases what it claimed; otherwise that is left to the replicas' collectors.
        #[serde(alias = "lets_go")]
        releases: bool,
    },
    /// Creates under names of its own.
    Foreign {
        /// The mean pause between two of its looks.
        pause_ms: u64,
    },
    /// Moves phases as a controller written against Go types does: reads, works, writes the whole status without what its
    /// types do not know, and begins again after a conflict.
    Typed {
        /// The mean pause between two of its steps.
        pause_ms: u64,
    },
    /// Replaces labels and annotations of objects, terminal ones too.
    Maps {
        /// The mean pause between two of its steps.
        pause_ms: u64,
    },
    /// Removes all finalizers of objects that are being deleted, as who is tired of waiting does.
    Finalizers {
        /// The mean pause between two of its steps.
        pause_ms: u64,
    },
    /// Puts there what the predecessor service had left somewhere else: terminal ones, under random names.
    Restorer {
        /// The mean pause between two of its steps.
        pause_ms: u64,
    },
}

impl Scenario {
    /// How many resources signals are about.
    pub fn resources(&self) -> usize {
        self.signals.iter().map(|signal| signal.resource + 1).max().unwrap_or(0)
    }

    /// By how much wall clocks differ at most while faults last; clocks of different rates drift apart by a tenth at most.
    pub fn skew_ms(&self) -> i64 {
        let offsets = self.replicas.iter().map(|clocks| clocks.offset_ms);
        let (least, most) = offsets.fold((0, 0), |(least, most), offset| (offset.min(least), offset.max(most)));
        let drifts = self.replicas.iter().any(|clocks| clocks.rate_ppm != 0);
        let run_ms = i64::try_from(self.heal_at_ms).unwrap_or(i64::MAX / 20) + REST_MS;
        most - least + if drifts { run_ms / 10 } else { 0 }
    }

    /// Whether nothing goes wrong in it but that requests take their time.
    pub fn is_undisturbed(&self) -> bool {
        let Network { latency_min_ms, latency_max_ms, .. } = self.network;
        let calm = Network { latency_min_ms, latency_max_ms, ..Network::default() };
        let nobody_else = self.faults.is_empty() && self.actors.is_empty() && self.adopted.is_empty();
        nobody_else && self.network == calm && self.replicas.iter().all(|clocks| *clocks == Clocks::default())
    }
}

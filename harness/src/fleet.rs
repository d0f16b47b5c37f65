//! Several replicas over one embedded Kubernetes API, watched by the oracles.

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use gateway::{
    config::Config,
    context::{Context, SimulatedClock},
    remediation::RemediationRequest,
};
use jiff::{SignedDuration, Timestamp};
use kube::{Client, CustomResourceExt};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    baselines::Protocol,
    load::Ledger,
    oracles::{LEASES, Oracles, Signal, Told, Violation, Write, is_counter},
    replica::{Answer, NAMESPACE, Replica, ReplicaSpec, config, pod_name},
    trace::{Life, Mode, Trace},
};
use embedded_apiserver::{Commit, EmbeddedApi, Options, Restore, Snapshot};

/// Where simulations begin.
pub const EPOCH: Timestamp = Timestamp::constant(1_793_520_000, 0);

/// An embedded Kubernetes API with the CRD and the namespaces that scenarios use, and the oracles looking on.
pub fn embedded_api(epoch: Timestamp) -> (EmbeddedApi, Oracles) {
    embedded_api_with(Options { crds: vec![crd()], epoch, ..Options::default() })
}

/// The CRD of the RemediationRequests. Derived once: thousands of simulations begin with it.
pub fn crd() -> Value {
    static CRD: LazyLock<Value> = LazyLock::new(|| serde_json::to_value(RemediationRequest::crd()).unwrap_or_default());
    CRD.clone()
}

/// The CRD of the predecessor service, which its schema closes: what it does not know is pruned.
pub fn predecessors_crd() -> Value {
    static CRD: LazyLock<Value> =
        LazyLock::new(|| serde_saphyr::from_str(include_str!("fleet/predecessor.yaml")).unwrap_or_default());
    CRD.clone()
}

/// As [`embedded_api`], with other options, the CRD included.
pub(crate) fn embedded_api_with(options: Options) -> (EmbeddedApi, Oracles) {
    let api = EmbeddedApi::new(options);
    for name in [NAMESPACE, "shop"] {
        api.seed(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }));
    }
    let oracles = Oracles::default();
    watch(&api, oracles.clone());
    (api, oracles)
}

/// Shows every commit of `api` to `oracles`.
fn watch(api: &EmbeddedApi, oracles: Oracles) {
    api.on_commit(move |commit: &Commit| {
        oracles.on_write(&Write {
            version: commit.resource_version,
            resource: &commit.resource,
            verb: commit.verb,
            caller: &commit.caller,
            old: commit.old.as_deref(),
            new: commit.new.as_deref(),
            at_ms: commit.at.as_millisecond(),
        });
    });
}

/// How a replica differs from the others.
#[derive(Clone, Debug, Default)]
pub struct Skew {
    /// Added to its wall clock.
    pub offset: SignedDuration,
    /// Local seconds per simulated second beyond one, in parts per million.
    pub rate_ppm: i32,
}

/// Replicas in process, in virtual time: needs a current-thread runtime whose time is paused.
pub struct Fleet {
    /// What they all talk to.
    pub api: EmbeddedApi,
    /// What must hold.
    pub oracles: Oracles,
    /// What happens, on record; off at first.
    pub trace: Arc<Trace>,
    began: Instant,
    seed: u64,
    protocol: Protocol,
    /// Replicas started so far: one that restarts under its name draws other numbers than before, its boot id first.
    started: AtomicU64,
    sent: Mutex<Ledger>,
}

impl Fleet {
    /// No replicas yet; `seed` decides on all their randomness.
    pub fn new(seed: u64) -> Self {
        let (api, oracles) = embedded_api(EPOCH);
        Self::over(api, oracles, seed)
    }

    /// As [`Fleet::new`]; leases are kept in a store of their own, which begins at `version`.
    pub fn with_lease_store(seed: u64, version: u64) -> Self {
        let options = Options { crds: vec![crd()], epoch: EPOCH, lease_store: Some(version), ..Options::default() };
        let (api, oracles) = embedded_api_with(options);
        Self::over(api, oracles, seed)
    }

    /// No replicas yet, over an API that `oracles` look at.
    #[allow(clippy::disallowed_methods, reason = "the beginning of virtual time")]
    pub(crate) fn over(api: EmbeddedApi, oracles: Oracles, seed: u64) -> Self {
        Self {
            api,
            oracles,
            trace: Trace::new(Mode::Off),
            began: Instant::now(),
            seed,
            protocol: Protocol::default(),
            started: AtomicU64::new(0),
            sent: Mutex::default(),
        }
    }

    /// Replicas started from now on follow `protocol`; at first they follow the product's.
    pub fn with_protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Records what happens from now on.
    pub fn with_trace(mut self, mode: Mode) -> Self {
        self.trace = Trace::new(mode);
        self.trace.observe(&self.api, &self.oracles);
        self
    }

    /// Starts `gateway-pod-<number>` and waits until it is ready.
    ///
    /// # Panics
    /// If the gateway cannot be built.
    pub async fn start(&self, number: usize) -> Replica {
        self.start_with(number, config(), Skew::default()).await
    }

    /// Starts `gateway-pod-<number>` with this configuration and these clocks, and waits until it is ready.
    ///
    /// # Panics
    /// If the gateway cannot be built.
    pub async fn start_with(&self, number: usize, config: Config, skew: Skew) -> Replica {
        let client = self.api.client(&pod_name(number), NAMESPACE);
        self.start_via(number, config, skew, client).await
    }

    /// As [`Fleet::start_with`]; its requests go through `client`.
    ///
    /// # Panics
    /// If the gateway cannot be built.
    pub async fn start_via(&self, number: usize, config: Config, skew: Skew, client: Client) -> Replica {
        let replica = self.launch(&pod_name(number), config, skew, client);
        replica.ready().await;
        replica
    }

    /// Starts the pod `name`, whose requests go through `client`, without waiting until it is ready.
    ///
    /// # Panics
    /// If the gateway cannot be built.
    pub fn launch(&self, name: &str, config: Config, skew: Skew, client: Client) -> Replica {
        self.trace.life(name, Life::Started);
        let rate_ppm = 1_000_000_u32.saturating_add_signed(skew.rate_ppm);
        let clock = SimulatedClock { epoch: EPOCH, offset: skew.offset, rate_ppm };
        let started = self.started.fetch_add(1, Ordering::Relaxed);
        let seed = self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(started);
        let context = Context::simulated(clock, self.began, seed);
        let replica = ReplicaSpec { protocol: self.protocol, config, ..ReplicaSpec::new(name) }.start(client, context);
        replica.unwrap_or_else(|error| panic!("{name} cannot be built: {error}"))
    }

    /// Starts `gateway-pod-1` to `gateway-pod-<count>`.
    pub async fn start_all(&self, count: usize) -> Vec<Replica> {
        let mut replicas = Vec::new();
        for number in 1..=count {
            replicas.push(self.start(number).await);
        }
        replicas
    }

    /// Posts a webhook to `replica` and keeps account of it under the fingerprints it is answered with, or under
    /// `fingerprint` where the answer names none.
    pub async fn send(&self, replica: &Replica, path: &str, body: impl Into<Bytes>, fingerprint: &str) -> Answer {
        self.with_sent(|sent| sent.attempt(fingerprint));
        let signal = Signal { pod: &replica.name, fingerprint, sent_ms: self.api.now().as_millisecond() };
        self.oracles.on_signal(&signal);
        let mut waiting = Waiting { fleet: self, signal, status: 0 };
        let posted = self.trace.posted(&replica.name, fingerprint);
        let answer = replica.post(path, body).await;
        posted.answered(&answer);
        waiting.status = answer.status.as_u16();
        drop(waiting);
        // A webhook of several alerts is answered with a list, which names none.
        let told = answer.body["remediationRequestName"].as_str().filter(|_| answer.status.is_success());
        if let Some(name) = told {
            let occurrence = answer.body["metadata"]["occurrenceCount"].as_u64().unwrap_or_default();
            self.oracles.on_answer(&signal, &Told { name, occurrence, version: self.api.resource_version() });
            self.trace.judged(&self.oracles);
        }
        self.with_sent(|sent| sent.answer(fingerprint, &answer));
        answer
    }

    fn with_sent<T>(&self, act: impl FnOnce(&mut Ledger) -> T) -> T {
        act(&mut self.sent.lock())
    }

    /// Every RemediationRequest in the store, as JSON.
    pub fn requests(&self) -> Vec<Value> {
        self.api.objects("remediationrequests")
    }

    /// All leases that are locks.
    pub fn leases(&self) -> Vec<Value> {
        let mut locks = self.api.objects(LEASES);
        locks.retain(|lease| !is_counter(lease));
        locks
    }

    /// All leases that are counters.
    pub fn counters(&self) -> Vec<Value> {
        let mut counters = self.api.objects(LEASES);
        counters.retain(is_counter);
        counters
    }

    /// A backup of the store, of which the oracles are told.
    pub fn back_up(&self) -> Snapshot {
        self.oracles.on_backed_up();
        self.api.snapshot()
    }

    /// Puts the store back to `backup`, which must be the last one made, and tells the oracles.
    pub fn restore(&self, backup: &Snapshot, restore: Restore) {
        self.api.restore(backup, restore);
        self.oracles.on_restored(self.api.now().as_millisecond());
    }

    /// What all oracles found, the end included.
    pub fn finish(&self) -> Vec<Violation> {
        self.oracles.on_all_requests(&self.api.requests(), EPOCH.as_millisecond());
        self.oracles.finish(&self.with_sent(|sent| sent.end(self.requests(), self.api.objects(LEASES))))
    }
}

/// A signal whose sender waits; dropped, it waits no longer.
struct Waiting<'a> {
    fleet: &'a Fleet,
    signal: Signal<'a>,
    /// Of the answer, 0 if there is none.
    status: u16,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Self { fleet, signal, status } = self;
        fleet.oracles.on_end(signal, *status, fleet.api.now().as_millisecond());
    }
}

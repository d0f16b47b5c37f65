//! The replicas, senders and senders' accounts of one run.
#![allow(clippy::disallowed_methods, reason = "senders and faults live in the simulation's own time")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use gateway::remediation::Fingerprint;
use jiff::SignedDuration;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{
    network::Wire,
    scenario::{Arrival, Clocks, Promise, Scenario},
};
use crate::{
    baselines::Protocol,
    fleet::{Fleet, Skew},
    load::webhook,
    oracles::Detected,
    replica::{NAMESPACE, Replica, config, pod_name},
    trace::{Life, Mode},
};

/// Where Alertmanager posts.
const PROMETHEUS: &str = "/api/v1/signals/prometheus";
/// Shortly before [`crate::fleet::EPOCH`].
pub(super) const STARTS_AT: &str = "2026-10-31T23:00:00Z";
/// Counts twins in a replica's view.
const TWINS: &str = "gateway_twins_detected_total";
/// A sender gives up on an answer after this.
const SENDER_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two tries of a sender.
const SENDER_PAUSE: Duration = Duration::from_secs(1);

/// One run's replicas and API.
pub struct World {
    /// Replicas, API, oracles.
    pub fleet: Fleet,
    /// The way between them.
    pub wire: Arc<Wire>,
    slots: Mutex<Vec<Slot>>,
    /// The webhook about each resource, and its fingerprint.
    signals: Vec<(Bytes, Fingerprint)>,
    /// Whether a replica is sent signals only while it is ready.
    ready_only: AtomicBool,
}

/// The place of a replica: pods come and go in it.
struct Slot {
    clocks: Clocks,
    name: String,
    /// Pods that were started under new names here.
    pods: u32,
    replica: Option<Arc<Replica>>,
    /// It is ending as SIGTERM would, and takes no more signals.
    ending: bool,
}

impl World {
    /// The replicas of `scenario`, none started yet.
    pub fn new(scenario: &Scenario, protocol: Protocol, mode: Mode, wire: Arc<Wire>) -> Self {
        let new = || Fleet::new(scenario.seed);
        let fleet = scenario.lease_store.map_or_else(new, |version| Fleet::with_lease_store(scenario.seed, version));
        let fleet = fleet.with_protocol(protocol).with_trace(mode);
        fleet.oracles.see_all_signals();
        fleet.oracles.allow_skew(scenario.skew_ms());
        if scenario.promise == Promise::Detected {
            fleet.oracles.allow_twins();
        }
        fleet.api.set_faults(Arc::clone(&wire) as _);
        fleet.api.set_event_lag(Duration::from_millis(scenario.network.event_lag_ms));
        let slot = |(index, clocks): (usize, &Clocks)| Slot {
            clocks: *clocks,
            name: pod_name(index + 1),
            pods: 0,
            replica: None,
            ending: false,
        };
        let slots = Mutex::new(scenario.replicas.iter().enumerate().map(slot).collect());
        let signal = |number| (webhook(&resource_name(number), STARTS_AT).to_string().into(), fingerprint(number));
        let signals = (0..scenario.resources()).map(signal).collect();
        Self { fleet, wire, slots, signals, ready_only: scenario.ready_only.into() }
    }

    fn slots<T>(&self, act: impl FnOnce(&mut Vec<Slot>) -> T) -> T {
        act(&mut self.slots.lock())
    }

    /// How many places for replicas there are.
    pub fn len(&self) -> usize {
        self.slots(|slots| slots.len())
    }

    /// Whether there is no place for a replica.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The replica at `index`, none while it is down.
    pub fn replica(&self, index: usize) -> Option<Arc<Replica>> {
        self.slots(|slots| slots.get(index)?.replica.clone())
    }

    /// The name of the pod at `index`, be it up or down.
    pub fn pod(&self, index: usize) -> Option<String> {
        self.slots(|slots| Some(slots.get(index)?.name.clone()))
    }

    /// Starts a pod at `index` unless there is one, under a name of its own if it is a `new_pod`. Does not wait for it.
    pub fn start(&self, index: usize, new_pod: bool) {
        self.slots(|slots| {
            let Some(slot) = slots.get_mut(index).filter(|slot| slot.replica.is_none()) else { return };
            if new_pod {
                slot.pods += 1;
                slot.name = format!("{}-{}", pod_name(index + 1), slot.pods);
            }
            let skew =
                Skew { offset: SignedDuration::from_millis(slot.clocks.offset_ms), rate_ppm: slot.clocks.rate_ppm };
            let client = self.fleet.api.client(&slot.name, NAMESPACE);
            slot.replica = Some(Arc::new(self.fleet.launch(&slot.name, config(), skew, client)));
        });
    }

    /// Takes the pod at `index` out; with `same`, only if it is that one.
    fn take(&self, index: usize, same: Option<&Arc<Replica>>) -> Option<Arc<Replica>> {
        self.slots(|slots| {
            let slot = slots.get_mut(index)?;
            let there = slot.replica.as_ref()?;
            if same.is_some_and(|same| !Arc::ptr_eq(same, there)) {
                return None;
            }
            slot.ending = false;
            slot.replica.take()
        })
    }

    /// Ends the pod at `index` as SIGKILL would; what it sent may still take effect if it `lands`.
    pub fn crash(&self, index: usize, lands: bool) {
        let Some(replica) = self.take(index, None) else { return };
        if lands {
            self.fleet.api.disconnect_after_send(&replica.name);
        } else {
            self.fleet.api.disconnect(&replica.name);
        }
        replica.crash();
        self.fleet.trace.life(&replica.name, Life::Crashed);
    }

    /// Ends the pod at `index` as SIGTERM would: it is there until all that was under way is finished.
    pub async fn stop(&self, index: usize) {
        let found = self.slots(|slots| {
            let slot = slots.get_mut(index)?;
            slot.ending = slot.replica.is_some();
            slot.replica.clone()
        });
        let Some(replica) = found else { return };
        replica.shut_down().await;
        if self.take(index, Some(&replica)).is_some() {
            self.fleet.api.disconnect_after_send(&replica.name);
            self.fleet.trace.life(&replica.name, Life::Stopped);
        }
    }

    /// From now on each replica is sent signals, ready or not: it must become ready.
    pub fn ask_all(&self) {
        self.ready_only.store(false, Ordering::Relaxed);
    }

    /// Gives each place a pod that takes signals.
    pub fn fill(&self) {
        for index in 0..self.len() {
            if self.slots(|slots| slots.get(index).is_some_and(|slot| slot.ending)) {
                self.crash(index, true);
            }
            self.start(index, false);
        }
    }

    /// Tells the oracles how many twins each replica that is up has detected; the most that one has.
    pub(super) fn tell_detected(&self) -> u64 {
        let up = (0..self.len()).filter_map(|index| self.replica(index));
        let count = |replica: &Replica| replica.metric(TWINS).unwrap_or(0.0) as u64;
        let detected: Detected = up.map(|replica| (replica.name.clone(), count(&replica))).collect();
        self.fleet.oracles.on_detected(&detected, self.fleet.api.now().as_millisecond());
        detected.into_values().max().unwrap_or(0)
    }

    /// Sends a signal as `arrival` says, until it is acknowledged or its sender gives up. Tells whether it was.
    pub async fn send(&self, arrival: Arrival) -> bool {
        let Some((body, fingerprint)) = self.signals.get(arrival.resource) else { return false };
        for attempt in 0..=arrival.retries {
            if attempt > 0 {
                tokio::time::sleep(SENDER_PAUSE).await;
            }
            let Some(replica) = self.replica((arrival.replica + attempt as usize) % self.len().max(1)) else {
                continue;
            };
            if self.ready_only.load(Ordering::Relaxed) && replica.readiness().await.status != 200 {
                continue;
            }
            let answer = self.fleet.send(&replica, PROMETHEUS, body.clone(), fingerprint.as_str());
            match tokio::time::timeout(SENDER_TIMEOUT, answer).await {
                Ok(answer) if answer.status.is_success() => return true,
                _ => {}
            }
        }
        false
    }
}

/// The Deployment that signals of this number are about.
pub fn resource_name(resource: usize) -> String {
    format!("web-{resource}")
}

/// The fingerprint of signals of this number.
pub fn fingerprint(resource: usize) -> Fingerprint {
    Fingerprint::of(&format!("shop:Deployment:{}", resource_name(resource)))
}

/// The spec of a RemediationRequest about the resource `resource`, as others than replicas write it.
pub(super) fn spec(resource: usize) -> Value {
    json!({
        "signalFingerprint": fingerprint(resource).as_str(),
        "signalName": "KubeDeploymentReplicasMismatch",
        "severity": "warning",
        "signalType": "alert",
        "targetType": "kubernetes",
        "targetResource": { "kind": "Deployment", "name": resource_name(resource), "namespace": "shop" },
        "firingTime": STARTS_AT,
        "receivedTime": STARTS_AT,
    })
}

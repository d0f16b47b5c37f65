//! A fresh fleet over a fresh Kubernetes API.
#![allow(clippy::disallowed_methods, reason = "owns the clock that it measures by")]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use embedded_apiserver::{EmbeddedApi, Latency, Options};
use gateway::{
    context::{Context, SimulatedClock},
    remediation::{Fingerprint, RemediationRequest, remediation_request_name},
};
use harness::{
    baselines::Protocol,
    fleet::EPOCH,
    oracles::{counted_on, is_counter, occurrences},
    replica::{NAMESPACE, Replica, ReplicaSpec, pod_name},
};
use jiff::{SignedDuration, Timestamp};
use kube::CustomResourceExt;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{case::Row, settings::Settings};

/// Which clock a measurement goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// The machine's.
    Real,
    /// tokio's, which must be paused; all randomness comes from the measurement's number.
    Virtual,
}

/// Replicas in process over one embedded Kubernetes API, which nothing else uses.
pub struct Stage {
    api: EmbeddedApi,
    replicas: Vec<Replica>,
}

/// Beyond the latency of requests: for tasks that are not waited for.
const SETTLE: Duration = Duration::from_millis(20);
/// Round trips in a row that may follow an answer: a status, a lease's deletion, and a pause before them. Counts are projected
/// later: what is counted is read where it is counted.
const ROUND_TRIPS: u32 = 4;

impl Stage {
    /// A fleet as `row` wants it, its views synchronised. `number` seeds virtual replicas.
    ///
    /// # Panics
    /// If a gateway cannot be built.
    pub async fn set(row: Row, protocol: Protocol, settings: &Settings, time: Time, number: u64) -> Self {
        let epoch = match time {
            Time::Real => Timestamp::now(),
            Time::Virtual => EPOCH,
        };
        let crd = serde_json::to_value(RemediationRequest::crd()).unwrap_or_default();
        let consistent_list_wait = row.list_wait(settings);
        let api = EmbeddedApi::new(Options { crds: vec![crd], epoch, consistent_list_wait, ..Options::default() });
        for name in [NAMESPACE, "shop"] {
            api.seed(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }));
        }
        (0..row.stored).for_each(|stored| api.seed(remediation_request(&format!("stored-{stored}"))));
        api.set_faults(Arc::new(Latency { read: settings.read, write: settings.write }));
        let began = Instant::now();
        let mut replicas = Vec::new();
        for pod in 1..=row.replicas {
            let context = match time {
                Time::Real => Context::system(),
                Time::Virtual => {
                    let clock = SimulatedClock { epoch, offset: SignedDuration::ZERO, rate_ppm: 1_000_000 };
                    Context::simulated(clock, began, number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ pod as u64)
                }
            };
            let name = pod_name(pod);
            let client = api.client(&name, NAMESPACE);
            let replica = ReplicaSpec { protocol, ..ReplicaSpec::new(&name) }.start(client, context);
            replicas.push(replica.unwrap_or_else(|error| panic!("{name} cannot be built: {error}")));
        }
        for replica in &replicas {
            replica.ready().await;
        }
        Self { api, replicas }
    }

    /// The replicas, at least one.
    pub fn replicas(&self) -> &[Replica] {
        &self.replicas
    }

    /// Waits until nothing is under way any more, then `more`.
    pub async fn rest(&self, settings: &Settings, more: Duration) {
        tokio::time::sleep((settings.read + settings.write) * ROUND_TRIPS + SETTLE + more).await;
    }

    /// Counts requests from now on.
    pub fn begin(&self) {
        self.api.clear_requests();
    }

    /// Requests of the gateways on leases and RemediationRequests since [`Stage::begin`], by verb and resource, watches
    /// apart.
    pub fn requests(&self) -> BTreeMap<String, usize> {
        let mut by = BTreeMap::new();
        for record in self.api.requests() {
            let kind = record.resource.starts_with("leases") || record.resource.starts_with("remediationrequests");
            if kind && record.verb != "watch" {
                *by.entry(format!("{} {}", record.verb, record.resource)).or_default() += 1;
            }
        }
        by
    }

    /// Signals counted on `request`: on the counter beside it, if there is one.
    pub fn counted(&self, request: &Value) -> u64 {
        let mut leases = self.api.objects("leases").into_iter().filter(is_counter);
        let counter = leases.find(|lease| lease["metadata"]["ownerReferences"][0]["uid"] == request["metadata"]["uid"]);
        counter.map_or_else(|| occurrences(request), |counter| counted_on(&counter))
    }

    /// The RemediationRequests about the Deployment `resource`.
    pub fn remediation_requests(&self, resource: &str) -> Vec<Value> {
        let mut objects = self.api.objects("remediationrequests");
        objects.retain(|object| object["spec"]["targetResource"]["name"] == resource);
        objects
    }
}

impl Drop for Stage {
    /// Ends the replicas, so that they do not go on behind the next measurement.
    fn drop(&mut self) {
        for replica in &self.replicas {
            replica.crash();
            self.api.disconnect(&replica.name);
        }
    }
}

/// A RemediationRequest about the Deployment `resource`, as the first signal leaves it.
pub fn remediation_request(resource: &str) -> Value {
    let fingerprint = Fingerprint::of(&format!("shop:Deployment:{resource}"));
    let at = "2026-10-31T23:00:00Z";
    json!({
        "apiVersion": "kubernaut.ai/v1alpha1",
        "kind": "RemediationRequest",
        "metadata": { "name": remediation_request_name(&fingerprint, None), "namespace": NAMESPACE },
        "spec": {
            "signalFingerprint": fingerprint.as_str(),
            "signalName": "KubeDeploymentReplicasMismatch",
            "severity": "warning",
            "signalType": "alert",
            "signalSource": "prometheus",
            "targetType": "kubernetes",
            "targetResource": { "apiVersion": "apps/v1", "kind": "Deployment", "name": resource, "namespace": "shop" },
            "firingTime": at,
            "receivedTime": at,
        },
        "status": { "deduplication": { "firstSeenAt": at, "lastSeenAt": at, "occurrenceCount": 1 } },
    })
}

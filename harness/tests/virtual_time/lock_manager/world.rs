//! Pods with a lock manager each, in a namespace of the test's own.

use std::{sync::Arc, time::Duration};

use embedded_apiserver::{EmbeddedApi, Faults, Latency, RequestRecord, Script};
use gateway::{
    config::{self, Identity, Retry},
    context::{Context, Monotonic, SimulatedClock},
    dedup::lock::{Acquisition, LockManager},
    kubernetes::{Error, Kubernetes},
    metrics::Metrics,
    remediation::LeaseName,
};
use harness::fleet::{EPOCH, embedded_api};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::Instant;

/// The test plan's example.
pub(crate) const KEY: &str = "test-fingerprint-1";
/// The name of its lease.
pub(crate) const LEASE: &str = "gw-lock-test-fingerpri";

/// An API server, and the moment at which it began.
pub(crate) struct World {
    pub(crate) api: EmbeddedApi,
    pub(crate) namespace: String,
    pub(crate) began: Instant,
}

impl World {
    /// Pods, and their leases, live in `namespace`. Nothing takes time.
    pub(crate) fn new(namespace: &str) -> Self {
        let (api, _) = embedded_api(EPOCH);
        api.seed(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } }));
        Self { api, namespace: namespace.to_owned(), began: Instant::now() }
    }

    /// Requests take time, and what the script says goes wrong.
    pub(crate) fn script(&self) -> Arc<Script> {
        let script = Arc::new(Script::over(Arc::new(Latency::default())));
        self.api.set_faults(script.clone());
        script
    }

    /// From now on, everybody may do everything with leases but `verb`.
    pub(crate) fn grant_all_but(&self, verb: &str) {
        let verbs = ["get", "create", "update", "delete", "list"].into_iter().filter(|granted| *granted != verb);
        let verbs: Vec<&str> = verbs.collect();
        let metadata = json!({ "name": "leases", "namespace": self.namespace });
        self.api.enforce_rbac();
        self.api.seed(json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata,
            "rules": [{ "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": verbs }],
        }));
        self.api.seed(json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata,
            "roleRef": { "kind": "Role", "name": "leases" },
            "subjects": [{ "kind": "Group", "name": "system:authenticated" }],
        }));
    }

    /// `gateway-pod-<number>`, with exact clocks and an unknown uid.
    pub(crate) fn pod(&self, number: usize) -> Pod {
        self.pod_with(number, None, SignedDuration::ZERO)
    }

    /// `gateway-pod-<number>`, with this uid, and a wall clock this much ahead.
    pub(crate) fn pod_with(&self, number: usize, uid: Option<&str>, ahead: SignedDuration) -> Pod {
        let name = format!("gateway-pod-{number}");
        let clock = SimulatedClock { epoch: EPOCH, offset: ahead, rate_ppm: 1_000_000 };
        let context = Context::simulated(clock, self.began, number as u64);
        let metrics = Metrics::new().unwrap();
        let client = self.api.client(&name, &self.namespace);
        let kubernetes = Kubernetes::new(client, context.clone(), metrics.clone(), Retry::default());
        let pod_uid = uid.map(str::to_owned);
        let identity = Identity { pod_name: name, pod_namespace: self.namespace.clone(), pod_uid };
        let config = config::Lock::default();
        let manager = LockManager::new(kubernetes, context.clone(), metrics.clone(), &identity, config);
        Pod { manager, context, metrics }
    }

    /// Puts the lease of [`KEY`] there: held by `holder`, renewed `age` ago.
    pub(crate) fn held_by(&self, holder: &str, age: SignedDuration) {
        let renewed = self.api.now() - age;
        self.seed(json!({
            "holderIdentity": holder,
            "leaseDurationSeconds": 30,
            "acquireTime": micro_time(renewed),
            "renewTime": micro_time(renewed),
            "leaseTransitions": 3,
        }));
    }

    /// Puts the lease of [`KEY`] there with this spec.
    pub(crate) fn seed(&self, spec: Value) {
        let metadata = json!({ "name": LEASE, "namespace": self.namespace, "annotations": { "kept": "yes" } });
        self.api.seed(json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec,
        }));
    }

    /// The lease of [`KEY`] in this namespace, null if there is none.
    pub(crate) fn lease(&self) -> Value {
        let ours =
            |lease: &Value| lease["metadata"]["name"] == LEASE && lease["metadata"]["namespace"] == *self.namespace;
        self.api.objects("leases").into_iter().find(ours).unwrap_or_default()
    }

    /// `verb code` of each request on leases, in the order of the answers.
    pub(crate) fn requests(&self) -> Vec<String> {
        let requests = self.api.requests();
        requests.iter().filter(|r| r.resource == "leases").map(line).collect()
    }

    /// Lets `faults` decide.
    pub(crate) fn faults(&self, faults: impl Faults + 'static) {
        self.api.set_faults(Arc::new(faults));
    }
}

fn line(record: &RequestRecord) -> String {
    format!("{} {}", record.verb, record.code)
}

/// As the API server writes `metav1.MicroTime`.
pub(crate) fn micro_time(time: Timestamp) -> String {
    format!("{time:.6}")
}

/// A gateway's pod, as far as locks go.
#[derive(Clone)]
pub(crate) struct Pod {
    pub(crate) manager: LockManager,
    pub(crate) context: Context,
    pub(crate) metrics: Metrics,
}

impl Pod {
    pub(crate) fn deadline(&self) -> Monotonic {
        self.context.monotonic() + Duration::from_secs(15)
    }

    /// Tries once to acquire the lock of [`KEY`].
    pub(crate) async fn acquire(&self) -> Result<Acquisition, Error> {
        self.manager.acquire(&name(), self.deadline()).await
    }

    /// Releases the lock of [`KEY`].
    pub(crate) async fn release(&self) -> Result<(), Error> {
        self.manager.release(&name(), self.deadline()).await
    }

    /// `gateway_lock_acquisition_failures_total`.
    pub(crate) fn failures(&self) -> u64 {
        self.metrics.lock_acquisition_failures.get()
    }
}

/// The lease name of [`KEY`].
pub(crate) fn name() -> LeaseName {
    LeaseName::for_key(KEY)
}

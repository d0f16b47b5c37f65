//! A fleet on which one resource alerts, with latencies that make races happen.

use std::{sync::Arc, time::Duration};

use embedded_apiserver::{Fault, RequestInfo, Script};
use futures::future::join_all;
use gateway::dedup::bounds;
use harness::{
    baselines::Protocol,
    fleet::{Fleet, Skew},
    oracles::Violation,
    replica::{Answer, NAMESPACE, Replica, config, pod_name},
    testing::{lease_of, script, send, wait, wait_ms},
};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind},
};
use serde_json::{Value, json};

pub(crate) struct Stage {
    pub(crate) fleet: Fleet,
    replicas: Vec<Replica>,
    script: Arc<Script>,
}

impl Stage {
    /// `gateway-pod-1` to `gateway-pod-<replicas>` under `protocol`.
    pub(crate) async fn new(protocol: Protocol, replicas: usize) -> Self {
        Self::skewed(protocol, &vec![0; replicas]).await
    }

    /// One replica for each wall clock, which are so many seconds ahead.
    pub(crate) async fn skewed(protocol: Protocol, ahead_s: &[i64]) -> Self {
        let fleet = Fleet::new(7).with_protocol(protocol);
        let script = script(&fleet);
        let mut replicas = Vec::new();
        for (index, ahead_s) in ahead_s.iter().enumerate() {
            let skew = Skew { offset: jiff::SignedDuration::from_secs(*ahead_s), ..Skew::default() };
            replicas.push(fleet.start_with(index + 1, config(), skew).await);
        }
        Self { fleet, replicas, script }
    }

    /// The next request of the pod `pod` with this verb and resource meets `fault`.
    pub(crate) fn next(&self, pod: usize, verb: &'static str, resource: &'static str, fault: Fault) {
        let pod = pod_name(pod);
        let matches = move |request: &RequestInfo| {
            request.caller.user == pod && request.verb == verb && request.label() == resource
        };
        self.script.add(1, fault, matches);
    }

    /// A webhook about the resource to the pod `pod`, `at_ms` from now.
    pub(crate) async fn signal(&self, pod: usize, at_ms: u64) -> Answer {
        self.signal_about("checkout", pod, at_ms).await
    }

    /// A webhook about any Deployment of the namespace `shop`.
    pub(crate) async fn signal_about(&self, resource: &str, pod: usize, at_ms: u64) -> Answer {
        wait_ms(at_ms).await;
        send(&self.fleet, &self.replicas[pod - 1], resource).await
    }

    /// Webhooks, each to a pod so many milliseconds from now, and the statuses they are answered with.
    pub(crate) async fn signals(&self, signals: &[(usize, u64)]) -> Vec<u16> {
        let answers = join_all(signals.iter().map(|(pod, at_ms)| self.signal(*pod, *at_ms))).await;
        answers.iter().map(|answer| answer.status.as_u16()).collect()
    }

    /// SIGKILL of the pod `pod`, `at_ms` from now.
    pub(crate) async fn crash(&self, pod: usize, at_ms: u64) {
        wait_ms(at_ms).await;
        self.replicas[pod - 1].crash();
        self.fleet.api.disconnect(&pod_name(pod));
    }

    /// A lease of the resource that somebody left behind.
    pub(crate) fn leave_lease(&self, holder: &str, renew_time: Option<&str>) {
        self.fleet.api.seed(json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": lease_of("checkout"),
                "namespace": NAMESPACE,
                "labels": { "app.kubernetes.io/managed-by": "gateway-service" },
            },
            "spec": { "holderIdentity": holder, "leaseDurationSeconds": 30, "renewTime": renew_time },
        }));
    }

    /// The only RemediationRequest comes to its end.
    pub(crate) async fn complete(&self) {
        let patch = kube::api::Patch::Merge(json!({ "status": { "overallPhase": "Completed" } }));
        let name = self.only();
        requests(&self.fleet, "remediation-controller").patch_status(&name, &Default::default(), &patch).await.unwrap();
    }

    /// Retention removes the RemediationRequest `name`, `at_ms` from now.
    pub(crate) async fn delete(&self, name: &str, at_ms: u64) {
        wait_ms(at_ms).await;
        requests(&self.fleet, "retention").delete(name, &Default::default()).await.unwrap();
    }

    /// The name of the only RemediationRequest.
    pub(crate) fn only(&self) -> String {
        let requests = self.fleet.requests();
        assert_eq!(requests.len(), 1);
        requests[0]["metadata"]["name"].as_str().unwrap().to_owned()
    }

    /// Waits until all is at rest, and says what does not hold; `statuses` of signals that nothing must keep from being
    /// acknowledged.
    pub(crate) async fn finish(self, statuses: &[u16]) -> Vec<Violation> {
        wait(bounds::left_behind_for(&config())).await;
        let mut violations = self.fleet.finish();
        if let Some(refused) = statuses.iter().find(|status| !(200..300).contains(*status)) {
            let message = format!("a signal is answered {refused}");
            violations.push(Violation { oracle: "liveness", version: None, message });
        }
        for replica in &self.replicas {
            replica.crash();
        }
        violations
    }
}

/// RemediationRequests as `user` sees them.
fn requests(fleet: &Fleet, user: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("kubernaut.ai", "v1alpha1", "RemediationRequest");
    let resource = ApiResource::from_gvk_with_plural(&kind, "remediationrequests");
    Api::namespaced_with(fleet.api.client(user, NAMESPACE), NAMESPACE, &resource)
}

/// What each RemediationRequest counted.
pub(crate) fn counts(requests: &[Value]) -> Vec<u64> {
    requests.iter().map(harness::oracles::occurrences).collect()
}

/// A request that takes effect this much later than it is sent.
pub(crate) fn late(ms: u64) -> Fault {
    Fault { delay_before: Duration::from_millis(ms), ..Fault::default() }
}

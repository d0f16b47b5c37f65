//! Signals to send, and what came of them.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use serde_json::{Value, json};

use crate::{oracles::End, replica::Answer};

/// A real Alertmanager webhook (version 4, as Alertmanager 0.25 sends it) with one firing alert on the Deployment
/// `resource` in the namespace `shop`.
pub fn webhook(resource: &str, starts_at: &str) -> Value {
    let labels = json!({
        "alertname": "KubeDeploymentReplicasMismatch",
        "namespace": "shop",
        "deployment": resource,
        "severity": "warning",
        "prometheus": "monitoring/k8s",
    });
    let annotations = json!({
        "description": format!("Deployment shop/{resource} has not matched the expected number of replicas for longer than 15 minutes."),
        "summary": "Deployment has not matched the expected number of replicas.",
    });
    json!({
        "receiver": "gateway",
        "status": "firing",
        "alerts": [{
            "status": "firing",
            "labels": labels,
            "annotations": annotations,
            "startsAt": starts_at,
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example:9090/graph?g0.expr=kube_deployment_status_replicas_available&g0.tab=1",
            "fingerprint": "c9f3b2e5a1d04c77",
        }],
        "groupLabels": { "alertname": "KubeDeploymentReplicasMismatch" },
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": "http://alertmanager.example:9093",
        "version": "4",
        "groupKey": "{}:{alertname=\"KubeDeploymentReplicasMismatch\"}",
        "truncatedAlerts": 0,
    })
}

/// What senders sent and were told, by fingerprint.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Signals posted, retries included.
    pub attempted: BTreeMap<String, u64>,
    /// Signals answered 201 or 202.
    pub acknowledged: BTreeMap<String, u64>,
    /// Names of RemediationRequests that senders were told of.
    pub told: Vec<String>,
}

impl Ledger {
    /// Notes a signal before it is sent.
    pub fn attempt(&mut self, fingerprint: &str) {
        *self.attempted.entry(fingerprint.to_owned()).or_default() += 1;
    }

    /// Notes its answer.
    pub fn answer(&mut self, fingerprint: &str, answer: &Answer) {
        if matches!(answer.status.as_u16(), 201 | 202) {
            *self.acknowledged.entry(fingerprint.to_owned()).or_default() += 1;
            self.told.extend(answer.body["remediationRequestName"].as_str().map(str::to_owned));
        }
    }

    /// What the oracles judge at the end, when these objects exist.
    pub fn end(&self, requests: Vec<Value>, leases: Vec<Value>) -> End {
        let Self { attempted, acknowledged, told } = self.clone();
        End { requests, leases, attempted, acknowledged, told }
    }
}

/// What came of signals that were sent.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Answers by HTTP status; 0 stands for no answer.
    pub statuses: BTreeMap<u16, usize>,
    /// How long each answer took.
    pub latencies: Vec<Duration>,
}

impl Outcome {
    /// Notes one answer, `status` 0 for none.
    pub fn note(&mut self, status: u16, took: Duration) {
        *self.statuses.entry(status).or_default() += 1;
        self.latencies.push(took);
    }

    /// Signals answered with a 2xx.
    pub fn acknowledged(&self) -> usize {
        self.statuses.iter().filter(|(status, _)| (200..300).contains(*status)).map(|(_, count)| count).sum()
    }

    /// The distribution of the latencies.
    pub fn latency(&self) -> Percentiles {
        Percentiles::of(&self.latencies)
    }
}

/// A distribution of durations, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[allow(missing_docs, reason = "percentiles")]
pub struct Percentiles {
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub max: f64,
}

impl Percentiles {
    /// By the nearest-rank method; zeros if there are none.
    pub fn of(durations: &[Duration]) -> Self {
        let mut sorted: Vec<f64> = durations.iter().map(|duration| duration.as_secs_f64() * 1e3).collect();
        sorted.sort_by(f64::total_cmp);
        let at = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100).max(1);
            sorted.get(rank - 1).copied().unwrap_or_default()
        };
        Self { p50: at(50), p95: at(95), p99: at(99), max: at(100) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let durations: Vec<Duration> = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(Percentiles::of(&durations), Percentiles { p50: 50.0, p95: 95.0, p99: 99.0, max: 100.0 });
        assert_eq!(Percentiles::of(&durations[..1]).p50, 100.0);
        assert_eq!(Percentiles::of(&[]), Percentiles::default());
    }
}

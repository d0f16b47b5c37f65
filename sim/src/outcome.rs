//! The result of a storm: as JSON, and as a table for people.

use std::{collections::BTreeMap, fmt};

use harness::{load::Percentiles, oracles::Violation};
use serde::Serialize;

/// The result of a storm. Its JSON is an interface: fields are added, never changed.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    /// Such as `fenced`.
    pub(crate) protocol: String,
    /// Gateways.
    pub(crate) replicas: usize,
    /// Webhooks posted.
    pub(crate) signals: usize,
    /// Resources they were about.
    pub(crate) fingerprints: usize,
    /// Answers by HTTP status; 0 stands for no answer.
    pub(crate) statuses: BTreeMap<u16, usize>,
    /// RemediationRequests at the end.
    pub(crate) remediation_requests: usize,
    /// What each of them counted, largest first.
    pub(crate) occurrence_counts: Vec<u64>,
    /// Requests to the Kubernetes API from the first webhook to rest.
    pub(crate) api_requests: ApiRequests,
    /// From sending a webhook to its answer.
    pub(crate) latency_ms: Percentiles,
    /// Sum of the metric over all gateways.
    pub(crate) lock_acquisition_failures: u64,
    /// Leases at the end.
    pub(crate) leases_left: usize,
    /// What does not hold.
    pub(crate) violations: Vec<Violation>,
    /// What the gateways talked to.
    pub(crate) backend: String,
}

/// Requests to the Kubernetes API.
#[derive(Debug, Serialize)]
pub(crate) struct ApiRequests {
    /// All of them.
    pub(crate) total: usize,
    /// By verb and resource, such as `create leases`.
    pub(crate) by: BTreeMap<String, usize>,
}

/// Counts shown at most; more say nothing more.
const COUNTS_SHOWN: usize = 12;

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let statuses: Vec<String> =
            self.statuses.iter().map(|(status, n)| format!("{n} × {}", named(*status))).collect();
        let mut counts: Vec<String> =
            self.occurrence_counts.iter().take(COUNTS_SHOWN).map(ToString::to_string).collect();
        if self.occurrence_counts.len() > COUNTS_SHOWN {
            counts.push("…".to_owned());
        }
        let Percentiles { p50, p95, p99, max } = self.latency_ms;
        row(f, "answers", &statuses.join(", "))?;
        row(f, "RemediationRequests", &self.remediation_requests.to_string())?;
        row(f, "occurrenceCount", &counts.join(", "))?;
        row(f, "leases left", &self.leases_left.to_string())?;
        row(f, "lock acquisition failures", &self.lock_acquisition_failures.to_string())?;
        row(f, "latency", &format!("p50 {p50:.1} ms, p95 {p95:.1} ms, p99 {p99:.1} ms, max {max:.1} ms"))?;
        row(f, "Kubernetes API requests", &self.api_requests.total.to_string())?;
        for (what, count) in &self.api_requests.by {
            row(f, &format!("  {what}"), &count.to_string())?;
        }
        writeln!(f)?;
        for violation in &self.violations {
            writeln!(f, "VIOLATION  {violation}")?;
        }
        if self.violations.is_empty() {
            write!(
                f,
                "PASS  one RemediationRequest per resource, every acknowledged signal counted once, no lease left"
            )
        } else {
            write!(f, "FAIL  {} violation(s)", self.violations.len())
        }
    }
}

fn row(f: &mut fmt::Formatter<'_>, what: &str, value: &str) -> fmt::Result {
    writeln!(f, "  {what:<36} {value}")
}

fn named(status: u16) -> String {
    match http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()) {
        Some(reason) => format!("{status} {reason}"),
        None => "no answer".to_owned(),
    }
}

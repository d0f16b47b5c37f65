//! The result of a storm: as JSON, and as a table for people.

use std::{collections::BTreeMap, fmt, time::Duration};

pub(crate) use harness::explore::plural;
use harness::{baselines::Protocol, load::Percentiles, oracles::Violation};
use serde::{Serialize, Serializer};

/// The result of a storm. Its JSON is an interface: fields are added, never changed.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    /// How the gateways kept RemediationRequests unique.
    #[serde(serialize_with = "name")]
    pub(crate) protocol: Protocol,
    pub(crate) replicas: usize,
    pub(crate) signals: usize,
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
    /// Resources that signals were acknowledged of.
    #[serde(skip)]
    pub(crate) fingerprints: usize,
    /// Signals that senders were told to be created or counted.
    #[serde(skip)]
    pub(crate) acknowledged: u64,
    /// What the gateways talked to.
    #[serde(skip)]
    pub(crate) backend: String,
    /// All answers, in the order in which they came.
    #[serde(skip)]
    pub(crate) answers: Vec<Answered>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered {
    /// Which gateway gave it, from 0.
    pub(crate) gateway: usize,
    /// HTTP status; 0 stands for no answer.
    pub(crate) status: u16,
    /// From sending the webhook.
    pub(crate) took: Duration,
}

fn name<S: Serializer>(protocol: &Protocol, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(protocol)
}

/// Requests to the Kubernetes API.
#[derive(Debug, Serialize)]
pub(crate) struct ApiRequests {
    pub(crate) total: usize,
    /// By verb and resource, such as `create leases`.
    pub(crate) by: BTreeMap<String, usize>,
}

/// Counts shown at most; more say nothing more.
const COUNTS_SHOWN: usize = 12;
/// Violations shown at most.
const VIOLATIONS_SHOWN: usize = 10;

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
        row(f, "protocol", &format!("{} ({})", self.protocol, self.protocol.summary()))?;
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
        for violation in self.violations.iter().take(VIOLATIONS_SHOWN) {
            writeln!(f, "VIOLATION  {violation}")?;
        }
        if self.violations.len() > VIOLATIONS_SHOWN {
            writeln!(f, "           … and {} more", self.violations.len() - VIOLATIONS_SHOWN)?;
        }
        let verdict = if self.violations.is_empty() { "PASS" } else { "FAIL" };
        write!(f, "{verdict}  {}", self.in_words())
    }
}

impl Outcome {
    /// What came out, in a sentence.
    pub(crate) fn in_words(&self) -> String {
        if self.violations.is_empty() {
            let kept = "every acknowledged signal counted once, no lease left";
            return format!("one RemediationRequest per resource, {kept}");
        }
        let (counted, acknowledged) = (self.occurrence_counts.iter().sum::<u64>(), self.acknowledged);
        let mut wrong = Vec::new();
        if self.remediation_requests != self.fingerprints {
            let resources = plural(self.fingerprints, "resource");
            wrong.push(format!("{} for {resources}", plural(self.remediation_requests, "RemediationRequest")));
        }
        if counted != acknowledged {
            wrong.push(format!("{counted} signals counted of {acknowledged} acknowledged"));
        }
        if self.leases_left > 0 {
            wrong.push(format!("{} left", plural(self.leases_left, "lease")));
        }
        let refused = self.answers.iter().filter(|answer| !(200..300).contains(&answer.status)).count();
        if refused > 0 {
            wrong.push(format!("{} not acknowledged", plural(refused, "webhook")));
        }
        if wrong.is_empty() {
            // Seen only while it went on, such as a second one that was deleted again.
            wrong.push(plural(self.violations.len(), "violation"));
        }
        wrong.join(", ")
    }
}

fn row(f: &mut fmt::Formatter<'_>, what: &str, value: &str) -> fmt::Result {
    writeln!(f, "  {what:<36} {value}")
}

/// A status with its reason phrase.
pub(crate) fn named(status: u16) -> String {
    match http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()) {
        Some(reason) => format!("{status} {reason}"),
        None => "no answer".to_owned(),
    }
}

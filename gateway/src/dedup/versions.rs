//! Other versions of the gateway beside this one: the first version, the predecessor service, one that is yet to come.
//!
//! They derive other names and count in other places, so that of two at once only the lease is left (protocol: versions side
//! by side). What the other one does shows in the API: it creates under other names, counts in the status, raises counts beyond
//! the counter, acquires locks without this protocol's label. What it has left behind before this process looked for the first time is no
//! trace, nor is what a person restores. While traces are fresh, this replica is not ready and takes no signals.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use k8s_openapi::api::coordination::v1::Lease;
use tokio::sync::watch;

use crate::{
    context::Context,
    metrics::Metrics,
    remediation::{LeaseName, PROTOCOL, PROTOCOL_LABEL, Record},
};

/// What another version has just done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trace {
    /// It has created a RemediationRequest.
    Created,
    /// It has counted in a status, as the first version does.
    Counted,
    /// It has raised a count that this version's counter does not say.
    Raised,
    /// It has acquired or renewed a lock.
    Locked,
}

impl Trace {
    const ALL: [Self; 4] = [Self::Created, Self::Counted, Self::Raised, Self::Locked];

    /// As a metric's label.
    const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Counted => "counted",
            Self::Raised => "raised",
            Self::Locked => "locked",
        }
    }

    /// The trace that the change from `known`, if it was known, to `record` is.
    pub(super) fn of(known: Option<&Record>, record: &Record) -> Option<Self> {
        let Some(known) = known else { return record.by_another_version.then_some(Self::Created) };
        let writers = |record: &Record| record.deduplication.as_ref().and_then(|deduplication| deduplication.writers);
        let counted = writers(record).is_some() && writers(record) != writers(known);
        (counted && is_raised(known, record)).then_some(Self::Counted)
    }
}

/// Whether the status of `record` says a greater count than before.
pub(super) fn is_raised(known: &Record, record: &Record) -> bool {
    record.occurrences() > known.occurrences()
}

/// Whether another version is at work.
pub(super) struct Versions {
    /// Told of every trace.
    traces: watch::Sender<()>,
    beside: watch::Sender<bool>,
    metrics: Metrics,
}

impl Versions {
    pub(super) fn new(metrics: Metrics) -> Self {
        for trace in Trace::ALL {
            metrics.other_version_traces.with_label_values(&[trace.name()]);
        }
        Self { traces: watch::Sender::new(()), beside: watch::Sender::new(false), metrics }
    }

    /// Notes that another version left `trace` on the object `name`.
    pub(super) fn note(&self, trace: Trace, name: &str) {
        self.metrics.other_version_traces.with_label_values(&[trace.name()]).inc();
        if self.is_beside() {
            tracing::debug!(trace = trace.name(), name, "another version of the gateway is still running");
        } else {
            tracing::error!(
                trace = trace.name(),
                name,
                "another version of the gateway is running in this namespace: the two must not run side by side; no signals \
                 are taken here until it is gone"
            );
        }
        self.traces.send_replace(());
    }

    /// Whether another version is at work.
    pub(super) fn is_beside(&self) -> bool {
        *self.beside.borrow()
    }

    /// Tells when [`Versions::is_beside`] changes.
    pub(super) fn beside(&self) -> watch::Receiver<bool> {
        self.beside.subscribe()
    }

    /// Takes another version for gone when it has left no trace for `quiet`; until the instance ends.
    pub(super) async fn run(self: Arc<Self>, context: Context, quiet: Duration) {
        let mut traces = self.traces.subscribe();
        while traces.changed().await.is_ok() {
            self.beside.send_replace(true);
            while context.timeout(quiet, traces.changed()).await.is_ok() {}
            self.beside.send_replace(false);
            tracing::info!(?quiet, "the other version of the gateway is no longer seen: signals are accepted again");
        }
    }
}

/// The locks of other versions as one sweep after the other finds them.
#[derive(Debug, Default)]
pub(super) struct Locks {
    /// Names and versions; none before the first sweep.
    seen: Option<BTreeMap<String, Option<String>>>,
}

impl Locks {
    /// The names of those that were acquired or renewed since the sweep before, of all `leases`. What the first sweep finds may
    /// be left by one that has crashed.
    pub(super) fn renewed(&mut self, leases: &[Lease]) -> Vec<String> {
        let others = leases.iter().filter_map(|lease| {
            let name = lease.metadata.name.clone().filter(|name| LeaseName::is_one(name))?;
            let protocol = lease.metadata.labels.as_ref().and_then(|labels| labels.get(PROTOCOL_LABEL));
            (protocol.map(String::as_str) != Some(PROTOCOL)).then(|| (name, lease.metadata.resource_version.clone()))
        });
        let others: BTreeMap<_, _> = others.collect();
        let before = self.seen.replace(others.clone());
        let Some(before) = before else { return Vec::new() };
        others.into_iter().filter(|(name, version)| before.get(name) != Some(version)).map(|(name, _)| name).collect()
    }
}

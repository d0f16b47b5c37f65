//! Clears what crashed replicas leave behind: leases nobody renews, claims whose successor never came.

use std::sync::Arc;

use kube::api::Preconditions;

use super::{
    bounds::{EXPIRED_DURATIONS, REQUEST_TIMEOUT, SWEEP_MAX, decision_life},
    core::Core,
    counters,
    observed::{Observed, lease_duration},
    protocol::Now,
    unchanged::Unchanged,
    versions::{Locks, Trace},
};
use crate::{
    kubernetes::Error,
    remediation::{LeaseName, ResourceVersion},
};

/// Abandoned leases that may not be deleted before a sweep gives up.
const REFUSED_MAX: u32 = 5;

/// Sweeps until the instance ends.
pub(super) async fn run(core: Arc<Core>) {
    let mut leases = Observed::default();
    let mut others = Locks::default();
    let mut claims = Unchanged::default();
    let mut seen = counters::Seen::default();
    let interval = core.config.lock.collect_interval;
    loop {
        core.context.sleep(core.context.jitter(interval / 2, interval)).await;
        if let Err(error) = collect_leases(&core, &mut leases, &mut others).await {
            tracing::warn!(%error, "could not collect abandoned leases");
        }
        clear_claims(&core, &mut claims).await;
        core.refusals.sweep();
        if let Err(error) = counters::sweep(&core, &mut seen).await {
            tracing::warn!(%error, "could not sweep counters");
        }
    }
}

/// Deletes leases that expired, by either clock, more than twice their duration ago; looks for those of other versions.
async fn collect_leases(core: &Core, observed: &mut Observed, others: &mut Locks) -> Result<(), Error> {
    let deadline = core.context.monotonic() + REQUEST_TIMEOUT;
    let list = core.lock.leases().list(SWEEP_MAX, deadline).await?;
    let leases = list.items;
    match list.metadata.continue_.as_deref().unwrap_or_default() {
        "" => others.renewed(&leases).iter().for_each(|name| core.versions.note(Trace::Locked, name)),
        // Not all leases could be looked at.
        _ => *others = Locks::default(),
    }
    let names: Vec<&str> = leases.iter().filter_map(|lease| lease.metadata.name.as_deref()).collect();
    observed.retain(&names);
    let mut refused = 0;
    for lease in &leases {
        let Some(name) = lease.metadata.name.as_deref().filter(|name| LeaseName::is_one(name)) else { continue };
        let duration = lease_duration(lease, core.config.lock.duration);
        let expired_for = observed.expired_for(lease, Now::of(&core.context), &core.config.lock);
        if expired_for <= duration.saturating_mul(EXPIRED_DURATIONS.cast_signed()) {
            continue;
        }
        let version = Preconditions {
            uid: lease.metadata.uid.clone(),
            resource_version: lease.metadata.resource_version.clone(),
        };
        let deadline = core.context.monotonic() + REQUEST_TIMEOUT;
        match core.lock.leases().delete(name, version, deadline).await {
            Ok(()) => {
                core.metrics.leases_collected.inc();
                tracing::info!(lease = name, "abandoned lease deleted");
            }
            Err(Error::NotFound(_) | Error::Conflict(_)) => {}
            // By a policy or a webhook, perhaps, that refuses this one.
            Err(error @ (Error::Forbidden(_) | Error::Invalid(_) | Error::BadRequest(_))) if refused < REFUSED_MAX => {
                refused += 1;
                tracing::warn!(lease = name, %error, "an abandoned lease could not be deleted");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Clears claims that this replica has itself seen unchanged for longer than any decision made on them can live
/// (protocol: *D*), successor or not. That time has passed for certain: a wall clock that is set forward ends no decision.
async fn clear_claims(core: &Core, seen: &mut Unchanged<Box<str>, ResourceVersion>) {
    let claimed = core.view.claimed();
    seen.retain(|uid| claimed.iter().any(|record| record.uid == *uid));
    let longest = decision_life(&core.config.view);
    for record in claimed {
        if seen.observe(record.uid.clone(), record.version, core.context.steady()) <= longest {
            continue;
        }
        let deadline = core.context.monotonic() + REQUEST_TIMEOUT;
        match core.store.release_claim(&record, deadline).await {
            Ok(()) => core.metrics.fence_claims_cleared.inc(),
            Err(Error::NotFound(_) | Error::Conflict(_)) => {}
            Err(error) => {
                tracing::warn!(name = record.name, %error, "a claim could not be cleared, and will be tried again")
            }
        }
    }
}

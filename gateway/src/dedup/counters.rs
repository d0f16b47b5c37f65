//! Looks after counters: projects what a replica that crashed did not, folds the registers of many boots into one, and
//! removes counters that nothing counts on any more.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    bounds::{REQUEST_TIMEOUT, decision_life},
    core::Core,
    projector,
    protocol::projection::{Counted, patch},
};
use crate::{
    kubernetes::Error,
    remediation::{BootId, Counter, Record, Register, ResourceVersion, fold_patch},
};

/// Registers of a counter from which on some are folded.
const REGISTERS_MAX: usize = 16;
/// A count that its status has not said for so long is projected.
const UNPROJECTED_MAX: Duration = Duration::from_secs(3);

/// What earlier sweeps saw.
#[derive(Default)]
pub(super) struct Seen {
    /// Counters of what has ended, and since when they have not changed.
    ended: BTreeMap<String, (ResourceVersion, Duration)>,
    /// Registers of crowded counters, and since when they have not changed.
    registers: BTreeMap<(String, BootId), (Register, Duration)>,
}

/// Looks once at all counters.
pub(super) async fn sweep(core: &Arc<Core>, seen: &mut Seen) -> Result<(), Error> {
    let Core { store, context, view, .. } = &**core;
    let counters = store.counters(context.monotonic() + REQUEST_TIMEOUT).await?;
    let listed = context.steady();
    let is_listed = |uid: &str| counters.binary_search_by(|(other, _)| other.as_str().cmp(uid)).is_ok();
    seen.ended.retain(|uid, _| is_listed(uid));
    seen.registers.retain(|(uid, _), _| is_listed(uid));
    core.registers.retain(|uid| view.by_uid(uid).is_some() || is_listed(uid));
    for (uid, counter) in &counters {
        // One of what is gone goes with it.
        let Some(record) = view.by_uid(uid) else { continue };
        fold(core, seen, uid, counter, listed).await;
        if record.counts_signals(context.now()) {
            seen.ended.remove(uid);
            if said(&record) < counter.total() {
                project_soon(core, uid.clone(), counter.version);
            }
            continue;
        }
        let (version, since) = *seen.ended.entry(uid.clone()).or_insert((counter.version, listed));
        if version != counter.version {
            seen.ended.insert(uid.clone(), (counter.version, listed));
        } else if listed.saturating_sub(since) > decision_life(&core.config.view) {
            remove(core, uid, counter, record).await;
        }
    }
    Ok(())
}

fn said(record: &Record) -> u64 {
    let stored = record.deduplication.as_ref().and_then(|deduplication| deduplication.occurrences);
    stored.and_then(|count| u64::try_from(count).ok()).unwrap_or(0)
}

/// Projects the counter of the RemediationRequest `uid` if nobody has done so in a while, nor counted on it.
fn project_soon(core: &Arc<Core>, uid: String, version: ResourceVersion) {
    let core = Arc::clone(core);
    core.context.clone().spawn(async move {
        core.context.sleep(core.context.jitter(UNPROJECTED_MAX, UNPROJECTED_MAX * 2)).await;
        let deadline = core.context.monotonic() + REQUEST_TIMEOUT;
        let Ok(Some(counter)) = core.store.counter(&uid, deadline).await else { return };
        let Some(record) = core.view.by_uid(&uid).filter(|_| counter.version == version) else { return };
        if projector::project(&core, Arc::clone(&record), counted(&core, &counter, &record)).await {
            core.metrics.projections.with_label_values(&["rescued"]).inc();
        }
    });
}

fn counted(core: &Core, counter: &Counter, record: &Record) -> Counted {
    let last_seen = counter.newest().or(record.created).unwrap_or_else(|| core.context.now());
    Counted { total: counter.total(), first_seen: record.created.unwrap_or(last_seen), last_seen }
}

/// Removes the counter of what has ended, after its status says exactly what was counted: what was taken back may have been
/// projected before.
async fn remove(core: &Core, uid: &str, counter: &Counter, record: Arc<Record>) {
    let Core { store, context, metrics, .. } = core;
    let deadline = context.monotonic() + REQUEST_TIMEOUT;
    if let Some(steps) = patch(&record, counted(core, counter, &record), true) {
        match store.patch_status(&record.name, steps, deadline).await {
            // The counter is removed in a later sweep, once the view has seen it.
            Ok(_) => metrics.projections.with_label_values(&["written"]).inc(),
            Err(Error::NotFound(_) | Error::Invalid(_) | Error::Conflict(_)) => {}
            Err(error) => tracing::warn!(name = record.name, %error, "the last count could not be written"),
        }
        return;
    }
    match store.delete_counter(uid, counter, deadline).await {
        Ok(()) => {
            metrics.counters_collected.inc();
            tracing::debug!(name = record.name, "counter removed: its RemediationRequest has ended");
        }
        Err(Error::NotFound(_) | Error::Conflict(_)) => {}
        Err(error) => tracing::warn!(name = record.name, %error, "a counter could not be removed"),
    }
}

/// Folds registers that have not changed for longer than any write of theirs can take, but for the newest.
async fn fold(core: &Core, seen: &mut Seen, uid: &str, counter: &Counter, now: Duration) {
    if counter.registers.len() <= REGISTERS_MAX {
        return;
    }
    let longest = decision_life(&core.config.view);
    let newest = counter.newest();
    let mut quiet = Vec::new();
    for (boot, register) in &counter.registers {
        let key = (uid.to_owned(), boot.clone());
        let (known, since) = seen.registers.get(&key).copied().unwrap_or((*register, now));
        let since = if known == *register { since } else { now };
        seen.registers.insert(key, (*register, since));
        if now.saturating_sub(since) > longest && Some(register.newest) != newest && boot != core.store.boot() {
            quiet.push(boot.clone());
        }
    }
    if quiet.is_empty() {
        return;
    }
    let deadline = core.context.monotonic() + REQUEST_TIMEOUT;
    match core.store.fold(uid, fold_patch(counter, &quiet), deadline).await {
        Ok(_) => core.metrics.registers_folded.inc_by(quiet.len().try_into().unwrap_or(u64::MAX)),
        Err(Error::NotFound(_) | Error::Invalid(_) | Error::Conflict(_)) => {}
        Err(error) => tracing::warn!(uid, %error, "registers could not be folded"),
    }
}

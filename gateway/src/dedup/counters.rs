//! Looks after counters: projects what a replica that crashed did not, folds the registers of many boots into one, and
//! removes counters that nothing counts on any more.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Weak},
    time::Duration,
};

use super::{
    bounds::{REQUEST_TIMEOUT, decision_life},
    core::Core,
    projector,
    protocol::projection::{Counted, Due, patch},
    unchanged::Unchanged,
    versions::Trace,
};
use crate::{
    kubernetes::Error,
    remediation::{BootId, Counter, Record, Register, ResourceVersion, fold_patch},
};

/// Registers of a counter from which on some are folded.
const REGISTERS_MAX: usize = 16;
/// A count that its status has not said for so long is projected.
const UNPROJECTED_MAX: Duration = Duration::from_secs(3);
/// Counters projected at a time.
const RESCUES_MAX: usize = 1000;
/// Counters that are folded or removed in one sweep: claims wait for the end of it.
const CLEARED_MAX: usize = 200;
/// Raised counts looked at in one sweep: one would do to tell that another version counts.
const RAISED_MAX: usize = 8;

/// What earlier sweeps saw.
#[derive(Default)]
pub(super) struct Seen {
    /// Counters of what has ended, and since when they have not changed.
    ended: Unchanged<String, ResourceVersion>,
    /// Registers of crowded counters, and since when they have not changed.
    registers: Unchanged<(String, BootId), Register>,
    /// The counters that there were, by what they count.
    counters: BTreeSet<String>,
    /// Counters that are being projected.
    rescues: BTreeMap<String, Weak<()>>,
    /// The first counter that was left to the next sweep.
    left: Option<String>,
}

/// Looks once at all counters.
pub(super) async fn sweep(core: &Arc<Core>, seen: &mut Seen) -> Result<(), Error> {
    let Core { store, context, view, .. } = &**core;
    let mut raised = view.take_raised();
    if view.epoch() > 0 {
        // A replica that has not noticed that history went back may raise a count to what it had been.
        raised.clear();
    }
    let counters = store.counters(context.monotonic() + REQUEST_TIMEOUT).await?;
    let listed = context.steady();
    let has_ended = |uid: &str| view.by_uid(uid).is_none_or(|record| !record.counts_signals(context.now()));
    seen.ended.retain(|uid| counters.contains_key(uid) && has_ended(uid));
    seen.registers.retain(|(uid, _)| counters.contains_key(uid));
    raised.retain(|uid, _| !seen.counters.contains(&**uid) || counters.contains_key(&**uid));
    seen.counters = counters.keys().cloned().collect();
    judge_raised(core, &raised, &counters).await?;
    core.registers.retain(|uid| view.by_uid(uid).is_some() || counters.contains_key(uid));
    seen.rescues.retain(|_, under_way| under_way.strong_count() > 0);
    let mut cleared = 0;
    let first = seen.left.take().unwrap_or_default();
    // In turn: what cannot be cleared keeps no other from it.
    for (uid, counter) in counters.range(first.clone()..).chain(counters.range(..first)) {
        // One of what is gone goes with it.
        let Some(record) = view.by_uid(uid) else { continue };
        let quiet = quiet_registers(core, seen, uid, counter, listed);
        let counts = record.counts_signals(context.now());
        let is_over =
            !counts && seen.ended.observe(uid.clone(), counter.version, listed) > decision_life(&core.config.view);
        if counts && Counted::of(counter, &record, context.now()).is_ahead_of(&record) {
            project_soon(core, seen, uid, counter.version);
        }
        if quiet.is_empty() && !is_over {
            continue;
        }
        if cleared == CLEARED_MAX {
            seen.left.get_or_insert_with(|| uid.clone());
            continue;
        }
        cleared += 1;
        if !quiet.is_empty() {
            fold(core, uid, counter, &quiet).await;
        }
        if is_over {
            remove(core, uid, counter, &record).await;
        }
    }
    Ok(())
}

/// Looks whether counts were `raised` beyond what `counters`, which were listed afterwards, say: this version writes into a
/// status no more than it has counted before, and takes nothing back while the remediation is active. A counter that was there
/// and is not any more was deleted by somebody, which tells nothing of versions.
async fn judge_raised(
    core: &Core,
    raised: &BTreeMap<Box<str>, u64>,
    counters: &BTreeMap<String, Counter>,
) -> Result<(), Error> {
    let too_much = |uid: &str, said: u64| counters.get(uid).is_none_or(|counter| counter.total() < said);
    for (uid, said) in raised.iter().filter(|(uid, said)| too_much(uid, **said)).take(RAISED_MAX) {
        let Some(known) = core.view.by_uid(uid) else { continue };
        let deadline = core.context.monotonic() + REQUEST_TIMEOUT;
        // The list goes by labels, which somebody may have taken from it.
        let counter = core.store.counter(uid, deadline).await?;
        if counter.is_some_and(|counter| counter.total() >= *said) {
            continue;
        }
        let found = core.store.object(&known.name, deadline).await?;
        let is_so = |now: &Record| now.uid == *uid && now.is_active() && now.occurrences() >= *said;
        if found.is_some_and(|now| is_so(&now)) {
            core.versions.note(Trace::Raised, &known.name);
        }
    }
    Ok(())
}

/// Projects the counter of the RemediationRequest `uid` if nobody has done so in a while, nor counted on it.
fn project_soon(core: &Arc<Core>, seen: &mut Seen, uid: &str, version: ResourceVersion) {
    if seen.rescues.contains_key(uid) {
        return;
    }
    if seen.rescues.len() >= RESCUES_MAX {
        seen.left.get_or_insert_with(|| uid.to_owned());
        return;
    }
    let (core, uid, under_way) = (Arc::clone(core), uid.to_owned(), Arc::new(()));
    seen.rescues.insert(uid.clone(), Arc::downgrade(&under_way));
    core.context.clone().spawn(async move {
        core.context.sleep(core.context.jitter(UNPROJECTED_MAX, UNPROJECTED_MAX * 2)).await;
        let (now, epoch) = (core.context.monotonic(), core.view.epoch());
        let Ok(Some(counter)) = core.store.counter(&uid, now + REQUEST_TIMEOUT).await else { return };
        let Some(record) = core.view.by_uid(&uid).filter(|_| counter.version == version) else { return };
        let counted = Counted::of(&counter, &record, core.context.now());
        if projector::project(&core, epoch, Due { record, counted, known: now }).await {
            core.metrics.projections.with_label_values(&["rescued"]).inc();
        }
        drop(under_way);
    });
}

/// Removes the counter of what has ended, after its status says exactly what was counted: what was taken back may have been
/// projected before.
async fn remove(core: &Core, uid: &str, counter: &Counter, record: &Record) {
    let Core { store, context, metrics, view, .. } = core;
    // Etcd may have been restored from a backup, and the view not know it.
    let (deadline, asked) = (context.monotonic() + REQUEST_TIMEOUT, view.asked(&record.fingerprint));
    let record = match store.object(&record.name, deadline).await {
        Ok(Some(found))
            if view.agrees(&asked, &found) && found.uid == record.uid && !found.counts_signals(context.now()) =>
        {
            found
        }
        _ => return,
    };
    if let Some(steps) = patch(&record, Counted::of(counter, &record, context.now()), true) {
        match projector::write(core, &record, steps, context.monotonic()).await {
            // The counter is removed in a later sweep.
            Ok(()) | Err(Error::NotFound(_) | Error::Invalid(_) | Error::Conflict(_)) => {}
            Err(error) => tracing::warn!(name = record.name, %error, "the last count could not be written"),
        }
        return;
    }
    let deadline = context.monotonic() + REQUEST_TIMEOUT;
    match store.delete_counter(uid, counter, deadline).await {
        Ok(()) => {
            metrics.counters_collected.inc();
            tracing::debug!(name = record.name, "counter removed: its RemediationRequest has ended");
        }
        Err(Error::NotFound(_) | Error::Conflict(_)) => {}
        Err(error) => tracing::warn!(name = record.name, %error, "a counter could not be removed"),
    }
}

/// Of a crowded counter, the registers that have not changed for longer than any write of theirs can take, but for the newest.
fn quiet_registers(core: &Core, seen: &mut Seen, uid: &str, counter: &Counter, now: Duration) -> Vec<BootId> {
    if counter.registers.len() <= REGISTERS_MAX {
        return Vec::new();
    }
    let longest = decision_life(&core.config.view);
    let newest = counter.newest();
    let mut quiet = Vec::new();
    for (boot, register) in &counter.registers {
        let unchanged = seen.registers.observe((uid.to_owned(), boot.clone()), *register, now);
        if unchanged > longest && Some(register.newest) != newest && boot != core.store.boot() {
            quiet.push(boot.clone());
        }
    }
    quiet
}

/// Folds `quiet` registers.
async fn fold(core: &Core, uid: &str, counter: &Counter, quiet: &[BootId]) {
    let deadline = core.context.monotonic() + REQUEST_TIMEOUT;
    match core.store.fold(uid, fold_patch(counter, quiet), deadline).await {
        Ok(_) => core.metrics.registers_folded.inc_by(quiet.len().try_into().unwrap_or(u64::MAX)),
        Err(Error::NotFound(_) | Error::Invalid(_) | Error::Conflict(_)) => {}
        Err(error) => tracing::warn!(uid, %error, "registers could not be folded"),
    }
}

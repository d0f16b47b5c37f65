//! Carries out a projection: brings the status of one RemediationRequest up to its counter.

use std::sync::Arc;

use serde_json::Value;

use super::{
    bounds::REQUEST_TIMEOUT,
    core::Core,
    protocol::projection::{Counted, DELAY, Due, patch},
};
use crate::{config::decided_within, context::Monotonic, kubernetes::Error, remediation::Record};

/// Tries after which it is left to the collector.
const TRIES_MAX: u32 = 5;

/// Makes the status say at least what is `due`, trying a few times. Tells whether it wrote it. What was counted in an `epoch` of
/// the view that is over may have been undone: the collector will see what is there.
pub(super) async fn project(core: &Core, epoch: u64, due: Due) -> bool {
    let Core { context, metrics, view, .. } = core;
    let Due { mut record, mut counted, mut known } = due;
    for _ in 0..TRIES_MAX {
        if view.epoch() != epoch {
            return false;
        }
        let Some(steps) = patch(&record, counted, false) else { return false };
        let Err(error) = write(core, &record, steps, known).await else { return true };
        // Somebody wrote the status meanwhile, or it is gone.
        let refused = matches!(error, Error::Invalid(_) | Error::Conflict(_) | Error::NotFound(_));
        if !refused {
            failed(core, &record, &error).await;
        }
        let before = context.monotonic();
        let found = newest(core, &record, counted).await;
        if refused {
            // Nobody has: it is refused for another reason.
            if matches!(&found, Ok(Some((newest, _))) if newest.version == record.version) {
                failed(core, &record, &error).await;
                continue;
            }
            metrics.projections.with_label_values(&["outrun"]).inc();
        }
        match found {
            Ok(Some(newest)) => ((record, counted), known) = (newest, before),
            Ok(None) => return false,
            Err(_) => context.sleep(context.jitter(DELAY.0, DELAY.1)).await,
        }
    }
    tracing::warn!(name = record.name, "the count could not be written into the status; the collector will try again");
    false
}

/// Counts and logs a failure, and lets some time pass.
async fn failed(core: &Core, record: &Record, error: &Error) {
    core.metrics.projections.with_label_values(&["failed"]).inc();
    tracing::debug!(name = record.name, %error, "the count could not be written into the status");
    core.context.sleep(core.context.jitter(DELAY.0, DELAY.1)).await;
}

/// The object of `record` and what is counted on it, as they are now: `counted` where that is said already, or nothing is
/// counted beside the object yet. None if one of them is gone, or history went back.
async fn newest(core: &Core, record: &Record, counted: Counted) -> Result<Option<(Arc<Record>, Counted)>, Error> {
    let Core { store, context, view, .. } = core;
    let (deadline, asked) = (context.monotonic() + REQUEST_TIMEOUT, view.asked(&record.fingerprint));
    let found = store.object(&record.name, deadline).await?;
    if !view.agrees_with_get(&asked, &record.name, found.as_deref()) {
        return Ok(None);
    }
    let Some(newest) = found.filter(|newest| newest.uid == record.uid) else { return Ok(None) };
    if !counted.is_ahead_of(&newest) {
        return Ok(Some((newest, counted)));
    }
    let counter = store.counter(&newest.uid, deadline).await?;
    let counted = match counter {
        Some(counter) => Counted::of(&counter, &newest, context.now()),
        None if counted.total == 1 => counted,
        None => return Ok(None),
    };
    Ok(Some((newest, counted)))
}

/// Sends `steps`, the patch of the status of the object of `record`, once: so soon after what is to be said was `known` that
/// it takes effect before a collector removes the counter of what has ended meanwhile, and with it who would correct this.
pub(super) async fn write(core: &Core, record: &Record, steps: Value, known: Monotonic) -> Result<(), Error> {
    let Core { store, context, metrics, view, config, .. } = core;
    let (before, asked) = (context.monotonic(), view.asked(&record.fingerprint));
    let until = (known + decided_within(&config.view)).min(before + REQUEST_TIMEOUT);
    let written = store.patch_status(&record.name, steps, until).await?;
    view.agrees_with_write(&asked, before, Some(record.version), &written);
    metrics.projections.with_label_values(&["written"]).inc();
    Ok(())
}

//! Carries out a projection: brings the status of one RemediationRequest up to its counter.

use std::sync::Arc;

use serde_json::Value;

use super::{
    bounds::REQUEST_TIMEOUT,
    core::Core,
    protocol::projection::{Counted, DELAY, patch},
};
use crate::{kubernetes::Error, remediation::Record};

/// Tries after which it is left to the collector.
const TRIES_MAX: u32 = 5;

/// Makes the status of the object of `record` say `counted` at least, trying a few times. Tells whether it does.
pub(super) async fn project(core: &Core, mut record: Arc<Record>, counted: Counted) -> bool {
    let Core { store, context, metrics, .. } = core;
    for _ in 0..TRIES_MAX {
        let Some(steps) = patch(&record, counted, false) else { return true };
        match write(core, &record, steps).await {
            Ok(()) => return true,
            // Somebody wrote the status meanwhile, or it is gone.
            Err(Error::Invalid(_) | Error::Conflict(_) | Error::NotFound(_)) => {
                metrics.projections.with_label_values(&["outrun"]).inc()
            }
            Err(error) => {
                metrics.projections.with_label_values(&["failed"]).inc();
                tracing::debug!(name = record.name, %error, "the count could not be written into the status");
                context.sleep(context.jitter(DELAY.0, DELAY.1)).await;
            }
        }
        let deadline = context.monotonic() + REQUEST_TIMEOUT;
        match store.object(&record.name, deadline).await {
            Ok(Some(newest)) if newest.uid == record.uid => record = newest,
            Ok(_) => return false,
            Err(_) => context.sleep(context.jitter(DELAY.0, DELAY.1)).await,
        }
    }
    tracing::warn!(name = record.name, "the count could not be written into the status; the collector will try again");
    false
}

/// Sends `steps`, the patch of the status of the object of `record`, once.
pub(super) async fn write(core: &Core, record: &Record, steps: Value) -> Result<(), Error> {
    let Core { store, context, metrics, view, .. } = core;
    let (before, asked) = (context.monotonic(), view.asked(&record.fingerprint));
    let written = store.patch_status(&record.name, steps, before + REQUEST_TIMEOUT).await?;
    if view.agrees(&asked, &written) {
        view.mark(written.version, before);
    }
    metrics.projections.with_label_values(&["written"]).inc();
    Ok(())
}

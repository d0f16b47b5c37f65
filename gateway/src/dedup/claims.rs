//! Releases claims on predecessors, once nothing needs them any more.

use std::{sync::Arc, time::Duration};

use super::{bounds::REQUEST_TIMEOUT, core::Core};
use crate::{kubernetes::Error, remediation::Record};

/// Versions of one object on which a release is tried: others may write it meanwhile.
const TRIES: u32 = 5;
/// Before the second try; doubled for each further one.
const PAUSE: Duration = Duration::from_millis(100);

/// Removes a claim whose successor is known to exist, although others write the object meanwhile, as long as nobody has
/// claimed it anew.
pub(super) async fn release(core: Arc<Core>, claimed: Arc<Record>) {
    let deadline = core.context.monotonic() + REQUEST_TIMEOUT;
    let mut record = claimed;
    let mut pause = PAUSE;
    for _ in 0..TRIES {
        match core.store.release_claim(&record, deadline).await {
            Ok(()) | Err(Error::NotFound(_)) => return,
            Err(Error::Conflict(_)) => {}
            Err(error) => {
                tracing::warn!(name = record.name, %error, "could not release a claim; a collector will");
                return;
            }
        }
        core.context.sleep(core.context.jitter(pause / 2, pause)).await;
        pause *= 2;
        match core.store.get(&record.name, deadline).await {
            Ok(Some(newer)) if is_unchanged(&record, &newer) => record = newer,
            Ok(_) => return,
            Err(_) => {}
        }
    }
    tracing::warn!(name = record.name, "could not release a claim because of conflicts; a collector will");
}

/// Whether this is the object that was claimed, and its newest claim still the same one.
fn is_unchanged(claimed: &Record, found: &Record) -> bool {
    let same_claim = found.is_claimed() && found.claim.is_some() && found.claim == claimed.claim;
    found.uid == claimed.uid && same_claim
}

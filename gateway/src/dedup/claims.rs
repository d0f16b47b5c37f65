//! Claims on predecessors: how one is made, and how it is released once nothing needs it any more.

use std::{sync::Arc, time::Duration};

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::{bounds::REQUEST_TIMEOUT, core::Core};
use crate::{
    context::Monotonic,
    kubernetes::{Error, Operation},
    remediation::{CLAIM, Projected, Record, SUCCESSION_FINALIZER, unclaimed},
};

const GET: Operation = Operation { verb: "get", resource: "remediationrequests" };
const PATCH: Operation = Operation { verb: "patch", resource: "remediationrequests" };
/// Versions of one object on which a release is tried: others may write it meanwhile.
const TRIES: u32 = 5;
/// Before the second try; doubled for each further one.
const PAUSE: Duration = Duration::from_millis(100);

/// The patch by which `claim` (writer, attempt and number) claims exactly the version seen.
pub(super) fn patch(predecessor: &Record, claim: &str) -> Patch<Value> {
    let mut finalizers = predecessor.finalizers.clone();
    if !predecessor.is_claimed() {
        finalizers.push(SUCCESSION_FINALIZER.to_owned());
    }
    Patch::Merge(json!({ "metadata": {
        "resourceVersion": predecessor.version.to_string(),
        "uid": predecessor.uid,
        "finalizers": finalizers,
        "annotations": { CLAIM: claim },
    }}))
}

/// Removes a claim whose successor is known to exist, although others write the object meanwhile, as long as nobody has
/// claimed it anew.
pub(super) async fn release(core: &Core, claimed: Arc<Record>) {
    let deadline = core.context.monotonic() + REQUEST_TIMEOUT;
    let mut record = claimed;
    let mut pause = PAUSE;
    for _ in 0..TRIES {
        match remove(core, &record, deadline).await {
            Ok(()) | Err(Error::NotFound(_)) => return,
            Err(Error::Conflict(_)) => {}
            Err(error) => {
                tracing::warn!(name = record.name, %error, "a claim could not be released; a collector will do it");
                return;
            }
        }
        core.context.sleep(core.context.jitter(pause / 2, pause)).await;
        pause *= 2;
        match core.kubernetes.call(GET, deadline, || core.objects.get_opt(&record.name)).await.map(unchanged(&record)) {
            Ok(Some(newer)) => record = newer,
            Ok(None) => return,
            Err(_) => {}
        }
    }
    tracing::warn!(name = record.name, "a claim could not be released for conflicts; a collector will do it");
}

/// The object in its present version, if it is the one that was claimed and its newest claim is still the same one.
fn unchanged(claimed: &Record) -> impl Fn(Option<Projected>) -> Option<Arc<Record>> {
    move |found| {
        let found = found?.record().ok()?;
        let same_claim = found.is_claimed() && found.claim.is_some() && found.claim == claimed.claim;
        (found.uid == claimed.uid && same_claim).then(|| Arc::new(found))
    }
}

/// Removes the finalizer from exactly the version seen; a newer claim is left alone.
pub(super) async fn remove(core: &Core, record: &Record, deadline: Monotonic) -> Result<(), Error> {
    let patch = Patch::Merge(unclaimed(&record.version.to_string(), &record.finalizers));
    let params = PatchParams::default();
    core.kubernetes.call(PATCH, deadline, || core.objects.patch(&record.name, &params, &patch)).await.map(|_| ())
}

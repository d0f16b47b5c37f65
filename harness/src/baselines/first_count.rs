//! `first-count`: how the first version of the product counted.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use gateway::{
    context::Monotonic,
    dedup::{Accepted, Deduplicate, Error, Outcome},
    kubernetes::{self, Operation},
    remediation::Signal,
    runtime::Parts,
};
use jiff::Timestamp;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
};
use serde_json::{Value, json};

use super::{
    find::{Found, find_or_create},
    store::Store,
};

const GET: Operation = Operation { verb: "get", resource: "remediationrequests" };
const PATCH: Operation = Operation { verb: "patch", resource: "remediationrequests/status" };
/// Writers remembered in the status at most.
const WRITERS_MAX: usize = 32;
/// Patches and reads for one signal at most; a deadline ends it earlier.
const STEPS_MAX: usize = 1000;
const PAUSE_MAX: Duration = Duration::from_millis(200);

/// Counts in the status, by a merge patch that carries the version it was computed from. `status.deduplication.writers` tells
/// whether a patch whose answer was lost took effect.
///
/// Defects: whoever writes the status from types that do not know `writers` drops it, more writers than it holds push each
/// other out, and a CRD without it drops it too; then a signal is counted again. Every count conflicts with every write of
/// somebody else.
pub struct FirstCount {
    store: Store,
    objects: Api<DynamicObject>,
    /// `<pod>/<boot id>`.
    writer: String,
    sequences: AtomicI64,
}

impl FirstCount {
    pub(super) fn new(parts: &Parts) -> Self {
        let Parts { identity, context, kubernetes, .. } = parts;
        let kind = ApiResource::erase::<gateway::remediation::RemediationRequest>(&());
        Self {
            store: Store::new(parts),
            objects: Api::namespaced_with(kubernetes.client(), &identity.pod_namespace, &kind),
            writer: format!("{}/{:016x}", identity.pod_name, context.random()),
            sequences: AtomicI64::new(1),
        }
    }

    async fn count(&self, name: &str, outcome: Outcome, deadline: Monotonic) -> Result<Accepted, Error> {
        let Store { kubernetes, context, .. } = &self.store;
        let sequence = self.sequences.fetch_add(1, Ordering::Relaxed);
        // The one that created the object is counted with it.
        let size = i64::from(outcome == Outcome::Deduplicated);
        let mut pause = context.jitter(Duration::from_millis(1), Duration::from_millis(5));
        for _ in 0..STEPS_MAX {
            let object = kubernetes.call(GET, deadline, || self.objects.get(name)).await;
            let object = object.map_err(|error| Error::from(&error))?;
            let object = serde_json::to_value(object).unwrap_or_default();
            let counted = &object["status"]["deduplication"];
            let is_own = |writer: &Value| writer["name"] == self.writer.as_str() && writer["sequence"] == sequence;
            let occurrences = counted["occurrenceCount"].as_i64().unwrap_or(1);
            if counted["writers"].as_array().is_some_and(|writers| writers.iter().any(is_own)) {
                return Ok(self.accepted(name, outcome, occurrences));
            }
            let patch = self.patch(&object, occurrences + size, sequence);
            let params = PatchParams::default();
            match kubernetes.once(PATCH, deadline, self.objects.patch_status(name, &params, &Patch::Merge(patch))).await
            {
                Ok(_) => return Ok(self.accepted(name, outcome, occurrences + size)),
                Err(kubernetes::Error::Conflict(_)) => {}
                Err(error) if error.is_ambiguous() => {}
                Err(error) => return Err(Error::from(&error)),
            }
            context.sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
        Err(Error::Deadline)
    }

    /// Valid on the version read only.
    fn patch(&self, object: &Value, occurrences: i64, sequence: i64) -> Value {
        let writers = object["status"]["deduplication"]["writers"].as_array();
        let others = writers.into_iter().flatten().filter(|writer| writer["name"] != self.writer.as_str()).cloned();
        let own = json!({ "name": self.writer, "sequence": sequence });
        let writers: Vec<Value> = std::iter::once(own).chain(others).take(WRITERS_MAX).collect();
        let last_seen: Timestamp = self.store.context.now();
        json!({
            "metadata": { "resourceVersion": object["metadata"]["resourceVersion"] },
            "status": { "deduplication": {
                "occurrenceCount": occurrences, "lastSeenAt": last_seen, "writers": writers,
            } },
        })
    }

    fn accepted(&self, name: &str, outcome: Outcome, occurrences: i64) -> Accepted {
        let now = self.store.context.now();
        self.store.accepted(name, outcome, (i32::try_from(occurrences).unwrap_or(i32::MAX), now))
    }
}

impl Deduplicate for FirstCount {
    fn ingest(&self, signal: Signal, deadline: Monotonic) -> BoxFuture<'_, Result<Accepted, Error>> {
        async move {
            let Found { name, outcome } = find_or_create(&self.store, &signal, deadline).await?;
            self.count(&name, outcome, deadline).await
        }
        .boxed()
    }
}

//! Who else creates RemediationRequests.
//!
//! A *peer* uses the names that replicas derive, and not their lease. The fence does not need the lease, so a peer must do
//! no harm as long as it keeps the fence's rules: it decides on a consistent read, claims the predecessor in the version
//! read before it creates, sends nothing for a decision that is older than a replica's may be, and leaves alone what it
//! finds taken. A creator with these names that does not claim is no actor but the baseline `derived-only`: between its
//! read and its create retention may remove the predecessor, others then derive another name, and nobody can tell.
//!
//! A *foreign* creator uses names of its own, which no fence can see: it takes part only where twins are to be detected.
#![allow(clippy::disallowed_methods, reason = "creators live in the simulation's own time")]

use std::{sync::Arc, time::Duration};

use gateway::remediation::{
    CLAIM, CREATED_BY, Fingerprint, Projected, Record, SUCCESSION_FINALIZER, remediation_request_name,
};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams},
};
use rand::{RngExt, rngs::StdRng};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::world::{World, fingerprint, spec};
use crate::replica::NAMESPACE;

/// The foreign creator's user.
pub const FOREIGN: &str = "foreign-creator";
/// A decision is sent within this of its read. A replica's may be as old as the view's freshness and an attempt together,
/// 100 s; what is left out makes up for collectors whose clocks run fast.
const DECISION_MAX: Duration = Duration::from_secs(85);

/// Creates RemediationRequests of the resources that the scenario's signals are about.
pub(super) struct Creator {
    world: Arc<World>,
    rng: StdRng,
    user: &'static str,
    resources: usize,
    objects: Api<DynamicObject>,
    records: Api<Projected>,
    created: u32,
}

impl Creator {
    pub(super) fn new(world: &Arc<World>, rng: StdRng, user: &'static str, resources: usize) -> Self {
        let client = world.fleet.api.client(user, NAMESPACE);
        let kind = ApiResource::erase::<Projected>(&());
        let objects = Api::namespaced_with(client.clone(), NAMESPACE, &kind);
        let records = Api::namespaced(client, NAMESPACE);
        Self { world: Arc::clone(world), rng, user, resources, objects, records, created: 0 }
    }

    /// Keeps to the fence.
    pub(super) async fn play_peer(mut self, pause_ms: u64, think_ms: u64, releases: bool) {
        loop {
            self.sleep(pause_ms * 2).await;
            let resource = self.rng.random_range(0..self.resources.max(1));
            self.succeed(resource, think_ms, releases).await;
        }
    }

    /// Looks, and mostly creates only what it does not find; but it cannot know what others are about to create.
    pub(super) async fn play_foreign(mut self, pause_ms: u64) {
        loop {
            self.sleep(pause_ms * 2).await;
            let resource = self.rng.random_range(0..self.resources.max(1));
            let Some(records) = self.list(&fingerprint(resource)).await else { continue };
            if records.iter().all(|record| !record.is_active()) || self.rng.random_range(0..4) == 0 {
                self.create_foreign(resource).await;
            }
        }
    }

    /// Creates one under a name that nobody derives.
    pub(super) async fn create_foreign(&mut self, resource: usize) {
        self.created += 1;
        let name = format!("foreign-{:08x}-{}", self.rng.random::<u32>(), self.created);
        self.note(&format!("creates {name}"));
        self.create(&name, resource, &json!({})).await;
    }

    async fn sleep(&mut self, most_ms: u64) {
        let pause = self.rng.random_range(0..=most_ms);
        tokio::time::sleep(Duration::from_millis(pause.max(1))).await;
    }

    fn note(&self, text: &str) {
        self.world.fleet.trace.note(self.user, text);
    }

    /// All of a fingerprint as of now, if they can be read.
    async fn list(&self, fingerprint: &Fingerprint) -> Option<Vec<Record>> {
        let params = ListParams::default().fields(&format!("spec.signalFingerprint={fingerprint}"));
        let list = self.records.list(&params).await.ok()?;
        list.items.into_iter().map(|object| object.record().ok()).collect()
    }

    /// Creates the next one, if there is none that counts signals. Whatever fails is left: a later look finds it.
    async fn succeed(&mut self, resource: usize, think_ms: u64, releases: bool) {
        let fingerprint = fingerprint(resource);
        let read = Instant::now();
        let Some(records) = self.list(&fingerprint).await else { return };
        let now = self.world.fleet.api.now();
        if records.iter().any(|record| record.counts_signals(now)) {
            return;
        }
        let mut predecessor = records.into_iter().max_by(|a, b| a.place().cmp(&b.place()));
        if let Some(latest) = &predecessor {
            self.sleep(think_ms).await;
            let Some(claimed) = self.claim(latest, read).await else { return };
            predecessor = Some(claimed);
        }
        self.sleep(think_ms).await;
        if read.elapsed() > DECISION_MAX {
            return;
        }
        let latest = predecessor.as_ref().map(|record| (record.ordinal, &*record.uid));
        let name = remediation_request_name(&fingerprint, latest);
        let annotations = json!({ CREATED_BY: self.user });
        self.note(&format!("creates {name}"));
        let created = self.create(&name, resource, &annotations).await;
        if let Some(predecessor) = predecessor.filter(|_| created && releases) {
            let others = predecessor.finalizers.iter().filter(|finalizer| *finalizer != SUCCESSION_FINALIZER);
            let others: Vec<&String> = others.collect();
            self.patch(&predecessor, json!({ "finalizers": others })).await;
        }
    }

    /// Claims `latest` in the version read; its new version, if that succeeds.
    async fn claim(&mut self, latest: &Record, read: Instant) -> Option<Record> {
        if read.elapsed() > DECISION_MAX {
            return None;
        }
        let mut finalizers = latest.finalizers.to_vec();
        if !latest.is_claimed() {
            finalizers.push(SUCCESSION_FINALIZER.to_owned());
        }
        let claim = format!("{}/{:016x}", self.user, self.rng.random::<u64>());
        self.note(&format!("claims {}", latest.name));
        self.patch(latest, json!({ "finalizers": finalizers, "annotations": { CLAIM: claim } })).await
    }

    /// Changes metadata of `record` in exactly its version.
    async fn patch(&self, record: &Record, mut metadata: Value) -> Option<Record> {
        metadata["resourceVersion"] = json!(record.version.to_string());
        metadata["uid"] = json!(record.uid);
        let patch = Patch::Merge(json!({ "metadata": metadata }));
        let patched = self.records.patch(&record.name, &PatchParams::default(), &patch).await;
        patched.ok()?.record().ok()
    }

    /// Tells whether it certainly was created.
    async fn create(&self, name: &str, resource: usize, annotations: &Value) -> bool {
        let object = json!({
            "apiVersion": "kubernaut.ai/v1alpha1",
            "kind": "RemediationRequest",
            "metadata": { "name": name, "annotations": annotations },
            "spec": spec(resource),
        });
        let Ok(object) = serde_json::from_value::<DynamicObject>(object) else { return false };
        self.objects.create(&PostParams::default(), &object).await.is_ok()
    }
}

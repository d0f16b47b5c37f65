//! Who else writes RemediationRequests: a remediation controller, retention, users, and [other creators](super::creators).
#![allow(clippy::disallowed_methods, reason = "actors live in the simulation's own time")]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams, Preconditions},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::Instant};

use super::{
    creators::{Creator, FOREIGN},
    neighbours::{self, TYPED},
    network::PEER,
    scenario::{Actor, Arrival, Scenario},
    world::{self, World},
};
use crate::{
    baselines::Protocol,
    oracles::{REMEDIATION_REQUESTS, fingerprint, is_active, name},
    replica::NAMESPACE,
};

const PHASES: [&str; 2] = ["Processing", "Executing"];
const ENDS: [&str; 4] = ["Completed", "Failed", "TimedOut", "Skipped"];
/// How often those who delete look around, at most.
const LOOK_MS: u64 = 20_000;

/// Starts the actors of `scenario`; they end when the set is dropped.
///
/// A peer shares a fence with the replicas. Where they have none it takes no part: another protocol must fail by itself.
pub fn start(world: &Arc<World>, scenario: &Scenario, protocol: Protocol) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for (number, &actor) in scenario.actors.iter().enumerate() {
        let rng = StdRng::seed_from_u64(scenario.seed ^ (number as u64 + 1).wrapping_mul(0x6163_746f_7273));
        let (world, user) = (Arc::clone(world), actor.name());
        let creator = |rng| Creator::new(&world, rng, user, scenario.resources());
        match actor {
            Actor::Peer { .. } if !protocol.is_product() => {}
            Actor::Peer { pause_ms, think_ms, releases } => {
                tasks.spawn(creator(rng).play_peer(pause_ms, think_ms, releases));
            }
            Actor::Foreign { pause_ms } => {
                tasks.spawn(creator(rng).play_foreign(pause_ms));
            }
            Actor::Typed { .. } | Actor::Maps { .. } | Actor::Finalizers { .. } | Actor::Restorer { .. } => {
                tasks.spawn(neighbours::play(world, rng, actor, scenario.resources()));
            }
            Actor::Controller { .. } | Actor::Retention { .. } | Actor::User { .. } => {
                let api = api(world.fleet.api.client(user, NAMESPACE));
                let resources = scenario.resources();
                tasks.spawn(
                    Player { world, rng, api, resources, seen: BTreeMap::new(), senders: JoinSet::new() }.play(actor),
                );
            }
        }
    }
    tasks
}

fn api(client: Client) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("kubernaut.ai", "v1alpha1", "RemediationRequest");
    Api::namespaced_with(client, NAMESPACE, &ApiResource::from_gvk(&kind))
}

impl Actor {
    /// Who it is.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Controller { .. } => "remediation-controller",
            Self::Retention { .. } => "retention",
            Self::User { .. } => "user",
            Self::Peer { .. } => PEER,
            Self::Foreign { .. } => FOREIGN,
            Self::Typed { .. } => TYPED,
            Self::Maps { .. } => "label-controller",
            Self::Finalizers { .. } => "kubernetes-admin",
            Self::Restorer { .. } => "restorer",
        }
    }
}

struct Player {
    world: Arc<World>,
    rng: StdRng,
    api: Api<DynamicObject>,
    resources: usize,
    /// By uid: since when it has been as it must be to be deleted.
    seen: BTreeMap<String, Instant>,
    /// Of signals that come with a deletion.
    senders: JoinSet<bool>,
}

impl Player {
    async fn play(mut self, actor: Actor) {
        loop {
            match actor {
                Actor::Controller { pause_ms, full_put } => {
                    self.sleep(0, pause_ms * 2).await;
                    self.advance(full_put).await;
                }
                Actor::Retention { after_ms, signals, around_ms } => {
                    self.sleep(1, after_ms.clamp(200, LOOK_MS)).await;
                    let Some(request) = self.ripe(|request| !is_active(request), after_ms) else { continue };
                    self.signals(&request, signals, around_ms);
                    self.sleep(0, around_ms).await;
                    self.delete(&request, "deletes a terminal one").await;
                }
                Actor::User { after_ms } => {
                    self.sleep(1, after_ms.clamp(200, LOOK_MS)).await;
                    let Some(request) = self.ripe(is_active, after_ms) else { continue };
                    self.delete(&request, "deletes an active one").await;
                }
                _ => return,
            }
        }
    }

    async fn sleep(&mut self, least_ms: u64, most_ms: u64) {
        let pause = self.rng.random_range(least_ms..=most_ms);
        tokio::time::sleep(Duration::from_millis(pause.max(1))).await;
    }

    fn note(&self, who: &str, text: &str) {
        self.world.fleet.trace.note(who, text);
    }

    /// The RemediationRequests that are `fit`.
    fn requests(&self, fit: impl Fn(&Value) -> bool) -> Vec<Arc<Value>> {
        let mut requests = self.world.fleet.api.stored(REMEDIATION_REQUESTS);
        requests.retain(|request| fit(request));
        requests
    }

    /// Moves one to its next phase, with a condition of its own, and sometimes lets it suppress for a while.
    async fn advance(&mut self, full_put: bool) {
        let active = self.requests(is_active);
        let Some(request) = active.get(self.rng.random_range(0..active.len().max(1))) else { return };
        let phase = if self.rng.random_range(0..3) > 0 {
            ENDS[self.rng.random_range(0..ENDS.len())]
        } else {
            PHASES[self.rng.random_range(0..PHASES.len())]
        };
        let mut status = json!({ "overallPhase": phase });
        if ENDS.contains(&phase) && self.rng.random_range(0..3) == 0 {
            let until = self.world.fleet.api.now().as_second() + self.rng.random_range(0..30);
            let until = jiff::Timestamp::from_second(until).unwrap_or_default();
            status["routingStatus"] = json!({ "nextAllowedExecution": until.to_string() });
        }
        self.note("remediation-controller", &format!("{} becomes {phase}", name(request)));
        // Whatever the API says: a controller would come again.
        let _ = if full_put { self.put(request, status).await } else { self.patch(request, &status).await };
    }

    async fn patch(&self, request: &Value, status: &Value) -> kube::Result<DynamicObject> {
        let patch = Patch::Merge(json!({ "status": status }));
        self.api.patch_status(name(request), &PatchParams::default(), &patch).await
    }

    /// Writes the whole status back, unknown fields included, in the version read.
    async fn put(&self, request: &Value, status: Value) -> kube::Result<DynamicObject> {
        let mut object = self.api.get_status(name(request)).await?;
        if !is_active(&serde_json::to_value(&object).unwrap_or_default()) {
            return Ok(object);
        }
        let mut whole = object.data.get("status").cloned().unwrap_or_else(|| json!({}));
        json_patch::merge(&mut whole, &status);
        object.data["status"] = whole;
        self.api.replace_status(name(request), &PostParams::default(), &object).await
    }

    /// One that has been `fit` for `after_ms`.
    fn ripe(&mut self, fit: impl Fn(&Value) -> bool, after_ms: u64) -> Option<Arc<Value>> {
        let requests = self.requests(fit);
        let now = Instant::now();
        for request in &requests {
            self.seen.entry(uid(request).to_owned()).or_insert(now);
        }
        self.seen.retain(|seen, _| requests.iter().any(|request| uid(request) == seen));
        let ripe: Vec<_> = requests
            .iter()
            .filter(|request| request["metadata"]["deletionTimestamp"].is_null())
            .filter(|request| {
                let since = self.seen.get(uid(request)).copied().unwrap_or(now);
                now.saturating_duration_since(since) >= Duration::from_millis(after_ms)
            })
            .collect();
        ripe.get(self.rng.random_range(0..ripe.len().max(1))).map(|request| Arc::clone(request))
    }

    /// In the version seen: an active one may meanwhile have ended, and has then ended only now.
    async fn delete(&self, request: &Value, what: &str) {
        self.note("deleter", &format!("{what}: {}", name(request)));
        let version = request["metadata"]["resourceVersion"].as_str().map(str::to_owned);
        let preconditions = Preconditions { uid: Some(uid(request).to_owned()), resource_version: version };
        let _ = self.api.delete(name(request), &DeleteParams::default().preconditions(preconditions)).await;
    }

    /// Sends `count` signals about what `request` is about within twice `around_ms`, each to some replica.
    fn signals(&mut self, request: &Value, count: u8, around_ms: u64) {
        let about = (0..self.resources).find(|number| world::fingerprint(*number).as_str() == fingerprint(request));
        let Some(resource) = about else { return };
        for _ in 0..count {
            let replica = self.rng.random_range(0..self.world.len().max(1));
            let arrival = Arrival { at_ms: self.rng.random_range(0..=around_ms * 2), replica, resource, retries: 1 };
            let world = Arc::clone(&self.world);
            self.senders.spawn(async move {
                tokio::time::sleep(Duration::from_millis(arrival.at_ms)).await;
                world.send(arrival).await
            });
        }
    }
}

fn uid(request: &Value) -> &str {
    request["metadata"]["uid"].as_str().unwrap_or_default()
}

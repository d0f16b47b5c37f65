//! Neighbours that write RemediationRequests within their rights, and without any thought of this gateway.
#![allow(clippy::disallowed_methods, reason = "neighbours live in the simulation's own time")]

use std::{sync::Arc, time::Duration};

use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
};
use rand::{RngExt, rngs::StdRng};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    scenario::{Actor, Adopted},
    world::{World, fingerprint, spec},
};
use crate::{
    fleet::Fleet,
    oracles::{Progress, REMEDIATION_REQUESTS, is_active, name},
    replica::NAMESPACE,
};

/// The typed controller's user.
pub const TYPED: &str = "typed-controller";
/// Between its read and its write, a controller works for so long.
const WORK: Duration = Duration::from_millis(20);
/// Writes of one change at most.
const TRIES_MAX: u32 = 200;
/// What Go types of the predecessor service know of `status.deduplication`.
const KNOWN: [&str; 3] = ["firstSeenAt", "lastSeenAt", "occurrenceCount"];

/// A controller written against Go types: it reads an object, works, and writes the whole status back in the version read,
/// without the fields that its types do not know.
pub struct TypedController {
    api: Api<DynamicObject>,
}

/// How a change of it went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change {
    /// Writes that it took.
    pub tries: u32,
    /// From its first read to the answer to its last write.
    pub took: Duration,
    /// Whether the last one took effect.
    pub done: bool,
}

impl TypedController {
    /// One of the API of `fleet`.
    pub fn new(fleet: &Fleet) -> Self {
        Self::over(api(fleet, TYPED))
    }

    /// One that writes through `api`.
    pub(crate) fn over(api: Api<DynamicObject>) -> Self {
        Self { api }
    }

    /// Moves `name` to `phase`, again at once after a conflict; tells the oracles of `fleet` how it gets on. None if there
    /// is nothing to move any more, or something else went wrong.
    pub async fn set_phase(&self, fleet: &Fleet, name: &str, phase: &str) -> Option<Change> {
        let since_ms = fleet.api.now().as_millisecond();
        let tell = |Change { tries, done, .. }| {
            let at_ms = fleet.api.now().as_millisecond();
            fleet.oracles.on_neighbour(&Progress { user: TYPED, object: name, since_ms, at_ms, tries, done });
        };
        self.change(name, phase, tell).await
    }

    /// As [`TypedController::set_phase`]; `tell` is told after each write.
    pub(crate) async fn change(&self, name: &str, phase: &str, tell: impl Fn(Change)) -> Option<Change> {
        let began = Instant::now();
        let mut change = Change::default();
        while change.tries < TRIES_MAX && !change.done {
            let mut object = self.api.get(name).await.ok()?;
            if !is_active(&serde_json::to_value(&object).unwrap_or_default()) {
                return None;
            }
            tokio::time::sleep(WORK).await;
            object.data["status"] = typed_status(&object.data["status"], phase);
            let written = self.api.replace_status(name, &PostParams::default(), &object).await;
            change.done = match &written {
                Ok(_) => true,
                Err(kube::Error::Api(status)) if status.code == 409 => false,
                Err(_) => return None,
            };
            change.tries += 1;
            change.took = began.elapsed();
            tell(change);
        }
        Some(change)
    }
}

/// `status` as Go types know it, in `phase`.
fn typed_status(status: &Value, phase: &str) -> Value {
    let mut status = status.clone();
    if let Some(deduplication) = status.get_mut("deduplication").and_then(Value::as_object_mut) {
        deduplication.retain(|field, _| KNOWN.contains(&field.as_str()));
    }
    status["overallPhase"] = json!(phase);
    status
}

fn api(fleet: &Fleet, user: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("kubernaut.ai", "v1alpha1", "RemediationRequest");
    Api::namespaced_with(fleet.api.client(user, NAMESPACE), NAMESPACE, &ApiResource::from_gvk(&kind))
}

/// Replaces `metadata.labels` and `metadata.annotations` of `name` by others, whatever was there.
pub async fn replace_maps(fleet: &Fleet, name: &str) {
    let api = api(fleet, "label-controller");
    for _ in 0..TRIES_MAX {
        let Ok(mut object) = api.get(name).await else { return };
        let one = |key: &str| Some([(key.to_owned(), "shop".to_owned())].into());
        object.metadata.annotations = one("argocd.argoproj.io/tracking-id");
        object.metadata.labels = one("team");
        match api.replace(name, &PostParams::default(), &object).await {
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            _ => return,
        }
    }
}

/// Removes all finalizers of `name`, as `user`.
async fn remove_finalizers(fleet: &Fleet, user: &str, name: &str) {
    let patch = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    fleet.trace.note(user, &format!("removes the finalizers of {name}"));
    let _ = api(fleet, user).patch(name, &PatchParams::default(), &patch).await;
}

/// A RemediationRequest of the predecessor service, as it is in the store; `random` makes its name.
pub fn adopted(fleet: &Fleet, adopted: Adopted, random: u32) -> Value {
    let Adopted { resource, terminal, count, age_s } = adopted;
    let fingerprint = fingerprint(resource);
    let created = fleet.api.now().as_second() - i64::from(age_s);
    let created = jiff::Timestamp::from_second(created).unwrap_or_default();
    let mut status = json!({});
    if let Some(count) = count {
        status["deduplication"] = json!({ "occurrenceCount": count, "firstSeenAt": created, "lastSeenAt": created });
    }
    status["overallPhase"] = json!(if terminal { "Completed" } else { "Processing" });
    json!({
        "apiVersion": "kubernaut.ai/v1alpha1",
        "kind": "RemediationRequest",
        "metadata": {
            "name": format!("rr-{}-{random:08x}", &fingerprint.as_str()[..12]),
            "namespace": NAMESPACE,
            "creationTimestamp": created.to_string(),
        },
        "spec": spec(resource),
        "status": status,
    })
}

/// Whether a gateway has created one about `resource`: what comes to it is not the newest of the succession. While there is
/// none, a gateway may be about to create the first, and what appears then is what no fence can see.
fn has_lineage(fleet: &Fleet, resource: usize) -> bool {
    let about = fingerprint(resource);
    let derived = |request: &Value| name(request).split('-').count() == 4;
    let requests = fleet.api.stored(REMEDIATION_REQUESTS);
    requests.iter().any(|request| crate::oracles::fingerprint(request) == about.as_str() && derived(request))
}

/// Plays a neighbour of one run until it is dropped.
pub(super) async fn play(world: Arc<World>, mut rng: StdRng, actor: Actor, resources: usize) {
    let typed = TypedController::new(&world.fleet);
    let pause_ms = match actor {
        Actor::Typed { pause_ms }
        | Actor::Maps { pause_ms }
        | Actor::Finalizers { pause_ms }
        | Actor::Restorer { pause_ms } => pause_ms,
        _ => return,
    };
    loop {
        let pause = rng.random_range(1..=(pause_ms * 2).max(1));
        tokio::time::sleep(Duration::from_millis(pause)).await;
        if matches!(actor, Actor::Restorer { .. }) {
            let (resource, age_s) = (rng.random_range(0..resources.max(1)), rng.random_range(60..7_200));
            if !has_lineage(&world.fleet, resource) {
                continue;
            }
            let one = Adopted { resource, terminal: true, count: Some(rng.random_range(1..=9)), age_s };
            world.fleet.api.seed(adopted(&world.fleet, one, rng.random()));
            continue;
        }
        let mut requests = world.fleet.api.stored(REMEDIATION_REQUESTS);
        requests.retain(|request| match actor {
            Actor::Maps { .. } => true,
            Actor::Finalizers { .. } => !request["metadata"]["deletionTimestamp"].is_null(),
            _ => is_active(request),
        });
        let Some(request) = requests.get(rng.random_range(0..requests.len().max(1))) else { continue };
        let name = name(request);
        if matches!(actor, Actor::Maps { .. }) {
            replace_maps(&world.fleet, name).await;
        } else if matches!(actor, Actor::Finalizers { .. }) {
            remove_finalizers(&world.fleet, actor.name(), name).await;
        } else {
            let phases = ["Processing", "Analyzing", "Executing", "Verifying", "Completed", "Failed"];
            let phase = phases[rng.random_range(0..phases.len())];
            world.fleet.trace.note(TYPED, &format!("wants {name} to become {phase}"));
            typed.set_phase(&world.fleet, name, phase).await;
        }
    }
}

//! Beyond the bounds: twins cannot be prevented, and are detected.

use gateway::context::Context;
use harness::{
    cluster::{Permissions, remediation_requests},
    control_plane::for_tests,
    oracles::{Violation, occurrences},
    replica::config,
    testing::{fingerprint, wait_ms},
};
use kube::{
    Api,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::world::{World, client, detached, held_before_creates};

#[tokio::test]
async fn twins_that_a_foreign_creator_makes_are_detected_by_every_replica_and_signals_go_to_the_older_one() {
    let Some(plane) = for_tests().await else { return };
    let world = World::new(&plane, 3).await;
    let ours = world.send(0, "twins").await.body["remediationRequestName"].clone();
    let api = objects(&world);
    let spec = world.requests("twins").await.remove(0)["spec"].clone();
    // Creation times have whole seconds.
    wait_ms(1_100).await;
    let twin = DynamicObject::new("made-by-a-stranger", &remediation_requests()).data(json!({"spec": spec}));
    world.stage.with_ledger(|ledger| ledger.attempt(fingerprint("twins").as_str()));
    api.create(&PostParams::default(), &twin).await.unwrap();
    set_phase(&api, "made-by-a-stranger", "Pending").await;

    for index in 0..3 {
        assert_twins_are_detected_by(&world, index).await;
        let answer = world.send(index, "twins").await;
        assert_eq!((answer.status.as_u16(), &answer.body["remediationRequestName"]), (202, &ours), "{answer:?}");
    }
    let found: Vec<&str> = world.stage.finish(&config()).await.iter().map(|Violation { oracle, .. }| *oracle).collect();
    assert_eq!(found, ["single-active"], "the oracle sees what the replicas see");
    let mut counts: Vec<u64> = world.requests("twins").await.iter().map(occurrences).collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 4]);
}

/// A stop between the decision and the create that outlasts everything, and a deletion within *D* of the end: the name that was
/// decided on is free again.
#[tokio::test]
async fn twins_that_a_create_from_beyond_the_bounds_makes_are_detected_by_every_replica() {
    let Some(plane) = for_tests().await else { return };
    let mut world = World::empty(&plane, Permissions::Full).await;
    // As if the process had been stopped right before it sent the create: sent later, whoever waits for it then.
    let (held, came, go) = held_before_creates(client(&plane, 1).await);
    world.start(1, detached(held), Context::system()).await;
    for number in 2..=3 {
        world.start(number, client(&plane, number).await, Context::system()).await;
    }
    let api = objects(&world);
    let (stopped, others) = futures::join!(world.send(0, "late"), async {
        // The stopped one has the lock; the others go on without it once lock.waitTimeout is over.
        drop(came.acquire().await);
        let first = world.send_until_accepted(1, "late").await.body["remediationRequestName"].clone();
        let first = first.as_str().unwrap_or_default().to_owned();
        set_phase(&api, &first, "Completed").await;
        let second = world.send_until_accepted(2, "late").await.body["remediationRequestName"].clone();
        until_released(&api, &first).await;
        api.delete(&first, &DeleteParams::default()).await.unwrap();
        go.add_permits(1);
        (first, second)
    });
    let (first, second) = others;
    assert_eq!(stopped.body["remediationRequestName"], first.as_str(), "{stopped:?}");
    assert_ne!(second, first.as_str());

    for index in 0..3 {
        assert_twins_are_detected_by(&world, index).await;
    }
    let found: Vec<&str> = world.stage.finish(&config()).await.iter().map(|Violation { oracle, .. }| *oracle).collect();
    assert!(found.contains(&"single-active"), "the oracle sees what the replicas see: {found:?}");
}

fn objects(world: &World) -> Api<DynamicObject> {
    Api::namespaced_with(world.stage.client.clone(), &world.stage.namespace, &remediation_requests())
}

async fn set_phase(api: &Api<DynamicObject>, name: &str, phase: &str) {
    let patch: Patch<Value> = Patch::Merge(json!({"status": {"overallPhase": phase}}));
    api.patch_status(name, &PatchParams::default(), &patch).await.unwrap();
}

/// Waits until no claim is left on `name`.
async fn until_released(api: &Api<DynamicObject>, name: &str) {
    for _ in 0..1_000 {
        if api.get(name).await.unwrap().metadata.finalizers.unwrap_or_default().is_empty() {
            return;
        }
        wait_ms(50).await;
    }
    panic!("the claim on {name} was not released");
}

async fn assert_twins_are_detected_by(world: &World, index: usize) {
    let detected = world.metric_once_counted(index, "gateway_twins_detected_total").await;
    assert!((detected - 1.0).abs() < f64::EPSILON, "replica {index} noticed {detected}");
}

//! Beyond the bounds: a creator with names of its own cannot be fenced, but is detected.

use harness::{
    cluster::remediation_requests,
    control_plane::for_tests,
    oracles::{Violation, occurrences},
};
use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::json;

use crate::world::{World, fingerprint, wait_ms};

#[tokio::test]
async fn twins_that_a_foreign_creator_makes_are_detected_by_every_replica_and_signals_go_to_the_older_one() {
    let Some(plane) = for_tests().await else { return };
    let world = World::new(&plane, 3).await;
    let ours = world.send(0, "twins").await.body["remediationRequestName"].clone();
    let api: Api<DynamicObject> =
        Api::namespaced_with(world.stage.client.clone(), &world.stage.namespace, &remediation_requests());
    let spec = world.requests("twins").await.remove(0)["spec"].clone();
    // Creation times have whole seconds.
    wait_ms(1_100).await;
    let twin = DynamicObject::new("made-by-a-stranger", &remediation_requests()).data(json!({"spec": spec}));
    world.stage.with_ledger(|ledger| ledger.attempt(fingerprint("twins").as_str()));
    api.create(&PostParams::default(), &twin).await.unwrap();
    let pending = Patch::Merge(json!({"status": {"overallPhase": "Pending"}}));
    api.patch_status("made-by-a-stranger", &PatchParams::default(), &pending).await.unwrap();

    for index in 0..3 {
        let mut detected = 0.0;
        for _ in 0..100 {
            detected = world.metric(index, "gateway_twins_detected_total").await;
            if detected > 0.0 {
                break;
            }
            wait_ms(50).await;
        }
        assert!((detected - 1.0).abs() < f64::EPSILON, "replica {index} noticed {detected}");
        let answer = world.send(index, "twins").await;
        assert_eq!((answer.status.as_u16(), &answer.body["remediationRequestName"]), (202, &ours), "{answer:?}");
    }
    let found: Vec<&str> = world.stage.finish().await.iter().map(|Violation { oracle, .. }| *oracle).collect();
    assert_eq!(found, ["single-active"], "the oracle sees what the replicas see");
    let mut counts: Vec<u64> = world.requests("twins").await.iter().map(occurrences).collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 4]);
}

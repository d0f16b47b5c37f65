//! The predecessor service's CRD, unchanged, on a real API server.

use gateway::remediation::RemediationRequest;
use harness::{
    cluster::{Permissions, Stage, objects, remediation_requests},
    control_plane::{ControlPlane, available_for_tests},
    fleet::predecessors_crd,
    oracles::occurrences,
    testing::{answered, fingerprint},
};
use kube::{Api, api::ListParams};
use serde_json::json;

use super::world::World;

#[tokio::test]
async fn a_storm_of_duplicates_from_three_replicas_is_counted_exactly_under_the_predecessors_crd() {
    // Whether there is any; it is not shared, since others want another CRD of it.
    if !available_for_tests() {
        return;
    }
    let plane = ControlPlane::start().await.unwrap_or_else(|error| panic!("no control plane: {error}"));
    let crd = serde_json::from_value(predecessors_crd()).unwrap();
    let stage =
        Stage::over(&plane, Permissions::Full, &crd).await.unwrap_or_else(|error| panic!("no stage: {error:?}"));
    let world = World { stage, replicas: Vec::new() }.with(&plane, 3).await;
    let answers = world.storm("checkout", 30).await;
    assert_eq!((answered(&answers, 201), answered(&answers, 202)), (1, 29), "{answers:#?}");
    for replica in &world.replicas {
        let readiness = reqwest::get(format!("http://{}/readyz", replica.health)).await.unwrap();
        assert_eq!(readiness.status(), 200, "{}", replica.name);
    }
    world.quiet().await;
    let requests = world.requests("checkout").await;
    assert_eq!(requests.iter().map(occurrences).collect::<Vec<_>>(), [30]);
    let dedup = requests[0]["status"]["deduplication"].as_object().unwrap();
    assert_eq!(dedup.keys().collect::<Vec<_>>(), ["firstSeenAt", "lastSeenAt", "occurrenceCount"]);
    let api: Api<RemediationRequest> = Api::namespaced(world.stage.client.clone(), &world.stage.namespace);
    for selected in [format!("spec.signalFingerprint={}", fingerprint("checkout")), "spec.severity=warning".to_owned()]
    {
        assert_eq!(api.list(&ListParams::default().fields(&selected)).await.unwrap().items.len(), 1, "{selected}");
    }
    // That it is the predecessor's: it prunes what it does not know.
    let name = requests[0]["metadata"]["name"].as_str().unwrap();
    let unknown = json!({ "status": { "unknown": true, "deduplication": { "writers": [] } } });
    let merge = kube::api::Patch::Merge(unknown);
    api.patch_status(name, &Default::default(), &merge).await.unwrap();
    let stored = objects(&world.stage.client, &world.stage.namespace, &remediation_requests()).await.unwrap();
    assert_eq!(stored[0]["status"], requests[0]["status"]);
}

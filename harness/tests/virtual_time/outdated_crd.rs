//! A CRD in the cluster that does not keep what exactly-once counting needs.

use harness::{
    fleet::Fleet,
    replica::{Answer, Replica},
    testing::{rest, send},
};
use serde_json::Value;

/// The CRD, without or with the field that tells which batches are counted.
fn install(fleet: &Fleet, with_writers: bool) {
    let mut crd = fleet.api.objects("customresourcedefinitions").remove(0);
    let status = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/deduplication/properties";
    if !with_writers {
        crd.pointer_mut(status).and_then(Value::as_object_mut).unwrap().remove("writers");
    }
    fleet.api.seed(crd);
}

async fn signal(fleet: &Fleet, replica: &Replica, resource: &str) -> Answer {
    let answer = send(fleet, replica, resource).await;
    rest().await;
    answer
}

#[tokio::test(start_paused = true)]
async fn a_gateway_under_a_crd_without_writers_is_not_ready_and_acknowledges_no_duplicate() {
    let fleet = Fleet::new(1);
    let complete = fleet.api.objects("customresourcedefinitions").remove(0);
    install(&fleet, false);
    let replica = fleet.start(1).await;
    assert_eq!(replica.readiness().await.status, 200, "nothing is known of it yet");

    assert_eq!(signal(&fleet, &replica, "checkout").await.status, 201, "the RemediationRequest itself is durable");
    let readiness = replica.readiness().await;
    assert_eq!(readiness.status, 503);
    assert!(readiness.body.to_string().contains("apply gateway/deploy/crd"), "{}", readiness.body);
    assert_eq!(signal(&fleet, &replica, "checkout").await.status, 500);

    fleet.api.seed(complete);
    assert_eq!(signal(&fleet, &replica, "checkout").await.status, 202);
    assert_eq!(replica.readiness().await.status, 200);
}

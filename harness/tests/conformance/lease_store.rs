//! Leases in an etcd of their own, as large clusters have them.

use harness::control_plane::{ControlPlane, available_for_tests};
use serde_json::{Value, json};

use super::{
    exchange::{Call, Server},
    servers, table,
};

/// Of the embedded store of leases, at the start.
const FIRST_VERSION: u64 = 1;
/// Writes of another resource between two of a lease.
const WRITES: u64 = 40;
/// What a kube-apiserver may write of its own leases meanwhile; one write is what there must be.
const OWN_WRITES_MAX: u64 = 10;

fn embedded() -> Server {
    Server::Embedded(servers::embedded_with(Some(FIRST_VERSION)))
}

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().and_then(|version| version.parse().ok()).unwrap()
}

/// How far the versions of leases go on while other objects are written.
async fn apart(server: &Server) -> u64 {
    let namespace = servers::new_namespace();
    servers::make_namespace(server, &namespace).await;
    let lease = async |name: &str| {
        let path = format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases");
        version(&server.expect(&Call::send("POST", path, &json!({"metadata": {"name": name}}))).await)
    };
    let before = lease("before").await;
    for number in 0..WRITES {
        let path = format!("/apis/example.org/v1/namespaces/{namespace}/incidents");
        server.expect(&Call::send("POST", path, &servers::incident(&format!("incident-{number}")))).await;
    }
    lease("after").await - before
}

#[tokio::test]
async fn every_case_is_answered_the_same_with_leases_in_an_etcd_of_their_own_whose_versions_stand_apart() {
    if !available_for_tests() {
        return;
    }
    let plane = ControlPlane::start_with_leases_apart().await.unwrap();
    let real = servers::server(&plane).await;
    assert_eq!(apart(&embedded()).await, 1);
    let writes = apart(&real).await;
    assert!((1..=OWN_WRITES_MAX).contains(&writes), "{writes}");
    assert!(apart(&servers::embedded()).await > WRITES, "one etcd counts all");
    table::check_all(embedded, &real).await;
}

//! The two servers, with the same resources.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use embedded_apiserver::{EmbeddedApi, Options};
use harness::control_plane::{ControlPlane, for_tests};
use kube::CustomResourceExt;
use serde_json::{Value, json};

use super::{
    exchange::{Call, Server},
    support,
};

const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// One in real time.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// An embedded API in real time that enforces RBAC.
pub(crate) fn embedded() -> Server {
    Server::Embedded(embedded_with(None))
}

/// As [`embedded`], with leases in a store of their own, if that has a version to begin with.
pub(crate) fn embedded_with(lease_store: Option<u64>) -> EmbeddedApi {
    let epoch = jiff::Timestamp::now();
    let consistent_list_wait = Duration::ZERO;
    let options = Options { crds: crds(), epoch, consistent_list_wait, rbac: true, lease_store, ..Options::default() };
    EmbeddedApi::new(options)
}

fn crds() -> Vec<Value> {
    vec![
        support::crd(),
        support::ticket_crd(),
        serde_json::to_value(gateway::remediation::RemediationRequest::crd()).unwrap(),
    ]
}

/// A real one, which ends with what is returned with it; none if there are no binaries.
pub(crate) async fn real() -> Option<(Server, Arc<ControlPlane>)> {
    let plane = for_tests().await?;
    Some((server(&plane).await, plane))
}

/// A real one, with the same resources as the embedded one.
pub(crate) async fn server(plane: &ControlPlane) -> Server {
    let server = Server::Real(plane.admin().await.unwrap());
    for crd in crds() {
        // Another test of this binary may have been first.
        server.answer(&Call::send("POST", CRDS, &crd)).await;
        let text = |pointer: &str| crd.pointer(pointer).and_then(Value::as_str).unwrap();
        let (group, version) = (text("/spec/group"), text("/spec/versions/0/name"));
        let path = format!("/apis/{group}/{version}/{}", text("/spec/names/plural"));
        for tries in 1.. {
            if server.answer(&Call::get(&path)).await["code"] == 200 {
                break;
            }
            assert!(tries < 2_400, "{path} is not served");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }
    server
}

/// A namespace name that was not used before.
pub(crate) fn new_namespace() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("test-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Makes the namespace on `server`, and returns it.
pub(crate) async fn make_namespace(server: &Server, name: &str) -> Value {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    server.expect(&Call::send("POST", "/api/v1/namespaces", &namespace)).await
}

/// A custom object of both servers.
pub(crate) fn incident(name: &str) -> Value {
    json!({"apiVersion": "example.org/v1", "kind": "Incident", "metadata": {"name": name}, "spec": {"key": "a"}})
}

//! What kubelet and Prometheus ask while a gateway is too busy for anybody else.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use gateway::context::Context;
use harness::{
    fleet::embedded_api,
    replica::{NAMESPACE, ReplicaSpec, pod_name},
};
use jiff::Timestamp;

/// Longer than any busy machine takes.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Asks on the thread of the caller, who has no time for anything else meanwhile.
fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The runtime of the test has one thread, which only asks.
#[tokio::test]
async fn health_and_metrics_are_answered_while_no_thread_has_time_for_signals() {
    let (api, _) = embedded_api(Timestamp::now());
    let served =
        ReplicaSpec::new(pod_name(1)).serve(api.client(&pod_name(1), NAMESPACE), Context::system()).await.unwrap();
    tokio::task::yield_now().await;
    for (address, path) in [(served.health, "/livez"), (served.health, "/readyz"), (served.metrics, "/metrics")] {
        let answer = get(address, path);
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
    served.shut_down(TIMEOUT).await;
}

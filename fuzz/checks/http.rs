//! What a client writes to a connection: no panic, an answer that is HTTP, and others are served afterwards.
use std::{
    cell::Cell,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::OnceLock,
    time::Duration,
};

use gateway::context::Context;
use harness::{
    fleet::embedded_api,
    replica::{NAMESPACE, ReplicaSpec},
};
use jiff::Timestamp;

/// Inputs between two looks at whether others are served.
const LOOK: u32 = 100;
const EVENT: &str = r#"{"type":"Normal","reason":"A"}"#;

thread_local! {
    static INPUTS: Cell<u32> = const { Cell::new(0) };
}

/// A gateway on loopback, for as long as the process lives.
fn gateway() -> SocketAddr {
    static ADDRESS: OnceLock<SocketAddr> = OnceLock::new();
    *ADDRESS.get_or_init(|| {
        let (send, receive) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let (api, _) = embedded_api(Timestamp::now());
                let client = api.client("gateway-pod-1", NAMESPACE);
                let served =
                    ReplicaSpec::new("gateway-pod-1").serve(client, Context::system()).await.expect("a gateway");
                send.send(served.api).expect("somebody waits");
                std::future::pending::<()>().await;
            });
        });
        receive.recv().expect("an address")
    })
}

/// Writes, and reads all that comes back. `ends` as a client does that has no more to say: it may then go without an answer.
fn exchange(written: &[u8], ends: bool) -> Vec<u8> {
    let mut stream = TcpStream::connect(gateway()).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    // It may have been answered, and closed, before all was written.
    let _ = stream.write_all(written);
    if ends {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

pub(crate) fn check(written: &[u8]) {
    let answer = exchange(written, true);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "{:?}", String::from_utf8_lossy(&answer));
    let inputs = INPUTS.replace(INPUTS.get() + 1);
    if inputs.is_multiple_of(LOOK) {
        let request = format!(
            "POST /api/v1/signals/kubernetes-event HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{EVENT}",
            EVENT.len()
        );
        let answer = exchange(request.as_bytes(), false);
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{:?}", String::from_utf8_lossy(&answer));
    }
}

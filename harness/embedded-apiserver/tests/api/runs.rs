//! The embedded API as a whole: the same twice, and over a socket.

use std::{
    future::Future,
    sync::{Arc, Mutex},
};

use crate::support::{api, incident, incidents, lease, leases};
use embedded_apiserver::Latency;
use futures::StreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api, Client, Config,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchParams},
};
use serde_json::json;

fn block_on<T>(paused: bool, future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(paused).build().unwrap().block_on(future)
}

/// Three replicas that contend for one lease; everything that was committed and requested.
async fn contention() -> String {
    let api = api();
    api.set_faults(Arc::new(Latency::default()));
    let log = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&log);
    api.on_commit(move |commit| {
        let uid = commit.new.as_ref().map_or("", |new| new["metadata"]["uid"].as_str().unwrap_or(""));
        let line =
            format!("{:?} {} {} {} {uid}\n", commit.elapsed, commit.resource_version, commit.caller, commit.verb);
        seen.lock().unwrap().push_str(&line);
    });
    let replica = async |user: &str| {
        let leases: Api<Lease> = leases(api.client(user, "test"));
        for _ in 0..10 {
            if leases.create(&PostParams::default(), &lease("lock")).await.is_ok() {
                let incidents = incidents(api.client(user, "test"));
                let name = format!("{user}-{}", api.resource_version());
                incidents.create(&PostParams::default(), &incident(&name, "k")).await.unwrap();
                incidents.list(&ListParams::default().fields("spec.key=k")).await.unwrap();
                leases.delete("lock", &DeleteParams::default()).await.unwrap();
            }
        }
    };
    futures::join!(replica("one"), replica("two"), replica("three"));
    let requests = format!("{:?}", api.requests());
    log.lock().unwrap().clone() + &requests
}

#[test]
fn the_same_calls_give_the_same_history() {
    let first = block_on(true, contention());
    assert!(first.lines().count() > 10);
    for _ in 0..20 {
        assert_eq!(block_on(true, contention()), first);
    }
}

#[test]
fn a_client_over_tcp_sees_what_one_in_process_sees() {
    block_on(false, async {
        let api = api();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = api.clone();
        #[allow(clippy::disallowed_methods, reason = "tests own the runtime")]
        let serving = tokio::spawn(async move {
            server
                .serve(listener, async {
                    let _ = stopped.await;
                })
                .await;
        });
        api.add_token("secret", "remote", &[]);
        let mut config = Config::new(format!("http://{address}").parse().unwrap());
        config.auth_info.token = Some("secret".to_owned().into());
        let client = Client::try_from(config.clone()).unwrap();

        let remote = incidents(client);
        let mut events = remote.watch(&WatchParams::default(), "0").await.unwrap().boxed();
        remote.create(&PostParams::default(), &incident("a", "k")).await.unwrap();
        let status = Patch::Merge(json!({"status": {"count": 1}}));
        remote.patch_status("a", &PatchParams::default(), &status).await.unwrap();
        for _ in 0..2 {
            events.next().await.unwrap().unwrap();
        }
        let local = incidents(api.client("one", "test")).get("a").await.unwrap();
        assert_eq!(local.data["status"]["count"], 1);
        assert!(api.requests().iter().any(|request| request.caller == "remote" && request.verb == "create"));

        config.auth_info.token = Some("guessed".to_owned().into());
        let refused = incidents(Client::try_from(config).unwrap()).get("a").await;
        assert_eq!(crate::support::code_and_reason(refused).0, 401);
        stop.send(()).unwrap();
        serving.await.unwrap();
    });
}

//! What can go wrong around the lock: no API server, leases left behind. `access.rs` has what goes wrong without permission.

use std::{sync::Arc, time::Duration};

use embedded_apiserver::{Down, Fault, Latency};
use harness::{
    fleet::Fleet,
    load::webhook,
    testing::{
        FAILURES, STARTS_AT, answered, assert_quiet, discard, lines, post, rest, script, send, spent, storm, wait_ms,
    },
};
use rstest::rstest;

fn body(resource: &str) -> String {
    webhook(resource, STARTS_AT).to_string()
}

/// The same about a Pod, whose owner has to be looked up before the lock is acquired.
fn pod_body(resource: &str) -> String {
    let mut body = webhook(resource, STARTS_AT);
    let labels = body["alerts"][0]["labels"].as_object_mut().unwrap();
    labels.remove("deployment");
    labels.insert("pod".to_owned(), resource.into());
    body.to_string()
}

#[rstest]
#[case::while_the_owner_is_looked_up(pod_body("down"), 0.0)]
#[case::while_the_lock_is_acquired(body("down"), 1.0)]
#[tokio::test(start_paused = true)]
async fn an_api_server_that_is_down_fails_a_signal_at_once_and_nothing_is_created(
    #[case] body: String,
    #[case] failures: f64,
) {
    let fleet = Fleet::new(1);
    let down = Arc::new(Down::over(Arc::new(Latency::default())));
    fleet.api.set_faults(down.clone());
    let replicas = fleet.start_all(3).await;
    down.set(true);
    let version = fleet.api.resource_version();
    let began = tokio::time::Instant::now();
    let answer = post(&replicas[0], body.clone()).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    answer.assert_problem(500);
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(!detail.contains("reset") && !detail.contains("gw-lock"), "no internals: {detail}");
    assert_eq!(replicas[0].metric(FAILURES), Some(failures), "only the lock's own failures count");
    assert_eq!(fleet.api.resource_version(), version, "nothing was written");
    assert!(fleet.requests().is_empty());

    down.set(false);
    wait_ms(15_000).await;
    let answer = post(&replicas[0], body).await;
    assert_eq!(answer.status, 201, "it is sent again when the server is back");
    rest().await;
    assert!(fleet.leases().is_empty());
    assert!(fleet.oracles.violations().is_empty());
}

#[rstest]
#[case::create("create", "remediationrequests", 500)]
#[case::count("patch", "remediationrequests/status", 202)]
#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_later_on_the_way_leaves_no_lease(
    #[case] verb: &'static str,
    #[case] resource: &'static str,
    #[case] status: u16,
) {
    let fleet = Fleet::new(2);
    let script = script(&fleet);
    let replicas = fleet.start_all(1).await;
    if verb == "patch" {
        send(&fleet, &replicas[0], "later").await;
        rest().await;
    }
    script.on(1, verb, resource, Fault::lost());
    assert_eq!(send(&fleet, &replicas[0], "later").await.status.as_u16(), status);
    rest().await;
    assert!(fleet.leases().is_empty());
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn no_lease_is_left_after_success() {
    let fleet = Fleet::new(6);
    script(&fleet);
    let replicas = fleet.start_all(3).await;
    for i in 0..50 {
        let answers = storm(&fleet, &replicas, &format!("success-{i}"), 6).await;
        assert_eq!(answered(&answers, 201), 1);
    }
    rest().await;
    assert!(fleet.leases().is_empty());
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn no_lease_is_left_after_an_outage_at_any_moment() {
    for cut_ms in 0..16 {
        let fleet = Fleet::new(cut_ms);
        let down = Arc::new(Down::over(Arc::new(Latency::default())));
        fleet.api.set_faults(down.clone());
        let replicas = fleet.start_all(3).await;
        let outage = async {
            wait_ms(cut_ms).await;
            down.set(true);
            wait_ms(5_000).await;
            down.set(false);
        };
        futures::join!(storm(&fleet, &replicas, "outage", 9), outage);
        wait_ms(12_000).await;
        assert!(fleet.leases().is_empty(), "cut off after {cut_ms} ms: {:?}", lines(&spent(&fleet)));
        let answer = send(&fleet, &replicas[0], "outage").await;
        assert!(answer.status.is_success(), "cut off after {cut_ms} ms: {answer:?}");
        rest().await;
        assert_eq!(fleet.requests().len(), 1);
        assert_quiet(&fleet);
        discard(&replicas);
    }
}

#[tokio::test(start_paused = true)]
async fn no_lease_is_left_after_a_shutdown_at_any_moment() {
    for cut_ms in 0..16 {
        let fleet = Fleet::new(cut_ms);
        script(&fleet);
        let replicas = fleet.start_all(2).await;
        let shutdown = async {
            wait_ms(cut_ms).await;
            replicas[0].shut_down().await;
        };
        let (answers, ()) = futures::join!(storm(&fleet, &replicas, "shutdown", 6), shutdown);
        for answer in &answers {
            let code = answer.status.as_u16();
            assert!(matches!(code, 201 | 202 | 503), "shut down after {cut_ms} ms: {answer:?}");
        }
        let held_by_it = |lease: &serde_json::Value| lease["spec"]["holderIdentity"] == "gateway-pod-1";
        assert!(!fleet.leases().iter().any(held_by_it), "shut down after {cut_ms} ms: {:?}", lines(&spent(&fleet)));
        rest().await;
        assert_eq!(fleet.requests().len(), 1);
        assert_quiet(&fleet);
        discard(&replicas);
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_takes_no_more_signals_and_answers_those_under_way() {
    let fleet = Fleet::new(7);
    let script = script(&fleet);
    let replicas = fleet.start_all(1).await;
    script.on(1, "create", "remediationrequests", Fault { delay_before: Duration::from_secs(1), ..Fault::default() });
    let late = async {
        wait_ms(100).await;
        let (answer, ()) = futures::join!(
            async {
                wait_ms(10).await;
                post(&replicas[0], body("late")).await
            },
            replicas[0].shut_down()
        );
        answer
    };
    let (early, late) = futures::join!(send(&fleet, &replicas[0], "early"), late);
    assert_eq!(early.status, 201, "{early:?}");
    late.assert_problem(503);
    assert!(late.headers.contains_key("retry-after"));
    assert!(fleet.leases().is_empty());
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn leases_of_crashed_pods_are_collected() {
    let fleet = Fleet::new(8);
    let script = script(&fleet);
    let mut replicas = fleet.start_all(4).await;
    let survivor = replicas.pop().unwrap();
    let slow = Fault { delay_before: Duration::from_secs(10), ..Fault::default() };
    script.on(30, "create", "remediationrequests", slow);
    for replica in &replicas {
        let names: Vec<String> = (0..10).map(|i| format!("crash-{}-{i}", replica.name)).collect();
        let sends = futures::future::join_all(names.iter().map(|name| send(&fleet, replica, name)));
        let crash = async {
            wait_ms(100).await;
            replica.crash();
            fleet.api.disconnect(&replica.name);
        };
        futures::join!(sends, crash);
    }
    assert_eq!(fleet.leases().len(), 30);
    wait_ms(60_000).await;
    assert_eq!(fleet.leases().len(), 30, "they expire after 30 s, and are abandoned 60 s later");
    wait_ms(120_000).await;
    assert!(fleet.leases().is_empty());
    assert_eq!(survivor.metric("gateway_leases_collected_total"), Some(30.0));
    assert_quiet(&fleet);
}

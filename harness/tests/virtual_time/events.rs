//! Events on RemediationRequests: one on each that is created, and no signal waits for it.

use std::time::Duration;

use embedded_apiserver::Fault;
use gateway::config::Config;
use harness::{
    fleet::{Fleet, Skew},
    replica::{NAMESPACE, Replica, config},
    testing::{Logs, account, assert_quiet, guarded_fleet, name_of, only, post, rest, script, send, storm, wait_ms},
};
use serde_json::{Value, json};

fn announcing() -> Config {
    let mut config = config();
    config.events.enabled = true;
    config
}

/// Creations that were tried, as their codes and when they were answered.
fn tried(fleet: &Fleet) -> Vec<(String, Duration)> {
    let events = fleet.api.requests().into_iter().filter(|request| request.resource == "events");
    events.map(|request| (request.code, request.elapsed)).collect()
}

fn counted(replica: &Replica, outcome: &str) -> f64 {
    let series = format!(r#"gateway_remediation_events_total{{outcome="{outcome}"}}"#);
    replica.metric(&series).unwrap_or_else(|| panic!("{series} is not exposed"))
}

/// A webhook of `alerts` about a Deployment each.
fn about(alerts: usize) -> String {
    let alert = |number| {
        json!({"status": "firing", "startsAt": "2026-10-31T23:00:00Z", "annotations": {},
            "labels": {"alertname": "A", "namespace": "shop", "deployment": format!("d{number}")}})
    };
    json!({"version": "4", "status": "firing", "alerts": (0..alerts).map(alert).collect::<Vec<_>>()}).to_string()
}

#[tokio::test(start_paused = true)]
async fn one_event_tells_of_each_creation_and_none_of_a_duplicate() {
    let fleet = Fleet::new(1);
    let replicas = [
        fleet.start_with(1, announcing(), Skew::default()).await,
        fleet.start_with(2, announcing(), Skew::default()).await,
    ];
    storm(&fleet, &replicas, "checkout", 20).await;
    rest().await;
    let events = fleet.api.objects("events.events.k8s.io");
    let [event] = &events[..] else { panic!("{events:#?}") };
    let request = only(&fleet);
    let name = name_of(&request);
    assert_eq!(name_of(event), format!("{name}.created"));
    let regarding = json!({"apiVersion": "kubernaut.ai/v1alpha1", "kind": "RemediationRequest", "namespace": NAMESPACE,
        "name": name, "uid": request["metadata"]["uid"]});
    assert_eq!(event["regarding"], regarding);
    assert_eq!((&event["related"]["kind"], &event["related"]["name"]), (&json!("Deployment"), &json!("checkout")));
    assert_eq!((&event["type"], &event["reason"]), (&json!("Normal"), &json!("RemediationRequestCreated")));
    assert_eq!(event["reportingController"], "kubernaut.ai/gateway");
    assert!(event["reportingInstance"].as_str().unwrap().starts_with("gateway-pod-"));
    let note = event["note"].as_str().unwrap();
    assert!(note.contains("is firing for Deployment checkout in "), "{note}");
    assert_eq!(replicas.iter().map(|replica| counted(replica, "sent")).sum::<f64>(), 1.0);
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_swallows_events_holds_no_signal_up_and_opens_no_circuit() {
    let fleet = Fleet::new(2);
    let script = script(&fleet);
    let replica = fleet.start_with(1, announcing(), Skew::default()).await;
    let swallowed = Fault { delay_before: Duration::from_secs(3600), ..Fault::default() };
    script.on(100, "create", "events", swallowed);
    let before = replica.context().monotonic();
    assert_eq!(post(&replica, about(20)).await.status, 207);
    let took = replica.context().monotonic().since(before);
    assert!(took < Duration::from_secs(1), "{took:?}");
    for _ in 0..25 {
        wait_ms(5_100).await;
        assert_eq!(replica.metric(r#"gateway_circuit_breaker_state{name="kubernetes-api"}"#), Some(0.0));
    }
    assert_eq!(counted(&replica, "failed"), 20.0, "each is given up after its time");
    assert!(fleet.api.objects("events.events.k8s.io").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_creations_is_told_ten_a_second_and_what_finds_no_room_is_counted() {
    let fleet = Fleet::new(3);
    let replica = fleet.start_with(1, announcing(), Skew::default()).await;
    let (logs, _guard) = Logs::capture();
    let answer = post(&replica, about(400)).await;
    assert_eq!(answer.status, 207);
    assert_eq!(answer.body["summary"]["created"], 400);
    wait_ms(60_000).await;
    let (sent, dropped) = (counted(&replica, "sent"), counted(&replica, "dropped"));
    assert!(sent >= 256.0 && dropped > 0.0 && sent + dropped == 400.0, "{sent} {dropped}");
    assert_eq!(logs.saying("256 others wait for the Kubernetes API").len(), 10, "and told a few times");
    let times: Vec<_> = tried(&fleet).into_iter().map(|(_, time)| time).collect();
    let least = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).min().unwrap();
    assert!(least >= Duration::from_millis(100), "{least:?}");
}

#[tokio::test(start_paused = true)]
async fn without_permission_it_says_so_a_few_times_and_signals_go_on() {
    let fleet = guarded_fleet(4);
    let mut role = fleet.api.objects("clusterroles").into_iter().find(|role| name_of(role) == "gateway-role").unwrap();
    role["rules"].as_array_mut().unwrap().retain(|rule: &Value| rule["apiGroups"] != json!(["events.k8s.io"]));
    fleet.api.seed(role);
    let replica = fleet.start_via(1, announcing(), Skew::default(), account(&fleet)).await;
    let (logs, _guard) = Logs::capture();
    assert_eq!(post(&replica, about(30)).await.body["summary"]["created"], 30);
    wait_ms(61_000).await;
    assert_eq!((counted(&replica, "forbidden"), counted(&replica, "sent")), (30.0, 0.0));
    assert_eq!(logs.saying("no Event was written").len(), 10);
    assert_eq!(logs.saying("20 more like this").len(), 1, "{:#?}", logs.lines());
    assert!(tried(&fleet).iter().all(|(code, _)| code == "403") && tried(&fleet).len() == 30, "each is tried once");
}

#[tokio::test(start_paused = true)]
async fn the_chart_s_role_lets_it_write_them() {
    let fleet = guarded_fleet(5);
    let replica = fleet.start_via(1, announcing(), Skew::default(), account(&fleet)).await;
    assert_eq!(send(&fleet, &replica, "checkout").await.status, 201);
    rest().await;
    assert_eq!(counted(&replica, "sent"), 1.0);
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_written_before_an_orderly_end_and_counted_if_that_takes_too_long() {
    let fleet = Fleet::new(6);
    let script = script(&fleet);
    let replica = fleet.start_with(1, announcing(), Skew::default()).await;
    post(&replica, about(50)).await;
    let before = replica.context().monotonic();
    replica.shut_down().await;
    let took = replica.context().monotonic().since(before);
    assert!(took < Duration::from_secs(2), "without pauses: {took:?}");
    assert_eq!(counted(&replica, "sent"), 50.0);

    let slow = fleet.start_with(2, announcing(), Skew::default()).await;
    script.on(100, "create", "events", Fault { delay_before: Duration::from_secs(3600), ..Fault::default() });
    let other = about(70).replace("\"d", "\"e");
    post(&slow, other).await;
    let before = slow.context().monotonic();
    slow.shut_down().await;
    let took = slow.context().monotonic().since(before);
    assert!(took < Duration::from_secs(7), "{took:?}");
    let lost = counted(&slow, "dropped") + counted(&slow, "failed");
    assert_eq!(lost, 70.0, "the one under way, too");
}

#[tokio::test(start_paused = true)]
async fn none_is_written_unless_it_is_asked_for() {
    let fleet = Fleet::new(7);
    let replica = fleet.start(1).await;
    send(&fleet, &replica, "checkout").await;
    rest().await;
    assert!(tried(&fleet).is_empty());
    assert_eq!(replica.metric(r#"gateway_remediation_events_total{outcome="sent"}"#), None);
}

//! `gateway explain` tells what the gateway then does.

use gateway::{
    config::Config,
    explain::{Explainer, Outcome, Report},
};
use harness::{
    fleet::Fleet,
    replica::{NAMESPACE, Replica, config},
    testing::{end, only, post, rest},
};
use rstest::rstest;
use serde_json::{Value, json};

/// A Deployment with a pod, and a Node that is managed, in a namespace that is.
fn seed(fleet: &Fleet) {
    let put = |api_version: &str, kind: &str, name: &str, owner: Option<(&str, &str)>| {
        let namespaced = !["Namespace", "Node"].contains(&kind);
        let namespace = if namespaced { json!("shop") } else { Value::Null };
        let owners: Vec<Value> = owner
            .map(|(kind, name)| json!({"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": name, "controller": true}))
            .into_iter()
            .collect();
        let labels = json!({"kubernaut.ai/managed": (name != "unmanaged").to_string()});
        let metadata =
            json!({"name": name, "namespace": namespace, "uid": name, "ownerReferences": owners, "labels": labels});
        fleet.api.seed(json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": {}}));
    };
    put("v1", "Namespace", "shop", None);
    put("v1", "Node", "worker-1", None);
    put("v1", "Node", "unmanaged", None);
    put("apps/v1", "Deployment", "cart", None);
    put("apps/v1", "ReplicaSet", "cart-7d9c5b6f4", Some(("Deployment", "cart")));
    put("v1", "Pod", "cart-7d9c5b6f4-4xv2k", Some(("ReplicaSet", "cart-7d9c5b6f4")));
}

fn scoped() -> Config {
    let mut config = config();
    config.scope.require_managed_label = true;
    config
}

fn explainer(fleet: &Fleet, replica: &Replica) -> Explainer {
    let client = fleet.api.client("somebody", NAMESPACE);
    Explainer::new(&scoped(), client, replica.context().clone(), NAMESPACE.to_owned()).unwrap()
}

fn webhook(labels: &Value) -> String {
    json!({"version": "4", "alerts": [{"status": "firing", "labels": labels, "annotations": {"a": "secret"}}]})
        .to_string()
}

async fn only_report(explainer: &Explainer, body: &str) -> Report {
    let mut reports = explainer.reports(body.as_bytes()).await.unwrap();
    assert_eq!(reports.len(), 1);
    reports.remove(0)
}

#[rstest]
#[case::a_live_pod(json!({"alertname": "A", "namespace": "shop", "pod": "cart-7d9c5b6f4-4xv2k", "node": "worker-1"}))]
#[case::a_pod_that_is_gone(json!({"alertname": "A", "namespace": "shop", "pod": "cart-7d9c5b6f4-zzzzz"}))]
#[case::several_candidates(json!({"alertname": "A", "namespace": "shop", "statefulset": "no", "deployment": "cart"}))]
#[case::a_node(json!({"alertname": "A", "node": "worker-1"}))]
#[case::the_alert_itself(json!({"alertname": "A", "namespace": "shop", "queue": "orders"}))]
#[tokio::test(start_paused = true)]
async fn what_is_explained_happens(#[case] labels: Value) {
    let fleet = Fleet::new(1);
    seed(&fleet);
    let replica = fleet.start_with(1, scoped(), Default::default()).await;
    let explainer = explainer(&fleet, &replica);
    let told = only_report(&explainer, &webhook(&labels)).await;
    assert_eq!(told.outcome, Outcome::Create, "{}", told.message);
    let explanation = told.explanation.unwrap();
    assert_eq!(explanation.candidates.iter().filter(|named| named.chosen).count(), 1, "{:?}", explanation.candidates);
    assert!(fleet.leases().is_empty() && fleet.requests().is_empty(), "nothing is written");

    let answer = post(&replica, webhook(&labels)).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    rest().await;
    let stored = only(&fleet);
    assert_eq!(stored["metadata"]["name"].as_str(), told.remediation_request.as_deref());
    assert_eq!(stored["spec"]["targetResource"], serde_json::to_value(&explanation.target).unwrap());
    assert_eq!(stored["spec"]["signalFingerprint"], explanation.fingerprint.as_str());

    let again = only_report(&explainer, &webhook(&labels)).await;
    assert_eq!((again.outcome, again.remediation_request.clone()), (Outcome::Count, told.remediation_request));
    end(&fleet, stored["metadata"]["name"].as_str().unwrap(), "Completed").await;
    let next = only_report(&explainer, &webhook(&labels)).await;
    assert_eq!(next.outcome, Outcome::Create);
    assert_ne!(next.remediation_request, again.remediation_request, "a successor has a name of its own");
    let answer = post(&replica, webhook(&labels)).await;
    assert_eq!(answer.body["remediationRequestName"].as_str(), next.remediation_request.as_deref());
}

#[rstest]
#[case::out_of_scope(json!({"alertname": "A", "node": "unmanaged"}), Outcome::OutOfScope, "rejected")]
#[case::a_heartbeat(json!({"alertname": "Watchdog"}), Outcome::Ignore, "ignored")]
#[tokio::test(start_paused = true)]
async fn what_is_not_processed_is_explained_too(#[case] labels: Value, #[case] outcome: Outcome, #[case] status: &str) {
    let fleet = Fleet::new(1);
    seed(&fleet);
    let replica = fleet.start_with(1, scoped(), Default::default()).await;
    let told = only_report(&explainer(&fleet, &replica), &webhook(&labels)).await;
    assert_eq!(told.outcome, outcome, "{}", told.message);
    assert_eq!(told.remediation_request, None);
    let answer = post(&replica, webhook(&labels)).await;
    assert_eq!((answer.status.as_u16(), answer.body["status"].as_str()), (200, Some(status)), "{}", answer.body);
    let message = answer.body["message"].as_str().unwrap();
    assert!(told.message.contains(message), "{} tells {message}", told.message);
}

#[tokio::test(start_paused = true)]
async fn a_report_holds_no_more_of_the_payload_than_what_names_a_resource() {
    let fleet = Fleet::new(1);
    let replica = fleet.start(1).await;
    let labels =
        json!({"alertname": "A", "namespace": "shop", "pod": "cart-0", "node": "n", "token": "secret", "x": "secret"});
    let told = only_report(&explainer(&fleet, &replica), &webhook(&labels)).await;
    assert!(!serde_json::to_string(&told).unwrap().contains("secret"));
}

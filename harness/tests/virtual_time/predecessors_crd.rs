//! The predecessor service's CRD, unchanged: whoever installs this gateway into its cluster need not touch it.

use gateway::{http::PROMETHEUS, remediation::RemediationRequest};
use harness::{
    fleet::{Fleet, crd, predecessors_crd},
    load::webhook,
    replica::NAMESPACE,
    testing::{
        STARTS_AT, answered, assert_quiet, count_of, end, fingerprint, name_of, only, patch, rest, send, storm, wait_ms,
    },
};
use kube::{Api, api::ListParams};
use rstest::rstest;
use serde_json::{Value, json};

fn over_the_predecessors_crd(seed: u64) -> Fleet {
    let fleet = Fleet::new(seed);
    fleet.api.seed(predecessors_crd());
    fleet
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_duplicates_makes_one_remediation_request_that_counts_exactly() {
    let fleet = over_the_predecessors_crd(1);
    let replicas = fleet.start_all(3).await;
    let answers = storm(&fleet, &replicas, "checkout", 30).await;
    assert_eq!((answered(&answers, 201), answered(&answers, 202)), (1, 29), "{answers:?}");
    for replica in &replicas {
        assert_eq!(replica.readiness().await.status, 200, "{}", replica.name);
    }
    rest().await;
    let first = only(&fleet);
    let dedup = &first["status"]["deduplication"];
    assert_eq!((count_of(&first), dedup.as_object().unwrap().len()), (30, 3), "{dedup}");
    assert!(dedup["firstSeenAt"].as_str() <= dedup["lastSeenAt"].as_str(), "{dedup}");

    // The controllers that are there already, and a successor.
    patch(
        &fleet,
        &name_of(&first),
        "status",
        json!({ "status": { "message": "at work", "overallPhase": "Executing" } }),
    )
    .await;
    let answers = storm(&fleet, &replicas, "checkout", 6).await;
    assert_eq!(answered(&answers, 202), 6);
    rest().await;
    let counted = only(&fleet);
    assert_eq!((count_of(&counted), &counted["status"]["message"]), (36, &json!("at work")));
    end(&fleet, &name_of(&first), "Completed").await;
    let answers = storm(&fleet, &replicas, "checkout", 6).await;
    assert_eq!((answered(&answers, 201), answered(&answers, 202)), (1, 5));
    rest().await;
    let mut counts: Vec<_> = fleet.requests().iter().map(count_of).collect();
    counts.sort_unstable();
    assert_eq!(counts, [6, 36]);
    let selected = Api::<RemediationRequest>::namespaced(fleet.api.client("kubernetes-admin", NAMESPACE), NAMESPACE);
    let by_key = ListParams::default().fields(&format!("spec.signalFingerprint={}", fingerprint("checkout")));
    assert_eq!(selected.list(&by_key).await.unwrap().items.len(), 2);
    assert_quiet(&fleet);
}

/// An alert that is at the bounds of what is admitted, where it is not cut or marked.
fn large(resource: &str) -> Value {
    let mut webhook = webhook(resource, STARTS_AT);
    let labels = &mut webhook["alerts"][0]["labels"];
    labels["alertname"] = json!("A".repeat(253));
    labels["severity"] = json!("s".repeat(50));
    labels["cluster"] = json!("c".repeat(253));
    webhook["alerts"][0]["annotations"]["description"] = json!("d".repeat(20_000));
    webhook
}

#[rstest]
#[case::ordinary(webhook("checkout", STARTS_AT))]
#[case::large(large("checkout"))]
#[tokio::test(start_paused = true)]
async fn all_that_is_written_is_kept_as_under_the_gateways_own_crd(#[case] webhook: Value) {
    let mut kept = Vec::new();
    for definition in [crd(), predecessors_crd()] {
        let fleet = Fleet::new(2);
        fleet.api.seed(definition);
        let replica = fleet.start(1).await;
        for expected in [201, 202] {
            let key = fingerprint("checkout");
            let answer = fleet.send(&replica, PROMETHEUS, webhook.to_string(), key.as_str()).await;
            assert_eq!(answer.status, expected, "{answer:?}");
        }
        rest().await;
        let request = only(&fleet);
        assert_eq!(count_of(&request), 2);
        kept.push(json!([
            request["spec"],
            request["status"],
            request["metadata"]["annotations"],
            request["metadata"]["labels"]
        ]));
    }
    assert_eq!(kept[0], kept[1]);
}

/// What of a string's or object's schema bounds its values.
fn bounds(schema: &Value) -> Value {
    json!([schema["type"], schema["format"], schema["enum"], schema["pattern"]])
}

#[test]
fn whatever_spec_the_gateways_crd_admits_the_predecessors_admits() {
    let spec = |crd: &Value| crd.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec").unwrap().clone();
    let (ours, theirs) = (spec(&crd()), spec(&predecessors_crd()));
    let required = |spec: &Value| {
        let mut all: Vec<String> = serde_json::from_value(spec["required"].clone()).unwrap();
        all.sort_unstable();
        all
    };
    assert_eq!(required(&ours), required(&theirs));
    assert_eq!(required(&ours["properties"]["targetResource"]), required(&theirs["properties"]["targetResource"]));
    for (field, our) in ours["properties"].as_object().unwrap() {
        let their = &theirs["properties"][field];
        assert_eq!(bounds(our), bounds(their), "{field}");
        let within = |key: &str, is_within: fn(u64, u64) -> bool| match (our[key].as_u64(), their[key].as_u64()) {
            (Some(our), Some(their)) => is_within(our, their),
            // A pattern says as much.
            (None, Some(_)) => !our["pattern"].is_null(),
            (_, None) => true,
        };
        assert!(within("maxLength", |our, their| our <= their), "{field}: {our} {their}");
        assert!(within("minLength", |our, their| our >= their), "{field}: {our} {their}");
        for inner in our["properties"].as_object().into_iter().flatten() {
            assert_eq!(bounds(inner.1), bounds(&their["properties"][inner.0]), "{field}.{}", inner.0);
        }
    }
}

#[test]
fn the_gateways_crd_has_the_names_version_and_selectable_fields_of_the_predecessors() {
    let facts = |crd: &Value| {
        let (spec, version) = (&crd["spec"], &crd["spec"]["versions"][0]);
        let names = ["kind", "plural", "singular", "shortNames"].map(|key| spec["names"][key].clone());
        json!([
            spec["group"],
            spec["scope"],
            names,
            version["name"],
            version["selectableFields"],
            version["subresources"]
        ])
    };
    assert_eq!(facts(&crd()), facts(&predecessors_crd()));
}

#[tokio::test(start_paused = true)]
async fn the_gateways_crd_may_take_the_place_of_the_predecessors_and_give_it_back_while_gateways_work() {
    let fleet = over_the_predecessors_crd(3);
    let replicas = fleet.start_all(2).await;
    for (round, definition) in [predecessors_crd(), crd(), predecessors_crd()].into_iter().enumerate() {
        fleet.api.seed(definition);
        wait_ms(1_000).await;
        let answers = [send(&fleet, &replicas[0], "moved").await, send(&fleet, &replicas[1], "moved").await];
        assert_eq!(answered(&answers, 202), if round == 0 { 1 } else { 2 }, "{answers:?}");
        rest().await;
    }
    assert_eq!(count_of(&only(&fleet)), 6);
    assert_quiet(&fleet);
}

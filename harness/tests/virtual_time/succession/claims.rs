//! How long a claim lives: renewed with every decision, cleared when no decision made on it can live.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use embedded_apiserver::{Effect, Fault, RequestInfo};
use harness::{
    fleet::Fleet,
    testing::{assert_quiet, end, name_of, only, patch, rest, script, send, wait_ms},
};
use rstest::rstest;
use serde_json::{Value, json};

use super::lineage::{FINALIZER, annotation, with_one};

#[tokio::test(start_paused = true)]
async fn a_create_that_is_not_answered_in_time_is_decided_on_again_under_a_renewed_claim() {
    let (fleet, replicas, first) = with_one(1, "renewed-claim").await;
    end(&fleet, &name_of(&first), "Failed").await;
    rest().await;
    let script = script(&fleet);
    let slow = Fault { delay_before: Duration::from_secs(3_600), ..Fault::default() };
    script.on(1, "create", "remediationrequests", slow);
    let claims = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&claims);
    fleet.api.on_commit(move |commit| {
        if let Some(new) = commit.new.as_deref()
            && !new["metadata"]["finalizers"].is_null()
        {
            let claim = annotation(new, "claim");
            seen.lock().unwrap().push(claim.rsplit('/').next().unwrap_or_default().to_owned());
        }
    });
    let began = tokio::time::Instant::now();
    assert_eq!(send(&fleet, &replicas[0], "renewed-claim").await.status, 201);
    let took = began.elapsed().as_secs();
    assert_eq!(took, 10, "the time of a decision, shorter than the signal's");
    assert_eq!(*claims.lock().unwrap(), ["1", "2"], "the claim is a new version each time");
    rest().await;
    assert_eq!(fleet.requests().len(), 2);
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_was_renewed_is_cleared_only_when_the_renewal_is_older_than_any_decision_made_on_it() {
    // Many: when the collector looks is drawn, and some of its looks have to be shortly before the time.
    for seed in 0..40 {
        let fleet = Fleet::new(seed);
        let replica = fleet.start(1).await;
        assert_eq!(send(&fleet, &replica, "renewed").await.status, 201);
        rest().await;
        let name = name_of(&only(&fleet));
        end(&fleet, &name, "Failed").await;
        for claim in ["gateway-pod-9/boot/1/1", "gateway-pod-9/boot/1/2"] {
            let metadata = json!({ "finalizers": [FINALIZER], "annotations": { "kubernaut.ai/claim": claim } });
            patch(&fleet, &name, "", json!({ "metadata": metadata })).await;
            // D: a view of 90 s, 10 s for the decision, 60 s for what was sent.
            wait_ms(159_000).await;
            assert_eq!(only(&fleet)["metadata"]["finalizers"], json!([FINALIZER]), "seed {seed}, claim {claim}");
        }
        wait_ms(125_000).await;
        assert_eq!(only(&fleet)["metadata"]["finalizers"], Value::Null, "seed {seed}");
        replica.crash();
    }
}

/// Has the first request with which a claim is released answered 409, after 100 ms, as if somebody had written its object.
fn refuse_one_release(fleet: &Fleet) {
    let patches = AtomicUsize::new(0);
    let is_release = move |request: &RequestInfo| {
        let is_patch = request.verb == "patch" && request.label() == "remediationrequests";
        // The first one claims.
        is_patch && request.caller.user == "gateway-pod-1" && patches.fetch_add(1, Ordering::Relaxed) == 1
    };
    let conflict = Effect::Status { code: 409, reason: "Conflict", message: "no".to_owned(), retry_after_s: None };
    let fault = Fault { delay_before: Duration::from_millis(100), ..Fault::refused(conflict) };
    script(fleet).add(1, fault, is_release);
}

/// The metadata of the predecessor of `resource`, after the release of the claim on it has met a conflict, while somebody has
/// `written` it.
async fn released_after_a_conflict(resource: &str, written: Option<Value>) -> (Fleet, Value) {
    let (fleet, replicas, first) = with_one(1, resource).await;
    let first = name_of(&first);
    end(&fleet, &first, "Failed").await;
    rest().await;
    refuse_one_release(&fleet);
    assert_eq!(send(&fleet, &replicas[0], resource).await.status, 201);
    wait_ms(50).await;
    if let Some(metadata) = written {
        patch(&fleet, &first, "", json!({ "metadata": metadata })).await;
    }
    rest().await;
    let predecessor = fleet.requests().into_iter().find(|request| name_of(request) == first).unwrap();
    (fleet, predecessor["metadata"].clone())
}

#[rstest]
#[case::nobody_writes(None)]
#[case::a_label(Some(json!({ "labels": { "example.org/seen": "true" } })))]
#[case::another_finalizer(Some(json!({ "finalizers": [FINALIZER, "example.org/slow"] })))]
#[tokio::test(start_paused = true)]
async fn a_claim_is_released_although_somebody_else_writes_its_object(#[case] written: Option<Value>) {
    let others = written.as_ref().is_some_and(|written| !written["finalizers"].is_null());
    let (fleet, metadata) = released_after_a_conflict("written-meanwhile", written).await;
    let left = metadata["finalizers"].as_array().map_or(0, Vec::len);
    assert_eq!(left, usize::from(others), "{metadata}");
    assert!(!metadata["finalizers"].to_string().contains(FINALIZER), "{metadata}");
    assert_quiet(&fleet);
}

#[rstest]
#[case::another(json!("gateway-pod-9/boot/1/1"))]
#[case::nobody_says_whose(Value::Null)]
#[tokio::test(start_paused = true)]
async fn a_claim_that_another_has_made_meanwhile_is_left_alone(#[case] claim: Value) {
    let metadata = json!({ "finalizers": [FINALIZER], "annotations": { "kubernaut.ai/claim": claim } });
    let (_, metadata) = released_after_a_conflict("claimed-anew", Some(metadata)).await;
    assert_eq!(metadata["finalizers"], json!([FINALIZER]), "{metadata}");
}

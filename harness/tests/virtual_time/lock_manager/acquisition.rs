//! Who gets the lock, and what the lease says then.

use gateway::dedup::lock::Acquisition::{Acquired, Contended};
use jiff::SignedDuration;
use rstest::rstest;
use serde_json::{Value, json};

use super::world::{LEASE, World, micro_time};
use harness::testing::{Logs, wait_ms};

const SECOND: SignedDuration = SignedDuration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_new_lock_is_a_lease_in_the_pods_namespace_that_names_the_pod() {
    let world = World::new("new-lock");
    let pod = world.pod(1);
    assert_eq!(pod.acquire().await, Ok(Acquired));
    let lease = world.lease();
    assert_eq!(lease["metadata"]["name"], LEASE);
    assert_eq!(lease["metadata"]["namespace"], "new-lock");
    let labels = json!({ "app.kubernetes.io/managed-by": "gateway-service", "gateway.kubernaut.ai/protocol": "2" });
    assert_eq!(lease["metadata"]["labels"], labels);
    let now = micro_time(world.api.now());
    let expected = json!({
        "holderIdentity": "gateway-pod-1",
        "leaseDurationSeconds": 30,
        "acquireTime": now,
        "renewTime": now,
        "leaseTransitions": 0,
    });
    assert_eq!(lease["spec"], expected);
    assert_eq!(world.requests(), ["create 201"], "nothing is asked before");
    assert_eq!(world.api.objects("leases").len(), 1);
}

#[rstest]
#[case::known(Some("8c0e6f8a-6b1c-4a52-9d3e-2f6f1b7c9a10"))]
#[case::unknown(None)]
#[tokio::test(start_paused = true)]
async fn a_lease_is_owned_by_the_pod_if_its_uid_is_known_and_by_nobody_otherwise(#[case] uid: Option<&str>) {
    let world = World::new("owner");
    if let Some(uid) = uid {
        let metadata = json!({ "name": "gateway-pod-1", "namespace": "owner", "uid": uid });
        world.api.seed(json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {} }));
    }
    let pod = world.pod_with(1, uid, SignedDuration::ZERO);
    assert_eq!(pod.acquire().await, Ok(Acquired));
    let owners = &world.lease()["metadata"]["ownerReferences"];
    match uid {
        Some(uid) => {
            let owner = json!({ "apiVersion": "v1", "kind": "Pod", "name": "gateway-pod-1", "uid": uid });
            assert_eq!(*owners, json!([owner]));
        }
        None => assert_eq!(*owners, Value::Null),
    }
    wait_ms(5_000).await;
    assert_eq!(world.lease()["spec"]["holderIdentity"], "gateway-pod-1", "the garbage collector leaves it alone");
}

#[tokio::test(start_paused = true)]
async fn the_lease_of_a_pod_that_is_gone_is_collected_by_kubernetes() {
    let world = World::new("owner-gone");
    let pod = world.pod_with(1, Some("8c0e6f8a-6b1c-4a52-9d3e-2f6f1b7c9a11"), SignedDuration::ZERO);
    assert_eq!(pod.acquire().await, Ok(Acquired));
    wait_ms(5_000).await;
    assert_eq!(world.lease(), Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_we_hold_is_acquired_again_without_a_write() {
    let world = World::new("reentrant");
    let pod = world.pod(1);
    assert_eq!(pod.acquire().await, Ok(Acquired));
    let before = world.lease();
    wait_ms(29_999).await;
    assert_eq!(pod.acquire().await, Ok(Acquired));
    assert_eq!(world.lease(), before);
    assert_eq!(world.requests(), ["create 201", "create 409", "get 200"]);
}

#[tokio::test(start_paused = true)]
async fn a_lock_of_ours_that_has_expired_is_renewed_before_it_counts_as_ours() {
    let world = World::new("reentrant-expired");
    let pod = world.pod(1);
    assert_eq!(pod.acquire().await, Ok(Acquired));
    wait_ms(30_000).await;
    assert_eq!(pod.acquire().await, Ok(Acquired));
    assert_eq!(world.lease()["spec"]["renewTime"], micro_time(world.api.now()));
    assert_eq!(world.lease()["spec"]["leaseTransitions"], 0, "the holder is the same");
    assert_eq!(world.requests().last().unwrap(), "update 200");
}

#[tokio::test(start_paused = true)]
async fn a_lock_of_ours_that_another_process_of_the_pod_has_renewed_is_made_ours_again_by_an_update() {
    let world = World::new("reentrant-renewed");
    let (pod, other) = (world.pod(1), world.pod(1));
    assert_eq!(pod.acquire().await, Ok(Acquired));
    wait_ms(1_000).await;
    assert_eq!(other.acquire().await, Ok(Acquired));
    world.api.clear_requests();
    assert_eq!(pod.acquire().await, Ok(Acquired));
    assert_eq!(world.requests(), ["create 409", "get 200", "update 200"]);
}

#[tokio::test(start_paused = true)]
async fn a_lease_of_an_incarnation_before_a_restart_is_adopted_by_an_update() {
    let world = World::new("restart");
    world.held_by("gateway-pod-1", SECOND);
    let pod = world.pod(1);
    assert_eq!(pod.acquire().await, Ok(Acquired));
    assert_eq!(world.requests(), ["create 409", "get 200", "update 200"]);
    let spec = &world.lease()["spec"];
    assert_eq!((&spec["renewTime"], &spec["leaseTransitions"]), (&json!(micro_time(world.api.now())), &json!(3)));
}

#[tokio::test(start_paused = true)]
async fn an_expired_lease_is_taken_over_with_its_version_and_all_its_fields_are_replaced() {
    let world = World::new("expired");
    wait_ms(60_000).await;
    world.held_by("gateway-pod-2", 31 * SECOND);
    let uid = "8c0e6f8a-6b1c-4a52-9d3e-2f6f1b7c9a12";
    let metadata = json!({ "name": "gateway-pod-1", "namespace": "expired", "uid": uid });
    world.api.seed(json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {} }));
    let before = world.lease();
    let pod = world.pod_with(1, Some(uid), SignedDuration::ZERO);
    let (logs, _guard) = Logs::capture();
    assert_eq!(pod.acquire().await, Ok(Acquired));
    assert_eq!(world.requests(), ["create 409", "get 200", "update 200"]);
    let lease = world.lease();
    let now = micro_time(world.api.now());
    let expected = json!({
        "holderIdentity": "gateway-pod-1",
        "leaseDurationSeconds": 30,
        "acquireTime": now,
        "renewTime": now,
        "leaseTransitions": 4,
    });
    assert_eq!(lease["spec"], expected);
    let metadata = &lease["metadata"];
    assert_eq!(metadata["uid"], before["metadata"]["uid"], "updated, not created anew");
    assert_eq!(metadata["ownerReferences"][0]["uid"], uid);
    assert_eq!(metadata["labels"]["app.kubernetes.io/managed-by"], "gateway-service");
    assert_eq!(metadata["annotations"]["kept"], "yes");
    assert_eq!(pod.metrics.lock_takeovers.get(), 1);
    assert!(logs.lines().iter().any(|line| line.text.contains("taken over") && line.text.contains("gateway-pod-2")));
}

#[rstest]
#[case::just_renewed(0, false)]
#[case::about_to_expire(30, false)]
#[case::expired(31, true)]
#[case::long_ago(3_600, true)]
#[case::by_a_clock_that_runs_ahead(-3_600, false)]
#[tokio::test(start_paused = true)]
async fn a_lease_expires_by_the_wall_clock_when_renew_time_and_duration_are_past(
    #[case] age_secs: i64,
    #[case] expired: bool,
) {
    let world = World::new("wall-clock");
    world.held_by("gateway-pod-2", SignedDuration::from_secs(age_secs));
    let result = world.pod(1).acquire().await;
    assert_eq!(result, Ok(if expired { Acquired } else { Contended }));
}

#[rstest]
#[case::a_holder_whose_clock_runs_ahead(json!({
    "holderIdentity": "gateway-pod-2", "leaseDurationSeconds": 30,
    "acquireTime": "2030-01-01T00:00:00.000000Z", "renewTime": "2030-01-01T00:00:00.000000Z",
}))]
#[case::no_renew_time(json!({ "holderIdentity": "gateway-pod-2", "leaseDurationSeconds": 30 }))]
#[case::nothing_at_all(json!({}))]
#[case::only_a_holder(json!({ "holderIdentity": "gateway-pod-2" }))]
#[tokio::test(start_paused = true)]
async fn a_lease_that_does_not_change_for_a_duration_of_our_own_clock_has_expired(#[case] spec: Value) {
    let world = World::new("monotonic");
    world.seed(spec);
    let pod = world.pod(1);
    assert_eq!(pod.acquire().await, Ok(Contended));
    wait_ms(29_900).await;
    assert_eq!(pod.acquire().await, Ok(Contended));
    wait_ms(200).await;
    assert_eq!(pod.acquire().await, Ok(Acquired));
    assert_eq!(world.lease()["spec"]["holderIdentity"], "gateway-pod-1");
    assert_eq!(pod.failures(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_holder_whose_clock_runs_ahead_keeps_its_lease_as_long_as_it_renews_it() {
    let world = World::new("renewed-ahead");
    let (holder, pod) = (world.pod_with(2, None, 3_600 * SECOND), world.pod(1));
    assert_eq!(holder.acquire().await, Ok(Acquired));
    for _ in 0..3 {
        assert_eq!(pod.acquire().await, Ok(Contended));
        wait_ms(20_000).await;
        // Renewed as by an incarnation after a restart.
        assert_eq!(world.pod_with(2, None, 3_600 * SECOND).acquire().await, Ok(Acquired));
        wait_ms(15_000).await;
        assert_eq!(pod.acquire().await, Ok(Contended), "it has changed 15 s ago");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_another_holds_is_contended_without_an_error() {
    let world = World::new("contended");
    world.held_by("gateway-pod-2", SECOND);
    let before = world.lease();
    let pod = world.pod(1);
    let (logs, _guard) = Logs::capture();
    assert_eq!(pod.acquire().await, Ok(Contended));
    assert_eq!(world.lease(), before);
    assert_eq!((pod.failures(), pod.metrics.lock_contention.get()), (0, 1));
    assert!(logs.errors("").is_empty());
    assert!(pod.manager.is_idle(), "nothing is held");
}

#[tokio::test(start_paused = true)]
async fn locks_of_different_keys_and_namespaces_do_not_meet() {
    let world = World::new("one");
    let other = World { api: world.api.clone(), namespace: "two".to_owned(), ..World::new("two") };
    other.api.seed(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "two" } }));
    let (pod, stranger) = (world.pod(1), other.pod(2));
    assert_eq!(pod.acquire().await, Ok(Acquired));
    assert_eq!(stranger.acquire().await, Ok(Acquired));
    let another_key = gateway::remediation::LeaseName::for_key("another-fingerprint");
    assert_eq!(world.pod(3).manager.acquire(&another_key, pod.deadline()).await, Ok(Acquired));
    assert_eq!(world.api.objects("leases").len(), 3);
}

//! Other versions of the gateway: at work beside one of this version, and gone before it starts.

use std::time::Duration;

use embedded_apiserver::Restore;
use gateway::{
    config::Config,
    dedup::bounds::other_version_forgotten_after,
    remediation::{CREATED_AT, MANAGED_BY, MANAGED_BY_LABEL},
};
use harness::{
    baselines::Protocol,
    fleet::{Fleet, crd},
    replica::{NAMESPACE, Replica, config},
    testing::{
        Logs, answered, count_of, discard, end, fingerprint, lease_of, name_of, only, patch, rest, send, stored, storm,
        wait, wait_ms,
    },
};
use rstest::rstest;
use serde_json::{Value, json};

/// The CRD of the first version, whose replicas say in the status who has counted.
fn crd_of_the_first_version() -> Value {
    let mut crd = crd();
    let path = "/spec/versions/0/schema/openAPIV3Schema/properties/status/properties/deduplication/properties";
    crd.pointer_mut(path).unwrap()["writers"] = json!({
        "type": "array", "items": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
    });
    crd
}

/// A replica of the first version or of the predecessor service, over the CRD that the first version brings, and the fleet in
/// which further replicas are of this version.
async fn beside(seed: u64, other: Protocol) -> (Fleet, Replica) {
    let fleet = Fleet::new(seed).with_protocol(other);
    fleet.api.seed(crd_of_the_first_version());
    let replica = fleet.start(1).await;
    (fleet.with_protocol(Protocol::Fenced), replica)
}

/// Looks of the collector come often.
fn watchful() -> Config {
    let mut config = config();
    config.lock.collect_interval = Duration::from_secs(10);
    config
}

async fn start(fleet: &Fleet, number: usize) -> Replica {
    fleet.start_with(number, watchful(), Default::default()).await
}

/// How often `replica` has seen another version do what `trace` says.
fn seen(replica: &Replica, trace: &str) -> f64 {
    replica.metric(&format!("gateway_other_version_traces_total{{trace=\"{trace}\"}}")).unwrap()
}

fn seen_in_all(replica: &Replica) -> f64 {
    ["created", "counted", "raised", "locked"].map(|trace| seen(replica, trace)).iter().sum()
}

/// Asserts that `replica` is not ready, says why, and takes no signal of `resource`.
async fn assert_steps_back(fleet: &Fleet, replica: &Replica, resource: &str) {
    let readiness = replica.readiness().await;
    assert_eq!(readiness.status, 503, "{readiness:?}");
    let told = readiness.body.to_string();
    assert!(told.contains("versions") && told.contains("another version of the gateway is running"), "{told}");
    let answer = send(fleet, replica, resource).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(
        answer.body["detail"].as_str().unwrap().contains("another version of the gateway is running"),
        "{answer:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_replica_beside_one_of_the_first_version_takes_no_signals_until_that_is_gone() {
    let (fleet, first_version) = beside(1, Protocol::FirstCount).await;
    assert_eq!(send(&fleet, &first_version, "shared").await.status, 201);
    assert_eq!(send(&fleet, &first_version, "shared").await.status, 202);
    let (logs, _guard) = Logs::capture();
    let ours = start(&fleet, 2).await;
    assert_eq!(send(&fleet, &ours, "ours").await.status, 201);
    rest().await;
    assert_eq!((ours.readiness().await.status.as_u16(), seen_in_all(&ours)), (200, 0.0), "it has seen nothing at work");
    // For as long as the other one works.
    for _ in 0..10 {
        assert_eq!(send(&fleet, &first_version, "shared").await.status, 202);
        wait_ms(500).await;
        assert_steps_back(&fleet, &ours, "shared").await;
        wait_ms(40_000).await;
        assert_steps_back(&fleet, &ours, "shared").await;
    }
    assert!(seen(&ours, "counted") >= 10.0, "{}", ours.metrics());
    assert_eq!(
        logs.errors("another version of the gateway is running in this namespace").len(),
        1,
        "{:?}",
        logs.lines()
    );
    first_version.shut_down().await;
    wait(other_version_forgotten_after(&watchful())).await;
    assert_eq!(ours.readiness().await.status, 200);
    assert_eq!(send(&fleet, &ours, "shared").await.status, 202);
    rest().await;
    let shared = fleet.requests().into_iter().find(|request| count_of(request) > 1).unwrap();
    assert_eq!(count_of(&shared), 13, "what the first version has counted is adopted");
}

#[rstest]
#[case::before_the_first_sweep(0)]
#[case::later(100_000)]
#[tokio::test(start_paused = true)]
async fn a_replica_beside_one_of_the_predecessor_service_takes_no_signals_until_that_is_gone(#[case] later_ms: u64) {
    let (fleet, predecessor) = beside(2, Protocol::LeaseOnly).await;
    let ours = start(&fleet, 2).await;
    wait_ms(later_ms).await;
    assert_eq!(send(&fleet, &predecessor, "theirs").await.status, 201);
    wait_ms(500).await;
    assert_eq!(seen(&ours, "created"), 1.0);
    assert_steps_back(&fleet, &ours, "theirs").await;
    discard(&[predecessor]);
    wait(other_version_forgotten_after(&watchful())).await;
    assert_eq!(ours.readiness().await.status, 200);
    assert_eq!(send(&fleet, &ours, "theirs").await.status, 202);
}

#[rstest]
#[case::that_this_one_has_counted_on(3)]
#[case::that_this_one_has_created(1)]
#[tokio::test(start_paused = true)]
async fn counts_raised_beyond_the_counter_by_another_version_are_noticed(#[case] before: usize) {
    let (fleet, predecessor) = beside(3, Protocol::LeaseOnly).await;
    let ours = start(&fleet, 2).await;
    for _ in 0..before {
        assert!(send(&fleet, &ours, "counted").await.status.is_success());
    }
    rest().await;
    wait_ms(60_000).await;
    assert_eq!(seen_in_all(&ours), 0.0);
    assert_eq!(send(&fleet, &predecessor, "counted").await.status, 202);
    wait_ms(30_000).await;
    assert_eq!(seen(&ours, "raised"), 1.0, "{}", ours.metrics());
    assert_steps_back(&fleet, &ours, "counted").await;
}

/// A lock as the first version acquires it.
fn lock_of_the_first_version(fleet: &Fleet, resource: &str) {
    let now = fleet.api.now();
    fleet.api.seed(json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": { "name": lease_of(resource), "namespace": NAMESPACE, "labels": { MANAGED_BY_LABEL: MANAGED_BY } },
        "spec": {
            "holderIdentity": "gateway-pod-9", "leaseDurationSeconds": 30,
            "acquireTime": format!("{now:.6}"), "renewTime": format!("{now:.6}"),
        },
    }));
}

#[rstest]
#[case::lowered_again(json!({ "deduplication": { "occurrenceCount": 3 } }))]
#[case::ended(json!({ "overallPhase": "Completed" }))]
#[tokio::test(start_paused = true)]
async fn a_raised_count_is_no_trace_if_it_is_found_no_longer_raised_or_no_longer_active(#[case] then: Value) {
    let fleet = Fleet::new(7);
    let ours = start(&fleet, 1).await;
    for _ in 0..3 {
        assert!(send(&fleet, &ours, "raised").await.status.is_success());
    }
    rest().await;
    let name = name_of(&only(&fleet));
    patch(&fleet, &name, "status", json!({ "status": { "deduplication": { "occurrenceCount": 9 } } })).await;
    patch(&fleet, &name, "status", json!({ "status": then })).await;
    wait_ms(60_000).await;
    assert_eq!(seen_in_all(&ours), 0.0, "{}", ours.metrics());
    assert_eq!(ours.readiness().await.status, 200);
}

/// By a janitor of leases, or by a policy that sets labels.
#[rstest]
#[case::deleted(true)]
#[case::without_its_labels(false)]
#[tokio::test(start_paused = true)]
async fn a_counter_that_somebody_has_touched_is_no_trace(#[case] is_deleted: bool) {
    let fleet = Fleet::new(9);
    let ours = start(&fleet, 1).await;
    for _ in 0..3 {
        assert!(send(&fleet, &ours, "touched").await.status.is_success());
    }
    wait_ms(30_000).await;
    assert!(send(&fleet, &ours, "touched").await.status.is_success());
    wait_ms(3_000).await;
    let [counter] = &fleet.api.objects("leases")[..] else { panic!("{:#?}", fleet.api.objects("leases")) };
    let mut counter = counter.clone();
    fleet.api.unseed("leases", NAMESPACE, counter["metadata"]["name"].as_str().unwrap());
    if !is_deleted {
        counter["metadata"]["labels"] = json!({});
        fleet.api.seed(counter);
    }
    wait_ms(60_000).await;
    assert_eq!(seen_in_all(&ours), 0.0, "{}", ours.metrics());
    assert_eq!(ours.readiness().await.status, 200);
    assert_eq!(send(&fleet, &ours, "touched").await.status, 202);
}

#[tokio::test(start_paused = true)]
async fn a_count_that_was_undone_and_is_projected_once_more_is_no_trace() {
    let fleet = Fleet::new(8);
    let ours = start(&fleet, 1).await;
    for _ in 0..3 {
        assert!(send(&fleet, &ours, "undone").await.status.is_success());
    }
    rest().await;
    let backup = fleet.api.snapshot();
    assert!(send(&fleet, &ours, "undone").await.status.is_success());
    rest().await;
    fleet.api.restore(&backup, Restore::Everything);
    wait_ms(5_000).await;
    assert_eq!(ours.metric("gateway_history_rewound_total"), Some(1.0));
    // By a replica that has not noticed yet.
    let status = json!({ "status": { "deduplication": { "occurrenceCount": 4 } } });
    patch(&fleet, &name_of(&only(&fleet)), "status", status).await;
    wait_ms(60_000).await;
    assert_eq!(seen_in_all(&ours), 0.0, "{}", ours.metrics());
    assert_eq!(ours.readiness().await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_another_version_acquires_is_noticed_and_one_that_it_left_is_not() {
    let fleet = Fleet::new(4);
    lock_of_the_first_version(&fleet, "left");
    let ours = start(&fleet, 1).await;
    wait_ms(25_000).await;
    assert_eq!((fleet.leases().len(), seen(&ours, "locked")), (1, 0.0));
    lock_of_the_first_version(&fleet, "acquired");
    wait_ms(15_000).await;
    assert_eq!(seen(&ours, "locked"), 1.0);
    assert_steps_back(&fleet, &ours, "acquired").await;
    wait(other_version_forgotten_after(&watchful())).await;
    assert_eq!(ours.readiness().await.status, 200);
    assert_eq!(send(&fleet, &ours, "acquired").await.status, 201, "it has expired");
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn an_upgrade_that_ends_the_old_replicas_first_is_never_taken_for_two_versions(
    #[values(Protocol::FirstCount, Protocol::LeaseOnly)] before: Protocol,
    #[values(false, true)] crashed: bool,
) {
    let (fleet, old) = beside(5, before).await;
    let answers = storm(&fleet, std::slice::from_ref(&old), "adopted", 5).await;
    assert_eq!((answered(&answers, 201), answered(&answers, 202)), (1, 4), "{answers:?}");
    assert_eq!(send(&fleet, &old, "ended").await.status, 201);
    let ended =
        fleet.requests().iter().find(|request| request["spec"]["targetResource"]["name"] == "ended").map(name_of);
    end(&fleet, &ended.unwrap(), "Completed").await;
    if crashed {
        lock_of_the_first_version(&fleet, "adopted");
        lock_of_the_first_version(&fleet, "ended");
        lock_of_the_first_version(&fleet, "never");
        old.crash();
    } else {
        old.shut_down().await;
    }
    let replicas = [start(&fleet, 2).await, start(&fleet, 3).await, start(&fleet, 4).await];
    fleet.api.seed(crd());
    for _ in 0..10 {
        let answers = storm(&fleet, &replicas, "adopted", 6).await;
        assert_eq!(answered(&answers, 202), 6, "{answers:?}");
        for replica in &replicas {
            assert!(send(&fleet, replica, "ended").await.status.is_success());
        }
        wait_ms(30_000).await;
        for replica in &replicas {
            assert_eq!(replica.readiness().await.status, 200);
        }
    }
    assert_eq!(replicas.iter().map(seen_in_all).sum::<f64>(), 0.0);
    let mut counts: Vec<_> = fleet.requests().iter().map(count_of).collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 30, 65]);
    assert_eq!(fleet.leases().len(), 0, "{:?}", fleet.leases());
}

#[tokio::test(start_paused = true)]
async fn an_object_of_another_version_that_somebody_restores_is_no_trace_of_one_at_work() {
    let fleet = Fleet::new(6);
    let ours = start(&fleet, 1).await;
    let mut restored = stored("restored");
    restored["metadata"]["name"] = json!(format!("rr-{}-01234567", &fingerprint("restored").as_str()[..12]));
    restored["metadata"]["labels"] = json!({ MANAGED_BY_LABEL: MANAGED_BY });
    restored["metadata"]["annotations"] = json!({ CREATED_AT: "2026-10-30T23:00:00Z" });
    fleet.api.seed(restored);
    assert_eq!(send(&fleet, &ours, "restored").await.status, 202);
    rest().await;
    assert_eq!((seen_in_all(&ours), count_of(&only(&fleet))), (0.0, 2));
}

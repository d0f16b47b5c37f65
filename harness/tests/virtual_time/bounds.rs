//! What crashed replicas leave behind is gone within the bounds that whoever waits for it relies on.

use std::{fs, path::Path, time::Duration};

use gateway::{config::Config, dedup::bounds};
use harness::{
    fleet::{Fleet, Skew},
    replica::config,
    testing::{end, lease_of, name_of, only, patch, rest, send, wait},
};
use jiff::SignedDuration;
use rstest::rstest;
use serde_json::json;

use super::succession::lineage::FINALIZER;

fn collecting_every(seconds: u64) -> Config {
    let mut config = config();
    config.lock.collect_interval = Duration::from_secs(seconds);
    config
}

#[rstest]
#[case::by_default(config())]
#[case::often(collecting_every(5))]
#[tokio::test(start_paused = true)]
async fn a_lease_is_collected_and_a_claim_cleared_within_the_bounds_of_the_configuration(#[case] config: Config) {
    // Many: when the collector looks is drawn.
    for seed in 0..20 {
        let fleet = Fleet::new(seed);
        let replica = fleet.start_with(1, config.clone(), Skew::default()).await;
        assert_eq!(send(&fleet, &replica, "left").await.status, 201);
        rest().await;
        end(&fleet, &name_of(&only(&fleet)), "Failed").await;
        rest().await;
        // Of a holder whose clock was an hour ahead: only that it does not change says that it is abandoned.
        let renewed = format!("{:.6}", fleet.api.now() + SignedDuration::from_hours(1));
        fleet.api.seed(json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {
                "name": lease_of("abandoned"), "namespace": harness::replica::NAMESPACE,
                "labels": {
                    "app.kubernetes.io/managed-by": "gateway-service", "gateway.kubernaut.ai/protocol": "2",
                },
            },
            "spec": { "holderIdentity": "gateway-pod-9", "leaseDurationSeconds": 30, "renewTime": renewed },
        }));
        let claim =
            json!({ "finalizers": [FINALIZER], "annotations": { "kubernaut.ai/claim": "gateway-pod-9/boot/1/1" } });
        patch(&fleet, &name_of(&only(&fleet)), "", json!({ "metadata": claim })).await;
        let (lease, claim) = (bounds::lease_collected_within(&config), bounds::claim_cleared_within(&config));
        wait(lease).await;
        assert!(fleet.leases().is_empty(), "seed {seed}: {lease:?}");
        wait(claim.saturating_sub(lease)).await;
        assert!(only(&fleet)["metadata"]["finalizers"].is_null(), "seed {seed}: {claim:?}");
        assert!(bounds::left_behind_for(&config) > lease.max(claim));
        replica.crash();
    }
}

#[rstest]
#[case::killed_pods("e2e/plan.py", "LEFT_BEHIND_SECONDS", bounds::left_behind_for)]
#[case::released_locks("e2e/plan.py", "SETTLED_SECONDS", bounds::settled_within)]
#[case::performance("performance/fleet.py", "REST_SECONDS", bounds::settled_within)]
fn scripts_wait_for_longer_than_the_bound_of_what_they_wait_for(
    #[case] script: &str,
    #[case] name: &str,
    #[case] bound: fn(&Config) -> Duration,
) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts").join(script);
    let text = fs::read_to_string(path).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = ")).unwrap();
    let waits = Duration::from_secs(value.parse().unwrap());
    let bound = bound(&Config::default());
    assert!(waits > bound, "{name} is {waits:?}, and it may take {bound:?}");
}

//! What is wrong with the Go service's lock: one scenario each, which `lease-only` fails and the product survives.

use embedded_apiserver::{Effect, Fault};
use futures::join;
use harness::{baselines::Protocol, oracles::Violation};

use super::stage::{Stage, late};

/// `lease-only` violates `oracle` in the scenario, and nothing is violated by the product, with its lock or without.
async fn tell_apart(oracle: &str, scenario: impl AsyncFn(Protocol) -> Vec<Violation>) {
    let found = scenario(Protocol::LeaseOnly).await;
    assert!(found.iter().any(|violation| violation.oracle == oracle), "lease-only got away with it: {found:?}");
    for protocol in [Protocol::Fenced, Protocol::FenceOnly] {
        assert_eq!(scenario(protocol).await, [], "{protocol}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_requests_of_one_pod_hold_its_lock_together() {
    tell_apart("single-active", async |protocol| {
        let stage = Stage::new(protocol, 1).await;
        let statuses = stage.signals(&[(1, 0), (1, 10)]).await;
        stage.finish(&statuses).await
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_first_of_two_requests_of_one_pod_releases_the_lock_of_the_other() {
    tell_apart("single-active", async |protocol| {
        let stage = Stage::new(protocol, 2).await;
        // One fails and releases; the other is still about to create when another pod acquires.
        stage.next(1, "create", "remediationrequests", Fault::refused(Effect::internal_error()));
        stage.next(1, "create", "remediationrequests", late(300));
        stage.signals(&[(1, 0), (1, 10), (2, 150)]).await;
        stage.finish(&[]).await
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_create_under_way_outlives_the_lease() {
    tell_apart("single-active", async |protocol| {
        let stage = Stage::new(protocol, 2).await;
        stage.next(1, "create", "remediationrequests", late(35_000));
        stage.signals(&[(1, 0), (2, 31_000)]).await;
        stage.finish(&[]).await
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_signal_that_is_repeated_after_an_ambiguous_create_gets_another_name() {
    tell_apart("single-active", async |protocol| {
        let stage = Stage::new(protocol, 1).await;
        stage.next(1, "create", "remediationrequests", late(20_000));
        let mut answer = stage.signal(1, 0).await;
        if !answer.status.is_success() {
            answer = stage.signal(1, 0).await;
        }
        stage.finish(&[answer.status.as_u16()]).await
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_is_ahead_takes_a_lease_that_is_held() {
    tell_apart("single-active", async |protocol| {
        let stage = Stage::skewed(protocol, &[0, 40]).await;
        let statuses = stage.signals(&[(1, 0), (2, 20)]).await;
        // That a clock this wrong takes leases is allowed to the product too: its lock need not be safe.
        let violations = stage.finish(&statuses).await.into_iter();
        violations.filter(|violation| violation.oracle != "leases").collect()
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_of_its_own_that_expired_is_taken_for_held() {
    tell_apart("single-active", async |protocol| {
        let stage = Stage::new(protocol, 2).await;
        stage.leave_lease("gateway-pod-1", Some("2026-01-01T00:00:00.000000Z"));
        stage.next(1, "create", "remediationrequests", late(200));
        let statuses = stage.signals(&[(1, 0), (2, 0)]).await;
        stage.finish(&statuses).await
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_lease_without_renew_time_blocks_its_resource_for_ever() {
    tell_apart("liveness", async |protocol| {
        let stage = Stage::new(protocol, 1).await;
        stage.leave_lease("gateway-pod-9", None);
        let statuses = stage.signals(&[(1, 0), (1, 200_000)]).await;
        stage.finish(&statuses).await
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_release_under_way_deletes_the_lease_of_the_next_holder() {
    tell_apart("leases", async |protocol| {
        let stage = Stage::new(protocol, 2).await;
        stage.next(1, "delete", "leases", late(35_000));
        stage.next(2, "get", "remediationrequests", late(8_000));
        let statuses = stage.signals(&[(1, 0), (2, 31_000)]).await;
        stage.finish(&statuses).await
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_runs_out_of_time_leaves_its_resource_locked() {
    tell_apart("liveness", async |protocol| {
        let stage = Stage::new(protocol, 2).await;
        let lost = Fault { before: Some(Effect::Reset), ..late(20_000) };
        stage.next(1, "create", "remediationrequests", lost);
        let (_, other) = join!(stage.signal(1, 0), stage.signal(2, 16_000));
        stage.finish(&[other.status.as_u16()]).await
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_lease_of_a_crashed_pod_is_never_collected() {
    tell_apart("leases", async |protocol| {
        let stage = Stage::new(protocol, 2).await;
        join!(stage.signal(1, 0), stage.crash(1, 50));
        stage.finish(&[]).await
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn counts_that_conflict_too_often_are_dropped_though_acknowledged() {
    tell_apart("counts", async |protocol| {
        let stage = Stage::new(protocol, 3).await;
        let mut statuses = stage.signals(&[(1, 0)]).await;
        let duplicates: Vec<(usize, u64)> = (0..60).map(|number| (number % 3 + 1, 500)).collect();
        statuses.extend(stage.signals(&duplicates).await);
        stage.finish(&statuses).await
    })
    .await;
}

//! The oracles see what other protocols than the product's do wrong, and find nothing where nothing is wrong.

use futures::{future::join_all, join};
use harness::{
    baselines::Protocol,
    oracles::Violation,
    testing::{rest, wait_ms},
};
use rstest::rstest;

mod go_defects;
mod stage;

use self::stage::{Stage, counts, late};

fn oracles(violations: &[Violation]) -> Vec<&str> {
    violations.iter().map(|violation| violation.oracle).collect()
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn one_signal_after_the_other_is_counted_by_every_protocol(
    #[values(Protocol::Fenced, Protocol::FenceOnly, Protocol::DerivedOnly, Protocol::LeaseOnly, Protocol::Unlocked)]
    protocol: Protocol,
) {
    let stage = Stage::new(protocol, 3).await;
    let statuses = stage.signals(&[(1, 0), (2, 500), (3, 1000), (1, 1500), (2, 2000)]).await;
    assert_eq!(statuses, [201, 202, 202, 202, 202]);
    rest().await;
    assert_eq!(counts(&stage.fleet.requests()), [5]);
    assert_eq!(stage.finish(&statuses).await, []);
}

#[rstest]
#[case::fenced(Protocol::Fenced, true)]
#[case::fence_only(Protocol::FenceOnly, true)]
#[case::derived_only(Protocol::DerivedOnly, true)]
#[case::unlocked(Protocol::Unlocked, false)]
#[tokio::test(start_paused = true)]
async fn signals_at_once_make_one_remediation_request_each_unless_nothing_is_locked(
    #[case] protocol: Protocol,
    #[case] holds: bool,
) {
    let stage = Stage::new(protocol, 3).await;
    let resources = ["checkout", "cart", "orders"];
    let signals = (0..9).map(|number| (resources[number / 3], number % 3 + 1));
    let answers = join_all(signals.map(|(resource, pod)| stage.signal_about(resource, pod, 0))).await;
    assert!(answers.iter().all(|answer| answer.status.is_success()));
    let requests = stage.fleet.requests().len();
    let violations = stage.finish(&[]).await;
    if holds {
        assert_eq!((requests, violations), (3, Vec::new()));
    } else {
        assert_eq!(requests, 9, "all list before the first create");
        assert_eq!(oracles(&violations), ["single-active"; 6], "{violations:?}");
    }
}

/// The predecessor is deleted at any moment around the create that follows it.
#[rstest]
#[tokio::test(start_paused = true)]
async fn the_claim_keeps_the_name_of_the_successor_when_retention_removes_the_predecessor(
    #[values(Protocol::Fenced, Protocol::FenceOnly)] protocol: Protocol,
    #[values(0, 2, 4, 6, 8, 10, 20, 60)] deleted_at_ms: u64,
) {
    assert_eq!(retention(protocol, deleted_at_ms).await, []);
}

#[tokio::test(start_paused = true)]
async fn derived_names_alone_make_two_when_retention_removes_the_predecessor() {
    let violations = retention(Protocol::DerivedOnly, 10).await;
    assert_eq!(oracles(&violations), ["single-active"], "{violations:?}");
}

/// Two pods create the successor of a completed RemediationRequest, one slowly; retention removes it in between.
async fn retention(protocol: Protocol, deleted_at_ms: u64) -> Vec<Violation> {
    let stage = Stage::new(protocol, 2).await;
    stage.signal(1, 0).await;
    let predecessor = stage.only();
    stage.complete().await;
    // Older than any decision that was made on it (protocol: D).
    wait_ms(600_000).await;
    stage.next(1, "create", "remediationrequests", late(200));
    let deleted = stage.delete(&predecessor, deleted_at_ms);
    let (slow, fast, ()) = join!(stage.signal(1, 0), stage.signal(2, deleted_at_ms + 5), deleted);
    let statuses = [slow.status.as_u16(), fast.status.as_u16()];
    let violations = stage.finish(&statuses).await.into_iter();
    // What the predecessor counted went with it.
    violations.filter(|violation| violation.oracle != "counts").collect()
}

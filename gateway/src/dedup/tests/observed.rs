use std::time::Duration;

use jiff::SignedDuration;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use rstest::rstest;

use super::{EPOCH, context};
use crate::{
    config,
    context::Context,
    dedup::{observed::Observed, protocol::Now},
};

/// The lease `name` of 30 s in its `version`-th version, renewed `age` seconds before `EPOCH` if that is known.
fn lease(name: &str, version: u32, age: Option<i64>) -> Lease {
    let metadata = ObjectMeta {
        name: Some(name.to_owned()),
        resource_version: Some(version.to_string()),
        ..ObjectMeta::default()
    };
    let renew_time = age.map(|secs| MicroTime(EPOCH - SignedDuration::from_secs(secs)));
    let spec = LeaseSpec { lease_duration_seconds: Some(30), renew_time, ..LeaseSpec::default() };
    Lease { metadata, spec: Some(spec) }
}

/// For how many seconds `lease` has been expired, as one sees who looks now.
fn expired_for(observed: &mut Observed, lease: &Lease, context: &Context) -> i64 {
    observed.expired_for(lease, Now::of(context), &config::Lock::default()).as_secs()
}

#[rstest]
#[case::renewed_now(0, false)]
#[case::at_its_last_moment(30, false)]
#[case::a_second_later(31, true)]
#[tokio::test(start_paused = true)]
async fn a_lease_expires_by_the_wall_clock_after_its_duration(#[case] age: i64, #[case] expired: bool) {
    let (mut observed, context) = (Observed::default(), context());
    let lease = lease("a", 1, Some(age));
    assert_eq!(observed.is_expired(&lease, Now::of(&context), &config::Lock::default()), expired);
    assert_eq!(expired_for(&mut observed, &lease, &context), age - 30);
}

#[rstest]
#[case::its_own(Some(10), 90)]
#[case::none(None, 70)]
#[case::nonsense(Some(0), 70)]
#[case::negative(Some(-1), 70)]
#[tokio::test(start_paused = true)]
async fn a_lease_without_a_sensible_duration_has_the_configured_one(
    #[case] secs: Option<i32>,
    #[case] expired_by: i64,
) {
    let mut lease = lease("a", 1, Some(100));
    lease.spec.as_mut().unwrap().lease_duration_seconds = secs;
    assert_eq!(expired_for(&mut Observed::default(), &lease, &context()), expired_by);
}

#[tokio::test(start_paused = true)]
async fn of_the_two_clocks_the_one_counts_by_which_a_lease_has_been_expired_for_longer() {
    let (mut observed, context) = (Observed::default(), context());
    let (behind, ahead) = (lease("behind", 1, Some(100)), lease("ahead", 1, Some(-1_000)));
    assert_eq!(expired_for(&mut observed, &behind, &context), 70);
    assert_eq!(expired_for(&mut observed, &ahead, &context), -30, "just seen for the first time");
    context.sleep(Duration::from_secs(50)).await;
    assert_eq!(expired_for(&mut observed, &behind, &context), 120);
    assert_eq!(expired_for(&mut observed, &ahead, &context), 20, "unchanged for 50 s");
    let renewed = lease("ahead", 2, Some(-1_000));
    assert_eq!(expired_for(&mut observed, &renewed, &context), -30);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_looked_at_was_there_until_it_is_forgotten() {
    let (mut observed, context) = (Observed::default(), context());
    context.sleep(Duration::from_secs(1)).await;
    for name in ["a", "b", "c"] {
        expired_for(&mut observed, &lease(name, 1, None), &context);
    }
    let looked = context.monotonic();
    let later = looked + Duration::from_millis(1);
    assert!(observed.was_there("a", looked) && !observed.was_there("a", later) && !observed.was_there("d", looked));
    observed.forget("a");
    observed.retain(&["a", "c"]);
    let there: Vec<bool> = ["a", "b", "c"].iter().map(|name| observed.was_there(name, looked)).collect();
    assert_eq!(there, [false, false, true]);
}

#[tokio::test(start_paused = true)]
async fn of_more_leases_than_are_remembered_the_one_unchanged_for_longest_is_forgotten() {
    let (mut observed, context) = (Observed::default(), context());
    let start = context.monotonic();
    let look = |observed: &mut Observed, number: u32| {
        expired_for(observed, &lease(&number.to_string(), 1, None), &context);
    };
    // The first is not the first by name, nor the one that was looked at longest ago.
    look(&mut observed, 7);
    context.sleep(Duration::from_secs(1)).await;
    for number in (0..7).chain(8..10_000) {
        look(&mut observed, number);
    }
    look(&mut observed, 7);
    assert!(observed.was_there("7", start) && observed.was_there("0", start), "ten thousand are remembered");
    look(&mut observed, 10_000);
    assert!(!observed.was_there("7", start));
    assert!(observed.was_there("0", start) && observed.was_there("10000", start));
}

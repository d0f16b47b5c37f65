//! Whatever is between a gateway and its API server: what senders get, after how long, and how many requests it costs.
//!
//! The table of `gateway/docs/robustness.md` is what these runs come to.

use std::time::Duration;

use embedded_apiserver::Caller;
use harness::{
    fleet::{Fleet, Skew},
    replica::{NAMESPACE, Replica, config, pod_name},
    testing::{Passed, Proxy, Wrong, assert_quiet, rest, send, wait},
};
use rstest::rstest;

use super::{Told, tell};

const DOCUMENT: &str = include_str!("../../../../gateway/docs/robustness.md");

/// A replica behind a proxy, with `known` counted twice already.
async fn behind_a_proxy(seed: u64) -> (Fleet, Replica, Proxy) {
    let fleet = Fleet::new(seed);
    let proxy = Proxy::before(fleet.api.service(Caller::new(pod_name(1))));
    let replica = fleet.start_via(1, config(), Skew::default(), proxy.client(NAMESPACE)).await;
    assert_eq!(send(&fleet, &replica, "known").await.status, 201);
    assert_eq!(send(&fleet, &replica, "known").await.status, 202);
    rest().await;
    (fleet, replica, proxy)
}

fn seconds(duration: Duration) -> String {
    match duration.as_millis() {
        0..100 => "at once".to_owned(),
        ms => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
    }
}

fn cell(told: &Told, passed: Passed) -> String {
    format!("{}, {}, {}", told.status, seconds(told.took()), passed.lists + passed.others)
}

#[rstest]
#[case::page(Wrong::Page)]
#[case::failure_page(Wrong::FailurePage)]
#[case::missing_page(Wrong::MissingPage)]
#[case::truncated(Wrong::Truncated)]
#[case::cut_off(Wrong::CutOff)]
#[case::other_type(Wrong::OtherType)]
#[case::throttled_as_text(Wrong::ThrottledAsText)]
#[case::throttled_as_status(Wrong::ThrottledAsStatus)]
#[case::throttled(Wrong::Throttled)]
#[case::forbidden(Wrong::Forbidden)]
#[case::forbidden_page(Wrong::ForbiddenPage)]
#[case::stall_before_head(Wrong::StallBeforeHead)]
#[case::stall_after_head(Wrong::StallAfterHead)]
#[case::endless(Wrong::Endless)]
#[tokio::test(start_paused = true)]
async fn nonsense_in_place_of_answers_is_told_to_the_sender_in_time_and_costs_few_requests(#[case] wrong: Wrong) {
    let mut cells = Vec::new();
    for resource in ["new", "known"] {
        let (fleet, replica, proxy) = behind_a_proxy(7).await;
        proxy.set(Some(wrong));
        let told = tell(&fleet, &replica, resource).await;
        let passed = proxy.passed();
        assert!(told.status >= 500, "Alertmanager is to send it again: {told:?}");
        assert!(told.took() <= Duration::from_secs(15), "{told:?}");
        assert!(passed.lists + passed.others <= 16, "{passed:?}");
        cells.push(cell(&told, passed));
        // The next one pays no more than the first, and less if nobody answers.
        let next = tell(&fleet, &replica, resource).await;
        assert!(next.status >= 500 && next.took() <= Duration::from_secs(15), "{next:?}");
        proxy.set(None);
        wait(Duration::from_secs(35)).await;
        assert!(send(&fleet, &replica, resource).await.status.is_success(), "it recovers by itself");
        rest().await;
        assert_quiet(&fleet);
    }
    let row = format!("| `{wrong:?}` | {} |", cells.join(" | "));
    assert!(DOCUMENT.contains(&row), "robustness.md does not have\n{row}");
}

#[rstest]
#[case::gone(Wrong::WatchGone, "gone")]
#[case::refused_as_gone(Wrong::WatchRefusedAsGone, "gone")]
#[case::ends(Wrong::WatchEnds, "ended")]
#[case::endless_line(Wrong::WatchEndlessLine, "too_long")]
#[case::page(Wrong::WatchPage, "error")]
#[case::stalls(Wrong::WatchStalls, "timeout")]
#[tokio::test(start_paused = true)]
async fn a_watch_that_never_works_costs_few_lists_and_no_signal(#[case] wrong: Wrong, #[case] reason: &str) {
    let (fleet, replica, proxy) = behind_a_proxy(8).await;
    proxy.set(Some(wrong));
    fleet.api.break_watches(&replica.name);
    wait(Duration::from_secs(20)).await;
    let soon = proxy.passed();
    assert!(soon.lists <= 12 && soon.watches <= 12, "{soon:?}");
    wait(Duration::from_secs(580)).await;
    let later = proxy.passed();
    let series = format!("gateway_view_restarts_total{{reason=\"{reason}\"}}");
    assert!(replica.metric(&series).is_some_and(|restarts| restarts >= 5.0), "{}", replica.metrics());
    let told = [tell(&fleet, &replica, "known").await, tell(&fleet, &replica, "new").await];
    assert_eq!(told.each_ref().map(|told| told.status), [202, 201]);
    assert!(told.iter().all(|told| told.took() <= Duration::from_secs(3)), "{told:?}");
    proxy.set(None);
    wait(Duration::from_secs(80)).await;
    assert_eq!(send(&fleet, &replica, "known").await.status, 202);
    rest().await;
    assert_quiet(&fleet);
    let row = format!(
        "| `{wrong:?}` | `{reason}` | {} + {} | {} + {} |",
        soon.watches, soon.lists, later.watches, later.lists
    );
    assert!(DOCUMENT.contains(&row), "robustness.md does not have\n{row}");
}

/// A list that takes long says nothing about the watch after it.
#[tokio::test(start_paused = true)]
async fn lists_that_take_long_are_not_repeated_at_once_where_watches_never_work() {
    let (fleet, replica, proxy) = behind_a_proxy(10).await;
    proxy.slow_lists(replica.context(), Duration::from_secs(6));
    proxy.set(Some(Wrong::WatchGone));
    fleet.api.break_watches(&replica.name);
    wait(Duration::from_secs(600)).await;
    let Passed { watches, .. } = proxy.passed();
    assert!((15..=40).contains(&watches), "{watches} watches in ten minutes, each after a list");
}

/// Such objects are another program's: ours are far smaller.
#[tokio::test(start_paused = true)]
async fn a_page_of_objects_beyond_all_bounds_is_asked_for_in_smaller_ones() {
    let fleet = Fleet::new(9);
    for number in 0..90 {
        let mut large = harness::testing::stored(&format!("large-{number}"));
        large["spec"]["originalPayload"] = "x".repeat(1 << 20).into();
        fleet.api.seed(large);
    }
    let proxy = Proxy::before(fleet.api.service(Caller::new(pod_name(1))));
    let replica = fleet.start_via(1, config(), Skew::default(), proxy.client(NAMESPACE)).await;
    assert_eq!(replica.metric("gateway_view_objects"), Some(90.0));
    assert_eq!(proxy.passed().lists, 3, "500 are too many, 62 are not");
}

use std::{pin::pin, sync::Arc, time::Duration};

use futures::{FutureExt, poll};
use rstest::rstest;

use super::{active, claimed, context, fingerprint, version};
use crate::{
    dedup::{index::Change, protocol::attempt::Snapshot, versions::Versions, view::View},
    metrics::Metrics,
    remediation::{Fingerprint, Record},
};

const LONG: Duration = Duration::from_secs(60);

fn view() -> (View, Metrics) {
    let metrics = Metrics::new().unwrap();
    (View::new(metrics.clone(), Arc::new(Versions::new(metrics.clone()))), metrics)
}

fn list(view: &View, records: Vec<Record>, number: u64) {
    view.update(|index| index.replace(records, version(number)));
}

fn reach(view: &View, number: u64) {
    view.update(|index| {
        index.reach(version(number));
        Change::default()
    });
}

#[test]
fn nothing_is_known_before_the_first_list() {
    let (view, metrics) = view();
    assert!(view.snapshot(&fingerprint()).is_none() && view.version().is_none());
    assert!(view.synced().now_or_never().is_none());
    list(&view, vec![active("a"), claimed("b")], 12);
    assert!(view.synced().now_or_never().is_some());
    let (snapshot, as_of) = view.snapshot(&fingerprint()).unwrap();
    assert_eq!(as_of, version(12));
    assert_eq!(snapshot.seen(), [("a".into(), version(10)), ("b".into(), version(11))]);
    assert_eq!(view.by_uid("a").map(|record| record.version), Some(version(10)));
    assert_eq!(view.claimed().iter().map(|record| &*record.uid).collect::<Vec<_>>(), ["b"]);
    assert_eq!((metrics.view_objects.get(), metrics.twins_detected.get()), (2, 0));
}

#[test]
fn twins_are_counted() {
    let (view, metrics) = view();
    list(&view, vec![active("a"), active("b")], 12);
    assert_eq!(metrics.twins_detected.get(), 1);
}

#[rstest]
#[case::already_there(10, true)]
#[case::not_yet_there(11, false)]
#[tokio::test(start_paused = true)]
async fn a_version_is_waited_for_with_patience(#[case] number: u64, #[case] there: bool) {
    let (view, _) = view();
    let context = context();
    list(&view, Vec::new(), 10);
    assert_eq!(view.reached(&context, version(number), LONG).await, there);
    assert_eq!(context.monotonic().since_start(), if there { Duration::ZERO } else { LONG });
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_version_goes_on_when_it_is_reached() {
    let (view, _) = view();
    let context = context();
    list(&view, Vec::new(), 10);
    let mut reached = pin!(view.reached(&context, version(12), LONG));
    assert!(poll!(&mut reached).is_pending());
    reach(&view, 11);
    assert!(poll!(&mut reached).is_pending());
    reach(&view, 12);
    assert!(poll!(&mut reached).is_ready());
}

#[tokio::test(start_paused = true)]
async fn who_listens_is_woken_by_a_change_of_that_fingerprint_and_by_no_other() {
    let (view, _) = view();
    let context = context();
    list(&view, Vec::new(), 1);
    let subscription = view.subscribe(&fingerprint());
    // Another listener that goes away takes nothing along.
    drop(view.subscribe(&fingerprint()));
    let mut changed = pin!(subscription.changed(&context, LONG));
    assert!(poll!(&mut changed).is_pending());
    let other = Record { fingerprint: Fingerprint::of("shop:Deployment:cart"), version: version(5), ..active("b") };
    view.update(|index| index.apply(other));
    assert!(poll!(&mut changed).is_pending());
    view.update(|index| index.apply(active("a")));
    assert!(poll!(&mut changed).is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_view_that_is_behind_what_was_read_has_no_news_until_it_has_come_past_that() {
    let (view, _) = view();
    let context = context();
    list(&view, vec![active("a")], 12);
    let mut subscription = view.subscribe(&fingerprint());
    let read = Snapshot { records: vec![Arc::new(claimed("b"))], listed: true };
    subscription.has_read(&read, version(20));
    assert!(!subscription.changed(&context, LONG).await, "the view has something older");
    assert_eq!(context.monotonic().since_start(), LONG);
    let mut changed = pin!(subscription.changed(&context, LONG));
    assert!(poll!(&mut changed).is_pending());
    view.update(|index| index.apply(Record { version: version(19), ..active("a") }));
    assert!(poll!(&mut changed).is_pending(), "it was in what was read");
    view.update(|index| index.apply(Record { version: version(21), ..active("c") }));
    assert!(changed.await);
}

#[test]
fn nothing_is_kept_of_those_who_listen_no_more() {
    let (view, _) = view();
    let (one, two) = (view.subscribe(&fingerprint()), view.subscribe(&fingerprint()));
    drop(one);
    assert_eq!(view.listened_to(), 1);
    drop(two);
    assert_eq!(view.listened_to(), 0);
}

#[rstest]
#[case::changed_already(true, Duration::ZERO)]
#[case::nothing_changes(false, LONG)]
#[tokio::test(start_paused = true)]
async fn a_change_is_not_waited_for_that_has_come_before_the_wait(#[case] changed: bool, #[case] takes: Duration) {
    let (view, _) = view();
    let context = context();
    let subscription = view.subscribe(&fingerprint());
    list(&view, if changed { vec![active("a")] } else { Vec::new() }, 1);
    subscription.changed(&context, LONG).await;
    assert_eq!(context.monotonic().since_start(), takes);
}

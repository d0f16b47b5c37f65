use std::{collections::BTreeMap, sync::Arc};

use futures::FutureExt;
use jiff::Timestamp;
use tokio::sync::Notify;

use crate::{
    context::Monotonic,
    dedup::{
        Slot,
        queue::{Pending, Queued, Queues},
    },
    remediation::{Fingerprint, LeaseName, Signal, Source, TargetResource},
};

const ROOM: usize = 3;

fn lease() -> LeaseName {
    LeaseName::for_key("checkout")
}

/// Told from others by its name.
fn signal(name: &str) -> Signal {
    let target = TargetResource {
        api_version: "apps/v1".to_owned(),
        kind: "Deployment".to_owned(),
        name: "checkout".to_owned(),
        namespace: "shop".to_owned(),
    };
    Signal {
        fingerprint: Fingerprint::of(name),
        name: name.to_owned(),
        severity: "warning".to_owned(),
        source: Source::Prometheus,
        target,
        cluster_id: None,
        firing_time: Timestamp::UNIX_EPOCH,
        received_time: Timestamp::UNIX_EPOCH,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        provider_data: serde_json::Map::new(),
        original_payload: String::new(),
    }
}

/// A signal that waits.
fn pending(name: &str) -> Pending {
    waiting(signal(name))
}

fn waiting(signal: Signal) -> Pending {
    Pending::new(signal, Monotonic::default()).0
}

/// Queues these, in this order; the bell of the worker that was to be started.
#[track_caller]
fn queued(queues: &Queues, names: &[&str]) -> Arc<Notify> {
    let mut bell = None;
    for name in names {
        match queues.push(&lease(), pending(name), ROOM) {
            Ok(Queued::Start(arrived)) => assert!(bell.replace(arrived).is_none(), "a second worker"),
            Ok(Queued::Running) => assert!(bell.is_some(), "no worker"),
            Err(_) => panic!("no room for {name}"),
        }
    }
    bell.expect("a worker to be started")
}

fn names(batch: &[Pending]) -> Vec<&str> {
    batch.iter().map(|pending| pending.signal.name.as_str()).collect()
}

fn take_all(queues: &Queues) -> Vec<Pending> {
    queues.take(&lease(), usize::MAX, |_| true)
}

#[test]
fn a_queue_takes_signals_up_to_its_bound_and_gives_the_next_one_back() {
    let queues = Queues::default();
    queued(&queues, &["a", "b", "c"]);
    let refused = queues.push(&lease(), pending("d"), ROOM).map(|_| ()).expect_err("it is full");
    assert_eq!(refused.signal.name, "d");
    assert_eq!(names(&take_all(&queues)), ["a", "b", "c"]);
    assert!(matches!(queues.push(&lease(), pending("e"), ROOM), Ok(Queued::Running)), "there is room again");
}

#[test]
fn a_hundred_thousand_resources_are_worked_on_at_once_and_no_more() {
    let (queues, signal) = (Queues::default(), signal("a"));
    for number in 0..100_000 {
        let lease = LeaseName::for_key(&number.to_string());
        assert!(matches!(queues.push(&lease, waiting(signal.clone()), ROOM), Ok(Queued::Start(_))), "{number}");
    }
    assert!(queues.push(&lease(), pending("a"), ROOM).is_err());
    let known = LeaseName::for_key("7");
    assert!(matches!(queues.push(&known, pending("b"), ROOM), Ok(Queued::Running)), "a known one goes on");
    assert_eq!(queues.take(&known, usize::MAX, |_| true).len(), 2);
    assert!(queues.close(&known));
    assert!(matches!(queues.push(&lease(), pending("a"), ROOM), Ok(Queued::Start(_))), "there is room again");
}

#[test]
fn a_batch_takes_what_is_wanted_in_order_and_leaves_the_rest_in_order() {
    let queues = Queues::default();
    queued(&queues, &["a", "b", "c"]);
    let batch = queues.take(&lease(), 2, |pending| pending.signal.name != "b");
    assert_eq!(names(&batch), ["a", "c"]);
    queues.put_back(&lease(), batch);
    assert_eq!(names(&queues.take(&lease(), 2, |_| true)), ["a", "c"], "two at most, those put back first");
    assert_eq!(queues.next(&lease()), Some(Fingerprint::of("b")));
    assert_eq!(queues.pop(&lease()).map(|pending| pending.signal.name.clone()).as_deref(), Some("b"));
    assert_eq!(queues.next(&lease()), None);
}

#[test]
fn the_signal_that_has_waited_longest_keeps_its_first_tag() {
    let queues = Queues::default();
    queued(&queues, &["a", "b"]);
    let head = |tag: &str| queues.head(&lease(), || tag.to_owned()).map(|head| (head.signal.name.clone(), head.tag));
    assert_eq!(head("first"), Some(("a".to_owned(), "first".to_owned())));
    assert_eq!(head("second"), Some(("a".to_owned(), "first".to_owned())));
    queues.pop(&lease());
    assert_eq!(head("second"), Some(("b".to_owned(), "second".to_owned())));
}

#[test]
fn a_worker_is_woken_by_what_arrives_and_by_a_shutdown() {
    let queues = Queues::default();
    let bell = queued(&queues, &["a"]);
    assert!(bell.notified().now_or_never().is_none(), "it was started for the first one");
    assert!(matches!(queues.push(&lease(), pending("b"), ROOM), Ok(Queued::Running)));
    assert!(bell.notified().now_or_never().is_some());
    queues.wake();
    assert!(bell.notified().now_or_never().is_some());
}

#[test]
fn a_queue_closes_only_when_nothing_waits_in_it() {
    let queues = Queues::default();
    assert!(queues.is_idle());
    queued(&queues, &["a"]);
    assert!(!queues.is_idle());
    assert!(!queues.close(&lease()));
    assert_eq!(names(&take_all(&queues)), ["a"], "it was not closed");
    assert!(queues.close(&lease()));
    assert!(queues.is_idle());
    queued(&queues, &["b"]);
}

#[test]
fn the_signals_of_a_worker_that_has_failed_are_dropped_and_the_next_one_starts_another() {
    let queues = Queues::default();
    queued(&queues, &["a"]);
    queues.abandon(&lease());
    assert!(queues.is_idle());
    queued(&queues, &["b"]);
    assert_eq!(names(&take_all(&queues)), ["b"]);
}

#[test]
fn a_worker_that_ends_without_closing_its_queue_gives_it_up_and_one_that_closed_it_touches_no_other() {
    let queues = Queues::default();
    let lease = lease();
    queued(&queues, &["a"]);
    drop(Slot { queues: &queues, lease: &lease, closed: false });
    assert!(queues.is_idle());
    // The next worker's queue, begun between the close and the end of the worker.
    queued(&queues, &["b"]);
    Slot { queues: &queues, lease: &lease, closed: false }.closed();
    assert_eq!(names(&take_all(&queues)), ["b"]);
}

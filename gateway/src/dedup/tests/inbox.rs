//! Signals on their way to the worker of their fingerprint.

use super::{
    super::inbox::{Full, Inboxes, Pending, WORKERS_MAX},
    signal_of,
};
use crate::{context::Monotonic, dedup::deduplicate::Error, remediation::Fingerprint};

fn pending(identity: &str) -> Box<Pending> {
    Pending::new(signal_of(Fingerprint::of(identity)), Monotonic::default()).0
}

#[test]
fn the_first_signal_of_a_fingerprint_starts_a_worker_and_the_next_ones_go_to_it() {
    let inboxes = Inboxes::default();
    let mut inbox = inboxes.send(pending("a"), 9).unwrap().unwrap();
    assert!(inboxes.send(pending("a"), 9).unwrap().is_none());
    assert!(inboxes.send(pending("b"), 9).unwrap().is_some(), "another has a worker of its own");
    for _ in 0..2 {
        assert_eq!(inbox.try_recv().unwrap().signal.fingerprint, Fingerprint::of("a"));
    }
    assert!(inbox.try_recv().is_err());
}

#[test]
fn a_worker_ends_only_when_nothing_waits_for_it() {
    let inboxes = Inboxes::default();
    let fingerprint = Fingerprint::of("a");
    let mut inbox = inboxes.send(pending("a"), 9).unwrap().unwrap();
    assert!(!inboxes.close(&fingerprint, &inbox));
    inbox.try_recv().unwrap();
    assert!(inboxes.close(&fingerprint, &inbox));
    assert!(inboxes.send(pending("a"), 9).unwrap().is_some(), "the next signal starts another");
}

#[test]
fn there_are_no_more_workers_than_there_is_room_for() {
    let inboxes = Inboxes::default();
    for number in 0..WORKERS_MAX {
        assert!(inboxes.send(pending(&number.to_string()), 1).is_ok());
    }
    assert_eq!(inboxes.send(pending("one more"), 1).err(), Some(Full));
}

#[test]
fn no_more_signals_wait_than_there_is_room_for() {
    let inboxes = Inboxes::default();
    let _inbox = inboxes.send(pending("a"), 2).unwrap().unwrap();
    assert!(inboxes.send(pending("a"), 2).unwrap().is_none());
    assert_eq!(inboxes.send(pending("a"), 2).err(), Some(Full));
}

#[test]
fn a_worker_that_ended_as_it_should_not_answers_nobody_and_is_replaced() {
    let inboxes = Inboxes::default();
    let (first, mut answer) = Pending::new(signal_of(Fingerprint::of("a")), Monotonic::default());
    drop(inboxes.send(first, 9).unwrap().unwrap());
    assert!(answer.try_recv().is_err(), "its sender is gone");
    let mut inbox = inboxes.send(pending("a"), 9).unwrap().unwrap();
    inbox.try_recv().unwrap().answer(Err(Error::Deadline));
}

#[test]
fn once_shut_it_takes_nothing_and_workers_see_the_end_after_what_waits() {
    let inboxes = Inboxes::default();
    let mut inbox = inboxes.send(pending("a"), 9).unwrap().unwrap();
    inboxes.shut();
    assert_eq!(inboxes.send(pending("a"), 9).err(), Some(Full));
    assert!(inbox.blocking_recv().is_some());
    assert!(inbox.blocking_recv().is_none());
}

use jiff::{Timestamp, ToSpan};
use rstest::rstest;

use super::{active, fingerprint, records, terminal};
use crate::{
    dedup::protocol::decision::{Verdict, decide, is_older_twin},
    remediation::{Phase, Record, remediation_request_name},
};

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

fn verdict(all: &[Record]) -> Verdict {
    decide(&fingerprint(), &records(all), NOW)
}

#[track_caller]
fn duplicate_of(all: &[Record]) -> String {
    match verdict(all) {
        Verdict::Duplicate(record) => record.uid.to_string(),
        Verdict::Create(plan) => panic!("creates {plan:?}"),
    }
}

#[track_caller]
fn successor_of(all: &[Record]) -> (Option<String>, String) {
    match verdict(all) {
        Verdict::Create(plan) => (plan.predecessor.map(|record| record.uid.to_string()), plan.name),
        Verdict::Duplicate(record) => panic!("duplicate of {record:?}"),
    }
}

#[test]
fn the_first_signal_creates_the_first_of_its_fingerprint() {
    let name = remediation_request_name(&fingerprint(), None);
    assert_eq!(successor_of(&[]), (None, name));
}

#[test]
fn a_signal_on_an_active_one_is_its_duplicate() {
    assert_eq!(duplicate_of(&[active("a")]), "a");
    assert_eq!(duplicate_of(&[Record { ordinal: 7, ..terminal("t") }, active("a")]), "a");
}

#[rstest]
#[case::manual_review(Record { manual_review: true, ..terminal("t") }, true)]
#[case::next_execution_ahead(Record { next_allowed: Some(NOW + 1.second()), ..terminal("t") }, true)]
#[case::next_execution_now(Record { next_allowed: Some(NOW), ..terminal("t") }, false)]
#[case::plain(terminal("t"), false)]
#[case::manual_review_but_terminating(Record { manual_review: true, terminating: true, ..terminal("t") }, false)]
fn a_terminal_one_counts_signals_only_while_it_suppresses(#[case] record: Record, #[case] counts: bool) {
    let is_duplicate = matches!(verdict(&[record]), Verdict::Duplicate(_));
    assert_eq!(is_duplicate, counts);
}

#[test]
fn a_suppressing_one_that_has_a_successor_suppresses_no_more() {
    let reviewed = Record { manual_review: true, ordinal: 1, ..terminal("a") };
    let latest = Record { ordinal: 2, ..terminal("b") };
    assert_eq!(successor_of(&[reviewed, latest]).0.as_deref(), Some("b"));
}

#[test]
fn the_predecessor_is_the_latest_by_ordinal_and_never_by_version() {
    let older_ordinal = Record { ordinal: 2, version: super::version(99), ..terminal("a") };
    let newer_ordinal = Record { ordinal: 3, version: super::version(10), ..terminal("b") };
    let (predecessor, name) = successor_of(&[older_ordinal, newer_ordinal]);
    assert_eq!(predecessor.as_deref(), Some("b"));
    assert_eq!(name, remediation_request_name(&fingerprint(), Some((3, "b"))));
}

#[test]
fn of_several_that_another_program_left_the_newest_is_the_predecessor_and_decides_whether_signals_are_suppressed() {
    let left = |uid, age: i64| Record { ordinal: 0, created: Some(NOW - age.seconds()), ..terminal(uid) };
    let (older, newest) = (left("b", 60), left("a", 30));
    let (predecessor, name) = successor_of(&[newest.clone(), older.clone()]);
    assert_eq!(predecessor.as_deref(), Some("a"));
    assert_eq!(name, remediation_request_name(&fingerprint(), Some((0, "a"))));
    let reviewed = |record| Record { manual_review: true, ..record };
    assert_eq!(duplicate_of(&[older.clone(), reviewed(newest.clone())]), "a");
    assert_eq!(successor_of(&[reviewed(older), newest]).0.as_deref(), Some("a"));
    let same_second = [left("a", 60), left("b", 60)];
    assert_eq!(successor_of(&same_second).0.as_deref(), Some("b"));
}

#[test]
fn one_that_another_program_created_later_is_no_predecessor_but_may_suppress_signals() {
    let ours = Record { ordinal: 3, created: Some(NOW - 60.seconds()), ..terminal("a") };
    let foreign = Record { ordinal: 0, created: Some(NOW), ..terminal("z") };
    assert_eq!(successor_of(&[ours.clone(), foreign.clone()]).0.as_deref(), Some("a"));
    assert_eq!(duplicate_of(&[ours.clone(), Record { manual_review: true, ..foreign.clone() }]), "z");
    assert_eq!(successor_of(&[Record { manual_review: true, ..ours }, foreign]).0.as_deref(), Some("a"));
}

#[test]
fn a_terminating_one_is_a_predecessor_and_not_active() {
    let terminating = Record { terminating: true, ..active("a") };
    assert_eq!(successor_of(&[terminating]).0.as_deref(), Some("a"));
}

#[rstest]
#[case::made_later(1, "a")]
#[case::made_earlier(-1, "z")]
#[case::made_in_the_same_second(0, "z")]
fn of_twins_every_replica_chooses_the_older_one_whatever_ordinal_a_foreign_one_has(
    #[case] later_secs: i64,
    #[case] chosen: &str,
) {
    let foreign = Record { ordinal: 0, created: Some(NOW + later_secs.seconds()), ..active("z") };
    let ours = Record { created: Some(NOW), ..active("a") };
    assert_eq!(duplicate_of(&[ours.clone(), foreign.clone()]), chosen);
    assert_eq!(duplicate_of(&[foreign.clone(), ours.clone()]), chosen);
    assert_eq!(is_older_twin(&foreign, &ours), chosen == "z");
    assert_eq!(is_older_twin(&ours, &foreign), chosen == "a");
    assert!(!is_older_twin(&ours, &ours), "none is its own twin");
    let ended = Record { phase: Phase::Terminal, ..foreign };
    assert!(!is_older_twin(&ended, &ours));
}

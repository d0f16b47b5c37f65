use jiff::{Timestamp, ToSpan};
use rstest::rstest;

use super::{active, fingerprint, records, terminal};
use crate::{
    dedup::decision::{Verdict, decide, is_older_twin},
    remediation::{Phase, Record, remediation_request_name},
};

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

fn verdict(all: &[Record]) -> Verdict {
    decide(&fingerprint(), &records(all), NOW)
}

#[track_caller]
fn duplicate_of(all: &[Record]) -> String {
    match verdict(all) {
        Verdict::Duplicate(record) => record.uid.clone(),
        Verdict::Create(plan) => panic!("creates {plan:?}"),
    }
}

#[track_caller]
fn successor_of(all: &[Record]) -> (Option<String>, u64, String) {
    match verdict(all) {
        Verdict::Create(plan) => (plan.lineage.predecessor, plan.lineage.ordinal, plan.lineage.name),
        Verdict::Duplicate(record) => panic!("duplicate of {record:?}"),
    }
}

#[test]
fn the_first_signal_creates_the_first_of_its_fingerprint() {
    let name = remediation_request_name(&fingerprint(), None);
    assert_eq!(successor_of(&[]), (None, 1, name));
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
    let (predecessor, ordinal, _) = successor_of(&[reviewed, latest]);
    assert_eq!((predecessor.as_deref(), ordinal), (Some("b"), 3));
}

#[test]
fn the_predecessor_is_the_latest_by_ordinal_and_never_by_version() {
    let older_ordinal = Record { ordinal: 2, version: super::version(99), ..terminal("a") };
    let newer_ordinal = Record { ordinal: 3, version: super::version(10), ..terminal("b") };
    let (predecessor, ordinal, name) = successor_of(&[older_ordinal, newer_ordinal]);
    assert_eq!((predecessor.as_deref(), ordinal), (Some("b"), 4));
    assert_eq!(name, remediation_request_name(&fingerprint(), Some("b")));
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

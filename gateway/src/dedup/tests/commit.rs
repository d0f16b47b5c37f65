use std::sync::Arc;

use jiff::Timestamp;
use rstest::rstest;

use super::{active, terminal, version};
use crate::{
    dedup::commit::{Action, Commit, Observation},
    remediation::{Counted, Phase, Record, Writer},
};

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
const BEFORE: Timestamp = Timestamp::constant(1_700_000_000, 0);
const WRITER: &str = "gateway-pod-1/boot";
const SEQUENCE: i64 = 7;

fn counting(target: Record, size: i32) -> Commit {
    Commit::new(Arc::new(target), WRITER, SEQUENCE, size, NOW)
}

/// `record` at `number`, with `occurrences` counted, the newest batch by `writers`.
fn at(record: Record, number: u64, occurrences: i32, writers: &[(&str, i64)]) -> Arc<Record> {
    let writers = writers.iter().map(|(name, sequence)| ((*name).to_owned(), *sequence)).collect();
    let counted = Counted { occurrences, first_seen: Some(BEFORE), last_seen: Some(BEFORE), writers, turn: None };
    Arc::new(Record { version: version(number), counted: Some(counted), ..record })
}

/// An active object at `number` on which it is the turn of `turn`.
fn in_turn(number: u64, turn: &str) -> Arc<Record> {
    let mut record = Record::clone(&at(active("a"), number, 20, &[("other", 1)]));
    if let Some(counted) = &mut record.counted {
        counted.turn = Some(turn.to_owned());
    }
    Arc::new(record)
}

fn got(record: Arc<Record>) -> Observation {
    Observation::Got(Some(record))
}

#[track_caller]
fn patch(action: Action) -> (u64, i32) {
    match action {
        Action::Patch(count) => (count.version.to_string().parse().unwrap(), count.occurrences),
        other => panic!("no patch but {other:?}"),
    }
}

#[test]
fn an_absent_status_reads_as_one_occurrence() {
    assert_eq!(patch(counting(active("a"), 3).step(Observation::Begin, NOW)), (10, 4));
}

#[test]
fn the_first_status_counts_nothing_more() {
    assert_eq!(patch(counting(active("a"), 0).step(Observation::Begin, NOW)), (10, 1));
}

#[test]
fn each_signal_gets_its_own_ordinal() {
    let mut commit = counting(active("a"), 3);
    commit.step(Observation::Begin, NOW);
    let patched = at(active("a"), 11, 4, &[(WRITER, SEQUENCE)]);
    let action = commit.step(Observation::Patched(Arc::clone(&patched)), NOW);
    assert_eq!(action, Action::Counted { record: patched, before: 1 });
}

#[test]
fn after_a_conflict_the_batch_is_counted_on_the_newest_version() {
    let mut commit = counting(active("a"), 3);
    commit.step(Observation::Begin, NOW);
    let refresh = Action::Refresh { name: "rr-a".to_owned(), uid: "a".to_owned(), than: version(10) };
    assert_eq!(commit.step(Observation::Conflict, NOW), refresh);
    let newest = at(active("a"), 12, 20, &[("other", 1)]);
    assert_eq!(patch(commit.step(got(newest), NOW)), (12, 23));
}

#[test]
fn what_others_write_while_a_batch_is_throttled_is_counted_on() {
    let mut commit = counting(active("a"), 3);
    commit.step(Observation::Begin, NOW);
    let newer = at(active("a"), 14, 30, &[("other", 3)]);
    assert_eq!(patch(commit.step(Observation::BackedOff(Some(newer)), NOW)), (14, 33));
}

#[test]
fn a_batch_gives_way_to_a_turn_that_was_asked_for_while_it_was_throttled() {
    let mut commit = counting(active("a"), 3);
    commit.step(Observation::Begin, NOW);
    let action = commit.step(Observation::BackedOff(Some(in_turn(13, "other"))), NOW);
    assert_eq!(action, Action::GiveWay { uid: "a".to_owned(), than: version(13) });
}

#[test]
fn a_straggler_that_took_effect_during_a_pause_is_not_repeated() {
    let mut commit = counting(active("a"), 3);
    commit.step(Observation::Begin, NOW);
    commit.step(Observation::Ambiguous, NOW);
    commit.step(got(Arc::new(active("a"))), NOW);
    // The repetition was throttled.
    let landed = at(active("a"), 11, 4, &[(WRITER, SEQUENCE)]);
    let action = commit.step(Observation::BackedOff(Some(Arc::clone(&landed))), NOW);
    assert_eq!(action, Action::Counted { record: landed, before: 1 });
}

#[test]
fn a_pause_after_which_nothing_newer_is_known_leaves_a_batch_in_doubt() {
    let mut commit = counting(active("a"), 3);
    commit.step(Observation::Begin, NOW);
    commit.step(Observation::Ambiguous, NOW);
    commit.step(got(Arc::new(active("a"))), NOW);
    assert_eq!(patch(commit.step(Observation::BackedOff(Some(Arc::new(active("a")))), NOW)), (10, 4));
    assert_eq!(commit.step(Observation::NotFound, NOW), Action::Obituary { uid: "a".to_owned() });
}

#[test]
fn a_batch_that_others_outrun_asks_for_its_turn_and_takes_it() {
    let mut commit = counting(active("a"), 3);
    commit.step(Observation::Begin, NOW);
    for number in 11..14 {
        commit.step(Observation::Conflict, NOW);
        let newest = at(active("a"), number, 20, &[("other", 1)]);
        assert_eq!(patch(commit.step(got(newest), NOW)), (number, 23));
    }
    commit.step(Observation::Conflict, NOW);
    let newest = at(active("a"), 14, 20, &[("other", 1)]);
    assert_eq!(commit.step(got(newest), NOW), Action::AskForTurn { name: "rr-a".to_owned() });
    let Action::Patch(count) = commit.step(got(in_turn(15, WRITER)), NOW) else { panic!("it is its turn") };
    assert_eq!((count.version, count.occurrences, count.ends_turn), (version(15), 23, true));
}

#[test]
fn a_turn_that_cannot_be_asked_for_is_done_without() {
    let mut commit = counting(active("a"), 3);
    commit.step(Observation::Begin, NOW);
    for number in 11..20 {
        commit.step(Observation::Conflict, NOW);
        // Without a status there is nothing to put it in.
        let newest = Arc::new(Record { version: version(number), ..active("a") });
        assert_eq!(patch(commit.step(got(newest), NOW)), (number, 4));
    }
}

#[rstest]
#[case::before_the_first_patch(false)]
#[case::after_a_conflict(true)]
fn a_batch_gives_way_to_another_once_and_ends_its_turn(#[case] after_conflict: bool) {
    let waiting = in_turn(11, "other");
    let mut commit = counting(if after_conflict { active("a") } else { (*waiting).clone() }, 3);
    let mut action = commit.step(Observation::Begin, NOW);
    if after_conflict {
        commit.step(Observation::Conflict, NOW);
        action = commit.step(got(waiting), NOW);
    }
    assert_eq!(action, Action::GiveWay { uid: "a".to_owned(), than: version(11) });
    // In vain: the other one has crashed.
    let Action::Patch(count) = commit.step(Observation::GaveWay(None), NOW) else { panic!("it has waited enough") };
    assert_eq!((count.version, count.ends_turn), (version(11), true));
}

#[test]
fn after_giving_way_the_batch_is_counted_on_what_the_other_has_written() {
    let mut commit = counting((*in_turn(11, "other")).clone(), 3);
    commit.step(Observation::Begin, NOW);
    let written = at(active("a"), 12, 30, &[("other", 2)]);
    let Action::Patch(count) = commit.step(Observation::GaveWay(Some(written)), NOW) else { panic!("it is over") };
    assert_eq!((count.version, count.occurrences, count.ends_turn), (version(12), 33, false));
}

#[test]
fn nobody_gives_way_on_an_object_that_counts_no_signals() {
    let over = Record { phase: Phase::Terminal, ..(*in_turn(11, "other")).clone() };
    let elsewhere = Action::Elsewhere { newest: Some(Arc::new(over.clone())) };
    assert_eq!(counting(over, 3).step(Observation::Begin, NOW), elsewhere);
}

#[test]
fn a_lost_answer_is_looked_up_before_anything_else() {
    let mut commit = counting(active("a"), 3);
    commit.step(Observation::Begin, NOW);
    commit.step(Observation::Ambiguous, NOW);
    // Counted, and since then counted on by another and completed.
    let newest = at(terminal("a"), 13, 9, &[("other", 2), (WRITER, SEQUENCE)]);
    assert_eq!(commit.step(got(Arc::clone(&newest)), NOW), Action::Counted { record: newest, before: 6 });
}

#[test]
fn while_a_straggler_may_take_effect_the_same_batch_is_sent_again_on_the_same_version() {
    let mut commit = counting(active("a"), 3);
    let first = commit.step(Observation::Begin, NOW);
    commit.step(Observation::Ambiguous, NOW);
    assert_eq!(commit.step(got(Arc::new(active("a"))), NOW), first);
}

#[test]
fn an_older_sequence_of_this_writer_is_not_this_batch() {
    let mut commit = counting(active("a"), 3);
    commit.step(Observation::Begin, NOW);
    commit.step(Observation::Ambiguous, NOW);
    let newest = at(active("a"), 12, 5, &[(WRITER, SEQUENCE - 1)]);
    assert_eq!(patch(commit.step(got(newest), NOW)), (12, 8));
}

#[test]
fn a_completed_object_sends_an_uncounted_batch_elsewhere() {
    let mut commit = counting(active("a"), 3);
    commit.step(Observation::Begin, NOW);
    commit.step(Observation::Conflict, NOW);
    let completed = at(terminal("a"), 12, 5, &[]);
    assert_eq!(commit.step(got(Arc::clone(&completed)), NOW), Action::Elsewhere { newest: Some(completed) });
}

#[rstest]
#[case::not_found(Observation::NotFound)]
#[case::gone(Observation::Got(None))]
#[case::recreated(Observation::Got(Some(Arc::new(active("another-uid")))))]
fn a_deleted_object_sends_a_batch_elsewhere_that_was_never_in_doubt(#[case] observation: Observation) {
    let mut commit = counting(active("a"), 3);
    commit.step(Observation::Begin, NOW);
    assert_eq!(commit.step(observation, NOW), Action::Elsewhere { newest: None });
}

#[rstest]
#[case::counted(Some(at(active("a"), 12, 4, &[(WRITER, SEQUENCE)])), true)]
#[case::not_counted(Some(at(active("a"), 12, 1, &[])), false)]
#[case::unknown(None, false)]
fn a_batch_in_doubt_on_a_deleted_object_is_settled_by_its_last_state(
    #[case] last: Option<Arc<Record>>,
    #[case] counted: bool,
) {
    let mut commit = counting(active("a"), 3);
    commit.step(Observation::Begin, NOW);
    commit.step(Observation::Ambiguous, NOW);
    assert_eq!(commit.step(Observation::Got(None), NOW), Action::Obituary { uid: "a".to_owned() });
    let action = commit.step(Observation::Remembered(last.clone()), NOW);
    match last {
        Some(_) if counted => assert!(matches!(action, Action::Counted { before: 1, .. }), "{action:?}"),
        Some(_) => assert_eq!(action, Action::Elsewhere { newest: None }),
        None => assert_eq!(action, Action::Unsettled),
    }
}

#[test]
fn a_suppressing_object_is_asked_at_every_commit_whether_its_time_has_come() {
    let until_now = Record { next_allowed: Some(NOW), ..terminal("a") };
    let mut commit = counting(until_now.clone(), 1);
    let before = NOW - jiff::SignedDuration::from_millis(1);
    assert_eq!(patch(commit.step(Observation::Begin, before)), (10, 2));
    let mut commit = counting(until_now.clone(), 1);
    let elsewhere = Action::Elsewhere { newest: Some(Arc::new(until_now)) };
    assert_eq!(commit.step(Observation::Begin, NOW), elsewhere);
}

#[test]
fn a_crd_without_the_writers_field_is_noticed() {
    let mut commit = counting(active("a"), 1);
    commit.step(Observation::Begin, NOW);
    assert_eq!(commit.step(Observation::Patched(at(active("a"), 11, 2, &[])), NOW), Action::FieldMissing);
}

#[test]
fn the_count_saturates() {
    let full = at(active("a"), 10, i32::MAX - 1, &[]);
    let mut commit = counting((*full).clone(), 5);
    assert_eq!(patch(commit.step(Observation::Begin, NOW)), (10, i32::MAX));
}

#[test]
fn the_newest_writers_are_kept_own_batch_first() {
    let names: Vec<String> = (0..40).map(|i| format!("other-{i}")).collect();
    let mut writers: Vec<(&str, i64)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    writers.insert(5, (WRITER, 3));
    let target = at(active("a"), 10, 40, &writers);
    let Action::Patch(count) = counting((*target).clone(), 1).step(Observation::Begin, NOW) else { panic!() };
    assert_eq!(count.writers.len(), 32);
    assert_eq!(count.writers[0], Writer { name: WRITER.to_owned(), sequence: SEQUENCE });
    assert_eq!(count.writers.iter().filter(|writer| writer.name == WRITER).count(), 1);
    assert_eq!(count.writers[31].name, "other-30");
    assert_eq!((count.first_seen, count.last_seen), (BEFORE, NOW));
    assert_eq!(target.phase, Phase::Active);
}

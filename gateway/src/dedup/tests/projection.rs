//! The patch of a status: what it says, and under which conditions.

use std::sync::Arc;

use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::{EPOCH, active};
use crate::{
    context::Monotonic,
    dedup::protocol::projection::{Counted, Due, Projection, patch},
    remediation::{Deduplication, Record},
};

fn counted(total: u64) -> Counted {
    Counted { total, first_seen: EPOCH, last_seen: EPOCH }
}

fn due(record: &Arc<Record>, counted: Counted, known: Monotonic) -> Due {
    Due { record: Arc::clone(record), counted, known }
}

fn says(occurrences: Option<i64>) -> Record {
    let (first_seen, last_seen) = (Some(EPOCH), Some(EPOCH));
    let deduplication = Some(Deduplication { occurrences, first_seen, last_seen, ..Deduplication::default() });
    Record { has_status: true, deduplication, ..active("a") }
}

/// The paths that a patch tests, with the values, the uid's apart.
fn tests(patch: &Value) -> Vec<(&str, &Value)> {
    let steps = patch.as_array().unwrap().iter().filter(|step| step["op"] == "test");
    let tests: Vec<_> = steps.map(|step| (step["path"].as_str().unwrap(), &step["value"])).collect();
    assert_eq!(tests[0], ("/metadata/uid", &json!("a")), "never on another object of that name");
    tests[1..].to_vec()
}

#[rstest]
#[case::no_status(active("a"), "/status", Value::Null)]
#[case::no_deduplication(Record { has_status: true, ..active("a") }, "/status/deduplication", Value::Null)]
#[case::no_count(says(None), "/status/deduplication/occurrenceCount", Value::Null)]
#[case::a_count(says(Some(2)), "/status/deduplication/occurrenceCount", json!(2))]
fn a_projection_tests_the_deepest_thing_that_it_replaces(
    #[case] record: Record,
    #[case] path: &str,
    #[case] value: Value,
) {
    let patch = patch(&record, counted(3), false).unwrap();
    assert_eq!(tests(&patch), [(path, &value)]);
}

#[rstest]
#[case::behind(2, false, true)]
#[case::equal(3, false, false)]
#[case::ahead(4, false, false)]
#[case::ahead_of_one_that_has_ended(4, true, true)]
#[case::equal_to_one_that_has_ended(3, true, false)]
fn a_count_is_raised_and_lowered_only_at_the_end(#[case] said: i64, #[case] exact: bool, #[case] patched: bool) {
    assert_eq!(patch(&says(Some(said)), counted(3), exact).is_some(), patched);
}

proptest! {
    #[test]
    fn a_count_never_leaves_the_range_of_its_field(total: u64) {
        if let Some(patch) = patch(&says(Some(0)), counted(total), false) {
            let step = patch.as_array().unwrap().iter().find(|step| step["op"] == "add").unwrap();
            prop_assert_eq!(step["value"].as_i64(), Some(i64::try_from(total).unwrap_or(i64::MAX).min(i32::MAX.into())));
        }
    }
}

#[test]
fn who_sees_that_another_raises_the_count_waits_once_more() {
    let at = |secs| Monotonic::from_start(std::time::Duration::from_secs(secs));
    let mut projection = Projection::default();
    let record = Arc::new(says(Some(2)));
    assert_eq!(projection.counted(due(&record, counted(9), at(0)), at(1)), None);
    let raised = || Some(Arc::new(Record { version: super::version(11), ..says(Some(5)) }));
    assert_eq!(projection.take(|_| raised(), at(2)), None);
    assert_eq!(projection.due(), Some(at(2)));
    assert_eq!(projection.take(|_| raised(), at(3)).map(|due| due.counted.total), Some(9));
    assert_eq!(projection.due(), None);
}

#[rstest]
#[case::nothing(0, true)]
#[case::something(1, false)]
fn who_sees_the_count_raised_again_writes_unless_it_has_counted_meanwhile(
    #[case] meanwhile: u64,
    #[case] writes: bool,
) {
    let at = |secs| Monotonic::from_start(std::time::Duration::from_secs(secs));
    let mut projection = Projection::default();
    let record = Arc::new(says(Some(2)));
    let raised = |said| Some(Arc::new(Record { version: super::version(11), ..says(Some(said)) }));
    projection.counted(due(&record, counted(9), at(0)), at(1));
    assert_eq!(projection.take(|_| raised(5), at(2)), None);
    projection.counted(due(&record, counted(9 + meanwhile), at(0)), at(1));
    assert_eq!(projection.take(|_| raised(7), at(3)).is_some(), writes);
}

#[test]
fn what_was_counted_on_another_object_is_projected_to_that() {
    let (mut projection, now) = (Projection::default(), Monotonic::default());
    let (first, second) = (Arc::new(active("a")), Arc::new(active("b")));
    assert_eq!(projection.counted(due(&first, counted(9), now), now), None);
    let uid_and_total = |due: Due| (due.record.uid.clone(), due.counted.total);
    let other = projection.counted(due(&second, counted(1), now), now);
    assert_eq!(other.map(uid_and_total), Some(("a".into(), 9)));
    assert_eq!(projection.take(|_| None, now).map(uid_and_total), Some(("b".into(), 1)));
}

#[test]
fn what_is_projected_is_as_old_as_the_largest_count() {
    let at = |secs| Monotonic::from_start(std::time::Duration::from_secs(secs));
    let record = Arc::new(active("a"));
    for (second, known) in [(8, 1), (9, 2), (10, 2)] {
        let mut projection = Projection::default();
        projection.counted(due(&record, counted(9), at(1)), at(1));
        projection.counted(due(&record, counted(second), at(2)), at(2));
        projection.postpone(at(3));
        let due = projection.take(|_| None, at(4)).unwrap();
        assert_eq!((due.counted.total, due.known), (second.max(9), at(known)));
    }
}

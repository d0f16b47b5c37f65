use std::time::Duration;

use super::{active, fingerprint, terminal, version};
use crate::{context::Monotonic, dedup::index::Index, remediation::Record};

fn at(record: Record, number: u64) -> Record {
    Record { version: version(number), ..record }
}

fn second(number: u64) -> Monotonic {
    Monotonic::from_start(Duration::from_secs(number))
}

fn uids(index: &Index) -> Vec<String> {
    index.of(&fingerprint()).iter().map(|record| format!("{}@{}", record.uid, record.version)).collect()
}

#[test]
fn events_never_move_the_view_backwards() {
    let mut index = Index::default();
    index.replace(vec![at(active("a"), 5)], version(8));
    index.apply(at(active("a"), 7));
    assert_eq!(uids(&index), ["a@5"]);
    index.delete(&at(active("a"), 8));
    index.reach(version(3));
    assert_eq!((uids(&index), index.version()), (vec!["a@5".to_owned()], Some(version(8))));
    index.apply(at(active("a"), 9));
    assert_eq!((uids(&index), index.version()), (vec!["a@9".to_owned()], Some(version(9))));
}

#[test]
fn a_deleted_object_is_gone() {
    let mut index = Index::default();
    index.replace(vec![at(active("a"), 5)], version(5));
    index.delete(&at(terminal("a"), 6));
    assert_eq!((uids(&index), index.version()), (Vec::new(), Some(version(6))));
}

#[test]
fn an_object_that_a_new_list_lacks_is_gone() {
    let mut index = Index::default();
    index.replace(vec![at(active("a"), 5)], version(5));
    index.replace(vec![], version(9));
    assert!(uids(&index).is_empty());
}

#[test]
fn the_age_counts_from_the_newest_mark_that_was_reached() {
    let mut index = Index::default();
    index.replace(vec![], version(5));
    index.mark(version(5), second(1));
    assert_eq!(index.as_of(), Some(second(1)));
    index.mark(version(9), second(2));
    index.mark(version(12), second(3));
    index.reach(version(8));
    assert_eq!(index.as_of(), Some(second(1)), "a message alone proves nothing");
    index.apply(at(active("a"), 10));
    assert_eq!(index.as_of(), Some(second(2)));
    index.reach(version(12));
    assert_eq!(index.as_of(), Some(second(3)));
}

#[test]
fn marks_closer_together_than_their_spacing_are_left_out() {
    let at = |ms| Monotonic::from_start(Duration::from_millis(ms));
    let mut index = Index::default();
    index.replace(vec![], version(1));
    index.mark(version(10), at(1_000));
    index.mark(version(11), at(1_049));
    index.reach(version(11));
    assert_eq!(index.as_of(), Some(at(1_000)));
    index.mark(version(20), at(2_000));
    index.mark(version(21), at(2_050));
    index.reach(version(21));
    assert_eq!(index.as_of(), Some(at(2_050)));
}

#[test]
fn marks_are_bounded_and_the_newest_count() {
    let mut index = Index::default();
    index.replace(vec![], version(1));
    for i in 0..10_000 {
        index.mark(version(10 + i), second(i));
    }
    index.reach(version(20_000));
    assert_eq!(index.as_of(), Some(second(9_999)));
}

#[test]
fn twins_are_noticed_once_when_the_second_becomes_active() {
    let mut index = Index::default();
    index.replace(vec![], version(0));
    assert!(index.apply(at(active("a"), 1)).twins.is_empty());
    assert!(index.apply(at(terminal("b"), 2)).twins.is_empty());
    let change = index.apply(at(active("c"), 3));
    assert_eq!(change.twins, [(fingerprint(), vec!["rr-a".to_owned(), "rr-c".to_owned()])]);
    assert!(index.apply(at(active("c"), 4)).twins.is_empty());
    index.delete(&at(active("a"), 5));
    assert!(index.apply(at(active("c"), 6)).twins.is_empty());
}

#[test]
fn an_index_that_was_dropped_is_filled_by_a_list_alone() {
    let mut index = Index::default();
    index.replace(vec![at(active("a"), 5)], version(5));
    index.rewind();
    index.apply(at(active("a"), 6));
    index.delete(&at(active("b"), 7));
    assert_eq!((index.len(), index.version()), (0, None));
    let change = index.replace(vec![at(active("a"), 6)], version(6));
    assert!(!change.rewound && index.len() == 1);
}

#[test]
fn what_does_not_change_wakes_nobody() {
    let mut index = Index::default();
    index.replace(vec![at(active("a"), 5)], version(5));
    let change = index.replace(vec![at(active("a"), 5), at(active("b"), 7)], version(8));
    assert_eq!(change.fingerprints.len(), 1);
}

#[test]
fn a_successor_that_a_list_names_before_the_one_it_followed_is_no_twin() {
    let mut index = Index::default();
    index.apply(at(active("b"), 1));
    let change = index.replace(vec![at(active("a"), 3), at(terminal("b"), 2)], version(4));
    assert!(change.twins.is_empty(), "{:?}", change.twins);
    let mut index = Index::default();
    index.apply(at(active("b"), 1));
    let change = index.replace(vec![at(active("a"), 3), at(active("b"), 1)], version(4));
    assert_eq!(change.twins.len(), 1, "they are, if both are active");
}

#[test]
fn a_record_that_is_shared_fits_256_bytes_of_which_allocators_have_a_class() {
    // With the two counts of an `Arc`.
    assert!(size_of::<Record>() + 2 * size_of::<usize>() <= 256, "{} bytes", size_of::<Record>());
}

//! The patch of a batch, on any state of its object.

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;
use proptest::{collection::vec, prelude::*, sample::subsequence};

use super::any::{NOW, moment};
use crate::{
    dedup::{
        commit::{Action, Commit, Observation},
        tests::active,
    },
    remediation::{Counted, Record},
};

const WRITER: &str = "writer-7";

/// Up to 60 writers, the one under test perhaps among them.
fn writers() -> impl Strategy<Value = Vec<(String, i64)>> {
    let names: Vec<String> = (0..60).map(|i| format!("writer-{i}")).collect();
    let names = subsequence(names, 0..=60).prop_shuffle();
    names.prop_flat_map(|names| {
        let sequences = vec(0..9_i64, names.len());
        sequences.prop_map(move |sequences| names.iter().cloned().zip(sequences).collect())
    })
}

fn counted() -> impl Strategy<Value = Option<Counted>> {
    let times = (prop::option::of(moment()), prop::option::of(moment()));
    let occurrences = prop_oneof![4 => 1..100_i32, 1 => (i32::MAX - 3)..=i32::MAX];
    let counted = (occurrences, times, writers()).prop_map(|(occurrences, (first_seen, last_seen), writers)| Counted {
        occurrences,
        first_seen,
        last_seen,
        writers,
        turn: None,
    });
    prop::option::weighted(0.8, counted)
}

fn times(record: &Record) -> (Option<Timestamp>, Option<Timestamp>) {
    record.counted.as_ref().map_or((None, None), |counted| (counted.first_seen, counted.last_seen))
}

proptest! {
    #[test]
    fn a_batch_adds_its_size_and_puts_its_writer_first_of_at_most_32(
        counted in counted(),
        created in prop::option::of(moment()),
        size in 0..100_i32,
        received in moment(),
    ) {
        let before = Arc::new(Record { counted, created, ..active("a") });
        let mut commit = Commit::new(Arc::clone(&before), WRITER, 9, size, received);
        let action = commit.step(Observation::Begin, NOW);
        let Action::Patch(count) = action else { return Err(TestCaseError::fail(format!("{action:?}"))) };
        prop_assert_eq!((&count.name, count.version), (&before.name, before.version));
        prop_assert_eq!(count.occurrences, before.occurrences().saturating_add(size));

        let (first_seen, last_seen) = times(&before);
        prop_assert_eq!(count.first_seen, first_seen.or(created).unwrap_or(received));
        prop_assert_eq!(count.last_seen, last_seen.unwrap_or(received).max(received));

        let old = before.counted.as_ref().map(|counted| counted.writers.as_slice()).unwrap_or_default();
        let others: Vec<_> = old.iter().filter(|(name, _)| name != WRITER).take(31).cloned().collect();
        let new: Vec<_> = count.writers.iter().map(|writer| (writer.name.clone(), writer.sequence)).collect();
        prop_assert_eq!(&new[0], &(WRITER.to_owned(), 9));
        prop_assert_eq!(&new[1..], others.as_slice());
        prop_assert!(new.len() <= 32);
        prop_assert_eq!(new.iter().map(|(name, _)| name).collect::<BTreeSet<_>>().len(), new.len());
    }
}

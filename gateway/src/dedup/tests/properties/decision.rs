//! The decision on a signal, for any past of its fingerprint.

use std::sync::Arc;

use proptest::{prelude::*, sample::Index};

use super::any::{moment, records};
use crate::{
    dedup::{
        protocol::decision::{Plan, Verdict, decide},
        tests::fingerprint,
    },
    remediation::{Record, remediation_request_name},
};

fn is_latest(record: &Record, all: &[Arc<Record>]) -> bool {
    let key = |record: &Record| (record.ordinal, record.created, record.uid.clone());
    all.iter().all(|other| key(other) <= key(record))
}

fn is_newest(record: &Record, all: &[Arc<Record>]) -> bool {
    let key = |record: &Record| (record.created, record.ordinal, record.uid.clone());
    all.iter().all(|other| key(other) <= key(record))
}

proptest! {
    #[test]
    fn every_replica_decides_alike_whatever_order_it_knows_the_records_in(
        (one, other) in records().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
        now in moment(),
    ) {
        prop_assert_eq!(decide(&fingerprint(), &one, now), decide(&fingerprint(), &other, now));
    }

    #[test]
    fn a_duplicate_is_counted_on_the_oldest_active_one_or_on_the_newest_that_suppresses(
        all in records(),
        now in moment(),
    ) {
        let actives = || all.iter().filter(|record| record.is_active());
        match decide(&fingerprint(), &all, now) {
            Verdict::Duplicate(target) => {
                prop_assert!(!target.terminating);
                prop_assert!(target.counts_signals(now));
                if target.is_active() {
                    prop_assert!(actives().all(|other| other.created >= target.created));
                } else {
                    prop_assert_eq!(actives().count(), 0);
                    prop_assert!(is_newest(&target, &all));
                }
            }
            Verdict::Create(_) => prop_assert_eq!(actives().count(), 0),
        }
    }

    #[test]
    fn a_new_one_follows_the_latest_by_ordinal_under_the_name_that_everyone_derives(all in records(), now in moment()) {
        let Verdict::Create(Plan { predecessor, after_newest, name }) = decide(&fingerprint(), &all, now) else { return Ok(()) };
        let known = predecessor.as_ref().map(|predecessor| (predecessor.ordinal, &*predecessor.uid));
        prop_assert_eq!(name, remediation_request_name(&fingerprint(), known));
        match predecessor {
            None => prop_assert!(all.is_empty()),
            Some(predecessor) => {
                prop_assert!(is_latest(&predecessor, &all));
                prop_assert_eq!(after_newest, is_newest(&predecessor, &all));
            }
        }
    }

    /// Retention may remove what is neither active nor the latest at any time; of those of another program, neither the newest.
    #[test]
    fn what_is_neither_active_nor_latest_nor_newest_decides_nothing(all in records(), now in moment(), place in any::<Index>()) {
        if all.is_empty() {
            return Ok(());
        }
        let gone = &all[place.index(all.len())];
        if !gone.is_active() && !is_latest(gone, &all) && !is_newest(gone, &all) {
            let left: Vec<_> = all.iter().filter(|record| record.uid != gone.uid).cloned().collect();
            prop_assert_eq!(decide(&fingerprint(), &all, now), decide(&fingerprint(), &left, now));
        }
    }
}

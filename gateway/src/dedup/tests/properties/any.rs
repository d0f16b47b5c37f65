//! Records as they may be found.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use proptest::{collection::btree_map, prelude::*, sample::select};

use super::super::{active, version};
use crate::remediation::{Author, Phase, Record, SUCCESSION_FINALIZER};

pub(super) const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
/// Writer and attempt of the attempt under test.
pub(super) const TAG: &str = "gateway-pod-1/boot/1";

/// `factor` times as many cases as usual.
pub(super) fn cases(factor: u32) -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases * factor, ..usual }
}

/// `NOW` and up to three seconds later: the range in which `nextAllowedExecution` lies, too.
pub(super) fn moment() -> impl Strategy<Value = Timestamp> {
    (0..4_i64).prop_map(|seconds| NOW + SignedDuration::from_secs(seconds))
}

/// One of three writers that may have created a record, nobody, or the attempt under test.
fn creator() -> impl Strategy<Value = Option<Author>> {
    let others = vec!["gateway-pod-2/boot/1", "gateway-pod-1/boot/2", "gateway-pod-1/boot/11"];
    prop_oneof![
        3 => select(others).prop_map(|creator| Some(Author::of(creator))),
        1 => Just(None),
        1 => Just(Some(Author::of(TAG))),
    ]
}

/// Any state of the object with this uid.
pub(super) fn record(uid: String) -> impl Strategy<Value = Record> {
    let ordinal = prop_oneof![8 => 0..4_u32, 1 => Just(999_999_999)];
    let state = (prop::bool::weighted(0.3), prop::bool::weighted(0.2), prop::option::weighted(0.3, moment()));
    let life = (prop::bool::weighted(0.3), prop::bool::weighted(0.4), prop::option::of(moment()));
    (ordinal, 1..40_u64, state, life, creator()).prop_map(move |(ordinal, number, state, life, created_by)| {
        let (is_active, manual_review, next_allowed) = state;
        let (terminating, claimed, created) = life;
        Record {
            version: version(number),
            phase: if is_active { Phase::Active } else { Phase::Terminal },
            finalizers: if claimed { Box::new([SUCCESSION_FINALIZER.to_owned()]) } else { Box::default() },
            ordinal,
            manual_review,
            next_allowed,
            terminating,
            created_by,
            created,
            ..active(&uid)
        }
    })
}

/// All that exists of a fingerprint, in any order.
pub(super) fn records() -> impl Strategy<Value = Vec<Arc<Record>>> {
    let uids = btree_map("[a-e]", any::<()>(), 0..4);
    let records = uids.prop_flat_map(|uids| uids.into_keys().map(record).collect::<Vec<_>>());
    records.prop_map(|records| records.into_iter().map(Arc::new).collect::<Vec<_>>()).prop_shuffle()
}

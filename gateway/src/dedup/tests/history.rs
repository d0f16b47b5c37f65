use std::sync::Arc;

use rstest::rstest;

use super::{active, fingerprint, records, terminal, version};
use crate::{
    dedup::{
        history::{Consequence, Finding, Suspects},
        index::Index,
        versions::Versions,
        view::View,
    },
    metrics::Metrics,
    remediation::{Fingerprint, Record},
};

fn at(record: Record, number: u64) -> Record {
    Record { version: version(number), ..record }
}

/// Knows `a` at version 5, has seen `b` go at version 7, and has come to version 8.
fn index() -> Index {
    let mut index = Index::default();
    index.replace(vec![at(active("a"), 5), at(active("b"), 6)], version(6));
    index.delete(&at(terminal("b"), 7));
    index.reach(version(8));
    index
}

fn view() -> (View, Metrics) {
    let metrics = Metrics::new().unwrap();
    let view = View::new(metrics.clone(), Arc::new(Versions::new(metrics.clone())));
    view.update(|known| {
        *known = index();
        Default::default()
    });
    (view, metrics)
}

#[rstest]
#[case::as_it_was(at(active("a"), 5), true)]
#[case::changed_since(at(terminal("a"), 9), true)]
#[case::created_since(at(active("c"), 9), true)]
#[case::of_another_fingerprint(Record { fingerprint: Fingerprint::of("shop:Deployment:cart"), ..at(active("c"), 4) }, true)]
#[case::in_an_older_version(at(active("a"), 4), false)]
#[case::ended_in_the_same_version(at(terminal("a"), 5), false)]
#[case::in_a_version_that_was_passed(at(active("a"), 8), false)]
#[case::deleted_before(at(active("b"), 6), false)]
#[case::never_seen(at(active("c"), 6), false)]
fn an_object_continues_what_was_known_or_history_has_gone_back(#[case] record: Record, #[case] continued: bool) {
    let (view, metrics) = view();
    let asked = view.asked(&fingerprint());
    assert_eq!(view.agrees(&asked, &record), continued);
    assert_eq!(view.version().is_some(), continued, "a view that is contradicted is dropped");
    assert_eq!(metrics.history_rewound.get(), u64::from(!continued));
    assert_eq!(view.all_suspects().len(), usize::from(!continued));
}

#[rstest]
#[case::as_it_was(8, vec![at(active("a"), 5)], true)]
#[case::without_what_was_known(9, vec![], true)]
#[case::at_an_older_version(7, vec![at(active("a"), 5)], false)]
#[case::with_an_object_that_was_deleted(9, vec![at(active("a"), 5), at(active("b"), 6)], false)]
#[case::with_an_object_in_an_older_version(9, vec![at(active("a"), 3)], false)]
#[case::with_one_that_ended_in_the_same_version(9, vec![at(terminal("a"), 5)], false)]
fn a_consistent_list_continues_what_was_known_or_all_is_dropped(
    #[case] number: u64,
    #[case] listed: Vec<Record>,
    #[case] continued: bool,
) {
    let mut index = index();
    let asked = index.asked(&fingerprint());
    assert_eq!(asked.is_continued_by_list(version(number), &records(&listed)), continued);
    let change = index.replace(listed.clone(), version(number));
    assert_eq!((change.rewound, index.epoch()), (!continued, u64::from(!continued)));
    assert_eq!(index.version(), Some(version(number)));
    assert_eq!(index.of(&fingerprint()), records(&listed));
}

#[test]
fn twins_are_looked_for_in_a_history_that_was_restored() {
    let mut index = index();
    index.apply(at(active("c"), 9));
    let change = index.replace(vec![at(active("a"), 4), at(active("c"), 5)], version(6));
    assert_eq!(change.twins, [(fingerprint(), vec!["rr-a".to_owned(), "rr-c".to_owned()])]);
}

#[test]
fn marks_of_a_history_that_is_gone_prove_nothing() {
    let mut index = index();
    index.mark(version(20), crate::context::Monotonic::default());
    index.rewind();
    index.reach(version(30));
    assert_eq!(index.as_of(), None);
}

#[test]
fn one_contradiction_drops_the_view_once_however_many_answers_show_it() {
    let (view, metrics) = view();
    let (one, two) = (view.asked(&fingerprint()), view.asked(&fingerprint()));
    let restored = at(active("a"), 3);
    assert!(!view.agrees(&one, &restored));
    view.update(|index| index.replace(vec![at(active("a"), 3)], version(4)));
    assert!(!view.agrees(&two, &restored), "it was asked for before");
    assert!(!view.agrees(&two, &at(active("a"), 9)), "it may continue anything");
    assert!(view.agrees(&view.asked(&fingerprint()), &restored));
    assert_eq!((metrics.history_rewound.get(), view.epoch()), (1, 1));
}

#[rstest]
#[case::below(7, false)]
#[case::at_it(8, true)]
#[case::beyond(9, true)]
fn the_version_of_a_consistent_read_is_not_below_what_was_reached(#[case] number: u64, #[case] continued: bool) {
    let (view, metrics) = view();
    assert_eq!(view.heard(view.epoch(), view.version(), version(number)), continued);
    assert_eq!(metrics.history_rewound.get(), u64::from(!continued));
}

#[test]
fn what_is_not_found_is_looked_at_only_if_the_view_knew_it() {
    let (view, metrics) = view();
    let asked = view.asked(&fingerprint());
    view.missed(&asked, "rr-b");
    assert!(view.all_suspects().is_empty(), "its deletion was seen");
    view.missed(&asked, "rr-a");
    assert_eq!(view.all_suspects(), [("rr-a".to_owned(), fingerprint())]);
    assert_eq!(metrics.history_rewound.get(), 0, "it may just have been deleted");
}

#[test]
fn lists_that_contradict_etcd_twice_are_doubted_until_they_agree() {
    use Consequence::{Believe, Doubt, DropView, Nothing};
    use Finding::{Agreed, ListContradicts, Open, ViewContradicts};
    let mut suspects = Suspects::default();
    suspects.add("a", &fingerprint());
    suspects.add("b", &fingerprint());
    let looks = [
        ("a", ViewContradicts, DropView),
        ("a", ListContradicts, Nothing),
        ("a", ListContradicts, Doubt),
        ("a", ListContradicts, Nothing),
        ("b", ListContradicts, Nothing),
        ("a", Open, Nothing),
        ("a", Agreed, Nothing),
        ("b", Agreed, Believe),
        ("b", ListContradicts, Nothing),
    ];
    for (name, finding, consequence) in looks {
        assert_eq!(suspects.judge(name, finding), consequence, "{name} {finding:?}");
    }
    assert!(suspects.is_empty());
}

#[test]
fn lists_that_were_doubted_for_long_are_believed_when_only_the_view_is_wrong() {
    let mut suspects = Suspects::default();
    suspects.add("a", &fingerprint());
    for _ in 0..40 {
        suspects.judge("a", Finding::ListContradicts);
    }
    // It is given up, and nobody looks again.
    assert_eq!(suspects.judge("a", Finding::ViewContradicts), Consequence::Believe);
    assert!(suspects.is_empty());
}

#[test]
fn a_view_is_dropped_when_lists_are_believed_again() {
    let (view, _) = view();
    view.missed(&view.asked(&fingerprint()), "rr-a");
    for _ in 0..2 {
        view.judge("rr-a", Finding::ListContradicts, view.epoch());
    }
    view.update(|known| {
        *known = index();
        Default::default()
    });
    assert!(view.is_doubtful());
    view.judge("rr-a", Finding::ViewContradicts, view.epoch());
    assert!(!view.is_doubtful() && view.version().is_none());
}

#[test]
fn an_object_that_never_keeps_still_is_given_up_and_few_are_looked_at() {
    let mut suspects = Suspects::default();
    for number in 0..20 {
        suspects.add(&number.to_string(), &fingerprint());
    }
    assert_eq!(suspects.all().len(), 8);
    for _ in 0..20 {
        for (name, _) in suspects.all() {
            assert_eq!(suspects.judge(&name, Finding::Open), Consequence::Nothing);
        }
    }
    assert!(suspects.is_empty());
}

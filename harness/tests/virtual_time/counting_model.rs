//! Counting, checked in every order of steps within small bounds, on the gateway's own machine: no count is ever wrong with
//! all rules, and without any one of them some is.
//!
//! The large bounds take eight minutes of one core and 2.5 GiB at most:
//! `cargo test --release -p harness --test virtual_time -- counting_model --ignored --nocapture --test-threads 1`.

use harness::model::{
    Outcome,
    counting::{Bounds, Rule, Rules, check},
};
use rstest::rstest;

const SMALL: Bounds = Bounds::new(1, 2, 4, 2);
/// A counter that somebody deletes: what its status did not say is lost, and nothing else.
const DELETED: Bounds = Bounds { projections: 1, deletions: 1, ..SMALL };

#[track_caller]
fn holds(bounds: &Bounds) -> Outcome {
    let outcome = check(bounds, &Rules::ALL);
    println!("{bounds}: {outcome}");
    assert_eq!(outcome.violation, None, "{outcome}");
    assert!(outcome.complete);
    outcome
}

/// The numbers are exact, so that no change of the machine or the model goes unnoticed.
#[rstest]
#[case::one_writer(SMALL, 26_752)]
#[case::counted_on_before(Bounds { foreign: true, ..SMALL }, 21_824)]
#[case::two_writers(Bounds::new(2, 1, 2, 2), 18_946)]
#[case::three_writers(Bounds::new(3, 1, 1, 1), 5_049)]
#[case::a_fold(Bounds { foreign: true, folds: 1, ..SMALL }, 30_552)]
#[case::a_fold_of_two_writers(Bounds { folds: 1, ..Bounds::new(2, 1, 2, 2) }, 24_117)]
#[case::refusals(Bounds { refusals: true, ..SMALL }, 30_241)]
#[case::it_is_deleted(Bounds { goes: true, ..Bounds::new(1, 2, 3, 2) }, 22_358)]
#[case::a_deleted_counter(DELETED, 126_595)]
#[case::a_deleted_counter_of_two_writers(Bounds { projections: 1, deletions: 1, ..Bounds::new(2, 1, 2, 2) }, 91_497)]
fn with_all_rules_no_count_is_ever_wrong(#[case] bounds: Bounds, #[case] states: u32) {
    assert_eq!(holds(&bounds).states, states);
}

/// As [`with_all_rules_no_count_is_ever_wrong`].
#[rstest]
#[case::one_writer(Bounds::new(1, 3, 6, 3), 2_052_518)]
#[case::two_writers(Bounds::new(2, 1, 3, 3), 451_301)]
#[case::two_writers_counted_on_before(Bounds { foreign: true, ..Bounds::new(2, 1, 3, 3) }, 872_790)]
#[case::two_writers_two_signals(Bounds::new(2, 2, 3, 2), 9_760_086)]
#[case::three_writers(Bounds::new(3, 1, 2, 2), 535_933)]
#[case::a_fold(Bounds { foreign: true, folds: 1, ..Bounds::new(1, 3, 6, 3) }, 3_014_582)]
#[case::a_fold_of_two_writers(Bounds { folds: 1, ..Bounds::new(2, 1, 4, 3) }, 4_698_415)]
#[case::two_folds(Bounds { folds: 2, foreign: true, goes: true, ..Bounds::new(2, 1, 3, 2) }, 2_489_004)]
#[case::refusals(Bounds { goes: true, refusals: true, ..Bounds::new(1, 3, 5, 2) }, 1_613_235)]
#[case::a_deleted_counter(Bounds { folds: 1, projections: 1, deletions: 1, ..Bounds::new(1, 3, 5, 2) }, 7_218_449)]
#[case::a_deleted_counter_and_more_in_flight(Bounds { projections: 1, deletions: 1, ..Bounds::new(1, 3, 6, 3) }, 14_850_649)]
#[case::a_deleted_counter_of_two_writers(Bounds { projections: 1, deletions: 1, ..Bounds::new(2, 1, 3, 3) }, 2_320_818)]
#[ignore = "large: cargo test --release -p harness --test virtual_time -- counting_model --ignored --nocapture --test-threads 1"]
fn with_all_rules_no_count_is_ever_wrong_within_large_bounds(#[case] bounds: Bounds, #[case] states: u32) {
    assert_eq!(holds(&bounds).states, states);
}

/// Each is wrong soon, and by the shortest way of so many steps.
#[rstest]
#[case::no_test(Rule::Test, SMALL, 7)]
#[case::no_fence(Rule::Fence, SMALL, 7)]
#[case::no_taking_back(Rule::TakeBack, SMALL, 7)]
#[case::no_look(Rule::Look, SMALL, 4)]
#[case::a_sequence_used_again(Rule::Sequence, SMALL, 7)]
#[case::a_fold_that_tests_nothing(Rule::FoldTests, Bounds { folds: 1, ..SMALL }, 8)]
#[case::a_fold_that_does_not_wait(Rule::FoldWaits, Bounds { folds: 1, ..SMALL }, 8)]
#[case::a_counter_deleted_while_it_counts(Rule::DeletionWaits, DELETED, 9)]
fn without_one_rule_some_count_is_wrong(#[case] rule: Rule, #[case] bounds: Bounds, #[case] steps: usize) {
    let outcome = check(&bounds, &Rules::ALL.without(rule));
    println!("without {rule:?}, {bounds}: {outcome}");
    let trace = outcome.counterexample.expect("a wrong count");
    assert_eq!(trace.len(), steps);
}

/// One that never is would not be checked.
#[test]
fn every_kind_of_step_is_taken() {
    let outcome = holds(&Bounds {
        foreign: true,
        folds: 1,
        projections: 1,
        deletions: 1,
        goes: true,
        refusals: true,
        ..Bounds::new(1, 1, 2, 2)
    });
    assert_eq!(outcome.steps.len(), 24, "{:#?}", outcome.steps);
}

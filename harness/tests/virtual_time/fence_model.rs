//! The fence, checked in every order of steps within small bounds: with all its rules there are never twins, and without
//! any one of them there are.
//!
//! The large bounds take a minute of one core and 215 MiB at most in a release build:
//! `cargo test --release -p harness --test virtual_time -- fence_model --ignored --nocapture`.

use harness::model::{Bounds, Outcome, Rule, Rules, check, check_with_the_machine};
use rstest::rstest;

const SMALL: Bounds = Bounds::new(2, 3, 1, 1);

#[track_caller]
fn holds(bounds: &Bounds) -> Outcome {
    let outcome = check(bounds, &Rules::ALL);
    println!("{bounds}: {outcome}");
    assert_eq!(outcome.counterexample, None, "twins: {outcome}");
    assert_eq!(
        outcome.forks(),
        0,
        "a RemediationRequest was created although a later one than its predecessor existed"
    );
    outcome
}

/// The numbers are exact, so that no change of the model goes unnoticed.
#[rstest]
#[case::two_creations(Bounds::new(2, 2, 1, 0), 2_323)]
#[case::an_active_one_is_deleted(SMALL, 33_491)]
#[case::other_finalizers(Bounds { other_finalizers: true, ..SMALL }, 36_679)]
#[case::late_claims(Bounds { late_claims: true, ..Bounds::new(2, 3, 1, 0) }, 80_484)]
#[case::lists(Bounds { lists: true, ..Bounds::new(2, 2, 1, 0) }, 28_561)]
#[case::three_replicas(Bounds::new(3, 2, 1, 0), 16_719)]
#[case::two_in_flight(Bounds::new(2, 2, 2, 0), 8_695)]
fn with_all_rules_there_are_never_twins(#[case] bounds: Bounds, #[case] states: u32) {
    let outcome = holds(&bounds);
    assert!(outcome.complete);
    assert_eq!(outcome.states, states);
}

#[rstest]
#[case::an_active_one_is_deleted(SMALL)]
#[case::other_finalizers(Bounds { other_finalizers: true, ..SMALL })]
#[case::lists(Bounds { lists: true, ..Bounds::new(2, 2, 1, 0) })]
#[case::two_in_flight(Bounds::new(2, 2, 2, 0))]
#[case::three_replicas(Bounds::new(3, 2, 1, 0))]
fn a_replica_of_the_model_does_what_the_gateways_own_machine_does(#[case] bounds: Bounds) {
    let outcome = check_with_the_machine(&bounds, &Rules::ALL);
    assert_eq!(outcome.counterexample, None, "{outcome}");
    assert!(outcome.complete);
}

#[rstest]
#[case::random_names(Rule::DerivedNames)]
#[case::no_claim(Rule::Claim)]
#[case::no_wait_for_deletion(Rule::AwaitDeletion)]
#[case::not_the_latest(Rule::Latest)]
fn a_model_without_a_rule_of_the_machine_is_told_from_it(#[case] rule: Rule) {
    let bounds = Bounds { other_finalizers: true, ..SMALL };
    let outcome = check_with_the_machine(&bounds, &Rules::ALL.without(rule));
    let violation = outcome.violation.expect("they differ");
    assert_ne!(violation, "TWINS", "the machine did the same all the way to the twins");
    println!("{rule:?}: {violation}");
}

/// As [`with_all_rules_there_are_never_twins`], with `cargo test --release -p harness --test virtual_time -- fence_model
/// --ignored --nocapture`.
#[rstest]
#[case::four_creations_two_in_flight(Bounds::new(2, 4, 2, 0), 2_139_867)]
#[case::and_an_active_one_is_deleted(Bounds::new(2, 4, 2, 1), 2_302_179)]
#[case::and_other_finalizers(WIDE, 2_649_412)]
#[case::three_replicas_four_creations(Bounds::new(3, 4, 1, 0), 7_963_191)]
#[ignore = "large: cargo test --release -p harness --test virtual_time -- fence_model --ignored --nocapture"]
fn with_all_rules_there_are_never_twins_within_large_bounds(#[case] bounds: Bounds, #[case] states: u32) {
    let outcome = holds(&bounds);
    assert!(outcome.complete);
    assert_eq!(outcome.states, states);
}

const WIDE: Bounds = Bounds { other_finalizers: true, ..Bounds::new(2, 4, 2, 1) };

/// The bounds are the narrowest that show it.
#[rstest]
#[case::random_names(Rule::DerivedNames, Bounds::new(2, 2, 2, 0), 4)]
#[case::no_claim(Rule::Claim, Bounds::new(2, 3, 1, 0), 11)]
#[case::no_renewal(Rule::Renewal, Bounds::new(2, 3, 1, 0), 16)]
#[case::a_claim_makes_younger(Rule::ClaimKeepsAge, Bounds::new(2, 3, 1, 0), 13)]
#[case::a_get_makes_younger(Rule::GetKeepsAge, Bounds::new(2, 4, 1, 0), 15)]
#[case::a_release_in_any_version(Rule::ReleaseInVersion, Bounds::new(2, 4, 1, 0), 18)]
#[case::an_impatient_collector(Rule::CollectorWaits, Bounds::new(2, 3, 1, 0), 12)]
#[case::no_wait_for_deletion(Rule::AwaitDeletion, Bounds { other_finalizers: true, ..Bounds::new(2, 3, 1, 0) }, 12)]
#[case::not_the_latest(Rule::Latest, Bounds::new(2, 4, 1, 0), 15)]
#[case::early_retention(Rule::RetentionWaits, Bounds::new(2, 3, 1, 0), 10)]
#[case::an_early_deletion(Rule::UserWaits, WIDE, 17)]
#[case::a_request_that_lives_on(Rule::RequestsEnd, Bounds::new(2, 3, 1, 0), 12)]
#[case::a_phase_that_is_not_final(Rule::TerminalIsFinal, Bounds::new(2, 2, 1, 0), 7)]
fn without_one_rule_there_are_twins(#[case] rule: Rule, #[case] bounds: Bounds, #[case] steps: usize) {
    let outcome = check(&bounds, &Rules::ALL.without(rule));
    println!("without {rule:?}, {bounds}: {outcome}");
    let trace = outcome.counterexample.expect("twins");
    assert_eq!(trace.len(), steps);
}

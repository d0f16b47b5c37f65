//! Every schedule of small cases, with the real replicas. Larger ones: `sim explore --exhaustive`.

use harness::{
    baselines::Protocol,
    exhaustive::{Action, Bounds, Case, Existing, FaultKinds, Progress, Report, deepen, explore, replay},
};
use rstest::rstest;

fn near_the_default_order(case: &Case, departures: u32) -> Report {
    deepen(case, Bounds { departures: Some(departures), ..Bounds::default() }, &Progress::default())
}

#[rstest]
fn two_replicas_with_a_signal_each_hold_in_every_schedule_near_the_default_order(
    #[values(Protocol::Fenced, Protocol::FenceOnly)] protocol: Protocol,
) {
    let report = near_the_default_order(&Case { protocol, ..Case::new(2, 1) }, 1);
    assert!(report.counterexample.is_none(), "{report}");
    assert!(report.complete && report.cut, "{report}");
}

#[rstest]
#[case::undisturbed(None)]
#[case::completed(Some(Action::CompleteActive))]
#[case::deleted(Some(Action::DeletePredecessor))]
fn two_replicas_count_a_duplicate_each_in_every_schedule_near_the_default_order(#[case] action: Option<Action>) {
    let case = Case { existing: Some(Existing::Active), action, ..Case::new(2, 1) };
    let report = near_the_default_order(&case, 1);
    assert!(report.counterexample.is_none(), "{report}");
    assert!(report.complete && report.cut, "{report}");
}

#[test]
fn one_replica_holds_in_every_order_whatsoever_and_that_is_said() {
    let report = explore(&Case::new(1, 1), Bounds::default(), &Progress::default());
    assert!(report.counterexample.is_none() && report.is_exhaustive(), "{report}");
    // The same, one departure after the other until none is left.
    let deepened = near_the_default_order(&Case::new(1, 1), 20);
    assert!(deepened.counterexample.is_none() && deepened.is_exhaustive(), "{deepened}");
}

#[test]
fn orders_that_need_not_be_tried_lead_nowhere_else() {
    let search = |reduce| explore(&Case::new(1, 2), Bounds { reduce, ..Bounds::default() }, &Progress::default());
    let (all, reduced) = (search(false), search(true));
    assert!(all.is_exhaustive() && reduced.is_exhaustive(), "{all}\n{reduced}");
    assert_eq!(reduced.ends, all.ends);
}

#[rstest]
#[case::unlocked(Case { protocol: Protocol::Unlocked, ..Case::new(2, 1) })]
#[case::lease_only(Case { protocol: Protocol::LeaseOnly, ..Case::new(2, 2) })]
#[case::derived_only(Case {
    protocol: Protocol::DerivedOnly,
    existing: Some(Existing::Completed),
    action: Some(Action::DeletePredecessor),
    ..Case::new(2, 1)
})]
fn a_protocol_without_a_fence_is_found_to_make_twins_and_the_schedule_can_be_run_again(#[case] case: Case) {
    let report = near_the_default_order(&case, 2);
    let found = report.counterexample.as_ref().unwrap_or_else(|| panic!("nothing found\n{report}"));
    assert!(found.violations.iter().any(|violation| violation.oracle == "single-active"), "{report}");
    let again = replay(&case, &found.schedule).expect("the schedule cannot be run again");
    assert_eq!(again.violations, found.violations);
}

#[test]
fn every_single_fault_strikes_at_every_point_of_the_default_order() {
    let case = Case { faults: FaultKinds::ALL, ..Case::new(1, 1) };
    let report = near_the_default_order(&case, 0);
    assert!(report.counterexample.is_none() && report.complete, "{report}");
    for kind in ["lose-request", "refuse", "lose-answer", "crash", "crash-landing", "restart"] {
        assert!(report.choices.contains_key(kind), "no {kind}: {report}");
    }
}

//! Every schedule of small cases, with the real replicas.

use harness::{
    controls::Protocol,
    exhaustive::{Bounds, Case, explore, replay},
};

fn near_the_default_order(departures: u32) -> Bounds {
    Bounds { departures: Some(departures), ..Bounds::default() }
}

#[test]
fn two_replicas_with_a_signal_each_hold_in_every_schedule_near_the_default_order() {
    let report = explore(&Case::new(2, 1), near_the_default_order(1));
    assert!(report.counterexample.is_none(), "{report}");
    assert!(report.complete, "{report}");
}

#[test]
fn without_lock_and_fence_a_schedule_with_twins_is_found_and_can_be_run_again() {
    let case = Case { protocol: Protocol::Unlocked, ..Case::new(2, 1) };
    let report = explore(&case, near_the_default_order(2));
    let found = report.counterexample.as_ref().unwrap_or_else(|| panic!("nothing found\n{report}"));
    let again = replay(&case, &found.schedule).expect("the schedule cannot be run again");
    assert_eq!(again.violations, found.violations);
}

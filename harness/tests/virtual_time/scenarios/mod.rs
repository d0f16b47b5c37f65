//! Any scenario within the assumptions, run with the real gateways and judged by all oracles.
//!
//! What fails is made small, printed as the JSON of a scenario, and written where `sim replay --scenario` reads it.

mod any;

use std::{
    cell::Cell,
    path::{Path, PathBuf},
};

use harness::{
    baselines::Protocol,
    explore::{Scenario, run},
    trace::Mode,
};
use proptest::{
    prelude::*,
    test_runner::{TestCaseError, TestError, TestRunner},
};

/// Each runs a few gateways for minutes of virtual time.
const CASES: u32 = 24;

fn cases(max_shrink_iters: u32) -> ProptestConfig {
    ProptestConfig { cases: CASES, max_shrink_iters, ..ProptestConfig::default() }
}

/// Where the scenario that failed last is written: the smallest one, once it has been made small.
fn path(protocol: Protocol) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("scenario-{protocol}.json"))
}

/// Fails with all that is needed to see it happen again.
fn holds(scenario: &Scenario, protocol: Protocol) -> Result<(), TestCaseError> {
    let violations = run(scenario, protocol, Mode::Off).violations;
    let Some(first) = violations.first() else { return Ok(()) };
    let json = serde_json::to_string(scenario).unwrap();
    let path = path(protocol);
    std::fs::write(&path, &json).unwrap();
    let again = format!("cargo run --release -p sim -- replay --protocol {protocol} --scenario {}", path.display());
    Err(TestCaseError::fail(format!("{first}\n{json}\n{again}\n")))
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn whatever_goes_wrong_within_the_assumptions_every_oracle_holds(scenario in any::scenario()) {
        holds(&scenario, Protocol::Fenced)?;
    }
}

#[test]
fn what_fails_is_made_small_and_printed_as_a_scenario_that_fails_again() {
    let protocol = Protocol::Unlocked;
    let size = |scenario: &Scenario| scenario.signals.len() + scenario.faults.len();
    let first_failed = Cell::new(None);
    let failed = TestRunner::new(cases(60)).run(&any::scenario(), |scenario| {
        holds(&scenario, protocol).inspect_err(|_| {
            first_failed.set(first_failed.get().or(Some(size(&scenario))));
        })
    });
    let Err(TestError::Fail(reason, smallest)) = failed else { panic!("{failed:?}") };
    let reason = reason.message();
    let json = reason.lines().find(|line| line.starts_with('{')).expect(reason);
    let printed: Scenario = serde_json::from_str(json).unwrap();
    assert_eq!(printed, smallest);
    let written = std::fs::read_to_string(path(protocol)).unwrap();
    assert_eq!(serde_json::from_str::<Scenario>(&written).unwrap(), smallest);
    assert!(!run(&printed, protocol, Mode::Off).violations.is_empty());
    // How small depends on what is drawn: two signals are the least that fail.
    let first_failed = first_failed.get().expect("one failed");
    assert!(size(&smallest) < first_failed || first_failed <= 2, "{first_failed} to {}", smallest.summary());
}

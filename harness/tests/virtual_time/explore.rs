//! Exploration by seeds: the product holds, the others fail, and what fails can be made small and run again.

use std::ops::Range;

use harness::{
    baselines::Protocol,
    explore::{Campaign, FaultProfile, Progress, draw::draw, minimise::minimise, run},
    trace::{Mode, first_difference},
};
use rstest::rstest;

/// Fresh seeds are for the command line; these are always the same.
#[rstest]
fn the_product_holds_under_every_fault_profile(
    #[values(
        FaultProfile::None,
        FaultProfile::Light,
        FaultProfile::Heavy,
        FaultProfile::Swarm,
        FaultProfile::Neighbours,
        FaultProfile::Foreign,
        FaultProfile::Beyond,
        FaultProfile::Restored
    )]
    profile: FaultProfile,
    #[values(Protocol::Fenced, Protocol::FenceOnly)] protocol: Protocol,
) {
    for seed in 0..25 {
        let scenario = draw(seed, profile);
        let violations = run(&scenario, protocol, Mode::Off).violations;
        let text = serde_json::to_string(&scenario).unwrap();
        assert!(violations.is_empty(), "seed {seed}: {violations:?}\n{text}");
    }
}

/// What these seeds once showed is mended: see `gateway/docs/DD-GATEWAY-013-results.md`.
#[rstest]
#[case::unready_for_ever(&[22])]
#[case::read_again_and_again(&[2_797])]
#[case::lost_with_its_counter(&[1_332])]
#[case::said_what_was_undone(&[66, 614, 1_106])]
fn restores_that_once_failed_hold(#[case] seeds: &[u64]) {
    for &seed in seeds {
        let violations = run(&draw(seed, FaultProfile::Restored), Protocol::Fenced, Mode::Off).violations;
        assert!(violations.is_empty(), "seed {seed}: {violations:?}");
    }
}

#[rstest]
#[case::unlocked(Protocol::Unlocked, 0..60)]
#[case::lease_only(Protocol::LeaseOnly, 0..60)]
#[case::derived_only(Protocol::DerivedOnly, 930..940)]
fn a_protocol_without_a_fence_is_found_to_make_twins_and_its_failure_is_made_small(
    #[case] protocol: Protocol,
    #[case] seeds: Range<u64>,
) {
    let campaign = Campaign { seeds, profile: FaultProfile::Swarm, protocol, jobs: 1, stop_at_first: false };
    let progress = Progress::default();
    campaign.run(&progress);
    let (_, seed) = *progress.found().oracles.get("single-active").expect("no twins found");
    let scenario = draw(seed, FaultProfile::Swarm);
    let smallest = minimise(&scenario, protocol, "single-active", 100, |_| ());
    assert!(smallest.signals.len() < scenario.signals.len() || scenario.signals.len() < 3, "{smallest:?}");
    let again = run(&smallest, protocol, Mode::Off).violations;
    assert!(again.iter().any(|violation| violation.oracle == "single-active"), "{again:?}");
    assert!(run(&smallest, Protocol::Fenced, Mode::Off).violations.is_empty(), "the product fails it too");
}

#[rstest]
fn a_scenario_has_one_history(
    #[values(
        FaultProfile::None,
        FaultProfile::Heavy,
        FaultProfile::Swarm,
        FaultProfile::Neighbours,
        FaultProfile::Foreign,
        FaultProfile::Beyond,
        FaultProfile::Restored
    )]
    profile: FaultProfile,
) {
    for seed in 100..112 {
        let scenario = draw(seed, profile);
        let hash = run(&scenario, Protocol::Fenced, Mode::Hash).hash;
        let full = || run(&scenario, Protocol::Fenced, Mode::Full);
        let (one, two) = (full(), full());
        let events = |report: &harness::explore::Report| report.trace.as_ref().unwrap().events();
        let difference = first_difference(&events(&one), &events(&two));
        assert!(difference.is_none(), "{profile} seed {seed}: {}", difference.unwrap());
        assert_eq!((one.hash, two.hash), (hash, hash), "{profile} seed {seed}");
        assert_ne!(hash, run(&draw(seed + 1000, profile), Protocol::Fenced, Mode::Hash).hash);
    }
}

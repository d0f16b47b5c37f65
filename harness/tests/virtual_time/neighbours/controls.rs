//! Two ways to count that neighbours break: the oracles must see it.

use std::ops::Range;

use harness::{
    baselines::Protocol,
    explore::{Campaign, FaultProfile, Progress},
};
use rstest::rstest;

fn found(protocol: Protocol, profile: FaultProfile, seeds: Range<u64>) -> bool {
    let campaign = Campaign { seeds, profile, protocol, jobs: 1, stop_at_first: false };
    let progress = Progress::default();
    campaign.run(&progress);
    progress.found().oracles.contains_key("counts")
}

#[rstest]
#[case::in_the_status(Protocol::FirstCount, 65..71)]
#[case::on_the_object(Protocol::Registers, 0..20)]
fn counting_that_neighbours_break_is_found_among_neighbours_only(
    #[case] protocol: Protocol,
    #[case] seeds: Range<u64>,
) {
    assert!(!found(protocol, FaultProfile::Swarm, seeds.clone()), "it fails without neighbours");
    assert!(found(protocol, FaultProfile::Neighbours, seeds), "it holds among neighbours");
}

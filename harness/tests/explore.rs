//! Exploration by seeds: the product holds, the others fail.

use harness::{
    controls::Protocol,
    explore::{Mix, draw::draw, run},
};

#[test]
fn a_few_seeds_of_every_mix_find_nothing_in_the_product() {
    for mix in [Mix::None, Mix::Light, Mix::Heavy, Mix::Swarm] {
        for seed in 0..40 {
            let scenario = draw(seed, mix);
            let report = run(&scenario, Protocol::Fenced);
            assert!(report.violations.is_empty(), "{mix} {seed}: {:?}\n{scenario:?}", report.violations);
        }
    }
}

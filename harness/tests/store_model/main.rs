//! The embedded API's store against a deliberately simple model, under random operations of several clients.
//!
//! A failure prints a list of operations that can be pasted into `regressions.rs` as it is.

mod model;
mod object;
mod operation;
mod regressions;
mod run;
#[path = "../support/mod.rs"]
mod support;

use operation::operation;
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{RngSeed, TestCaseError},
};

/// The same cases in every run, a fourth of the usual number, for each replays watches from every version;
/// PROPTEST_RNG_SEED and PROPTEST_CASES ask for others.
fn cases() -> ProptestConfig {
    let usual = ProptestConfig::default();
    let rng_seed = if usual.rng_seed == RngSeed::Random { RngSeed::Fixed(1) } else { usual.rng_seed };
    ProptestConfig { cases: usual.cases.div_ceil(4), rng_seed, failure_persistence: None, ..usual }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn whatever_clients_do_answers_objects_and_watches_are_as_the_model_says(
        operations in vec(operation(), 1..60),
    ) {
        run::run(&operations).map_err(TestCaseError::fail)?;
    }
}

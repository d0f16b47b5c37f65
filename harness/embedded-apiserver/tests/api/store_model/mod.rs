//! The embedded API's store against a deliberately simple model, under random operations of several clients.
//!
//! A failure prints a list of operations that can be pasted into `regressions.rs` as it is.

mod model;
mod object;
mod operation;
mod regressions;
mod request;
mod run;

use operation::operation;
use proptest::{collection::vec, prelude::*, test_runner::TestCaseError};

/// A fourth of the usual number: each replays watches from every version.
fn cases() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases.div_ceil(4), ..usual }
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

//! `--faults` on the command line.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use harness::{baselines::Protocol, explore::Mix};

/// Parses the name of a mix of faults; `--help` says what each is.
pub(crate) fn parser() -> impl TypedValueParser<Value = Mix> {
    let named = |mix: Mix| PossibleValue::new(mix.name()).help(mix.summary());
    PossibleValuesParser::new(Mix::ALL.map(named)).try_map(|name| name.parse::<Mix>())
}

/// The options that are not the default, as they are typed.
pub(crate) fn options(mix: Mix, protocol: Protocol) -> String {
    let mut options = String::new();
    if mix != Mix::default() {
        options += &format!(" --faults {mix}");
    }
    if protocol != Protocol::default() {
        options += &format!(" --protocol {protocol}");
    }
    options
}

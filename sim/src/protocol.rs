//! `--protocol` on the command line.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use harness::baselines::Protocol;

/// Parses the name of a protocol; `--help` says what each is.
pub(crate) fn parser() -> impl TypedValueParser<Value = Protocol> {
    let named = |protocol: Protocol| PossibleValue::new(protocol.name()).help(protocol.summary());
    PossibleValuesParser::new(Protocol::ALL.map(named)).try_map(|name| name.parse::<Protocol>())
}

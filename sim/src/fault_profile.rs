//! `--faults` on the command line.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use harness::{baselines::Protocol, explore::FaultProfile};

/// Parses the name of a fault profile; `--help` says what each is.
pub(crate) fn parser() -> impl TypedValueParser<Value = FaultProfile> {
    let named = |profile: FaultProfile| PossibleValue::new(profile.name()).help(profile.summary());
    PossibleValuesParser::new(FaultProfile::ALL.map(named)).try_map(|name| name.parse::<FaultProfile>())
}

/// The options that are not the default, as they are typed.
pub(crate) fn options(profile: FaultProfile, protocol: Protocol) -> String {
    let mut options = String::new();
    if profile != FaultProfile::default() {
        options += &format!(" --faults {profile}");
    }
    if protocol != Protocol::default() {
        options += &format!(" --protocol {protocol}");
    }
    options
}

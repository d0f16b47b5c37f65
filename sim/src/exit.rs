//! Exit codes of all commands.

/// All oracles hold.
pub(crate) const OK: u8 = 0;
/// Something that must hold did not.
pub(crate) const VIOLATION: u8 = 1;
/// The command could not be carried out as given.
pub(crate) const USAGE: u8 = 2;
/// After all had healed, signals were not acknowledged, or a scenario did not end.
pub(crate) const LIVENESS: u8 = 3;

/// What `--help` says of them.
pub(crate) const CODES: &str = "\
Exit codes: 0 all checks passed, 1 a check failed, 2 wrong arguments or the command could not run, 3 signals were still not \
acknowledged after all faults had healed.";
/// For `storm`.
pub(crate) const VERDICT: &str = "\
Exit codes: 0 all oracles hold, 1 a violation, 2 wrong arguments or the command could not run.";
/// For `explore`, `replay` and `chaos`.
pub(crate) const SEARCH: &str = "\
Exit codes: 0 no violation, 1 a violation, 2 wrong arguments or the command could not run, 3 signals were still not acknowledged \
after all faults had healed, or a scenario did not end.";
pub(crate) const MERGE: &str = "\
Exit codes: 0 every seed was explored once and none has a violation, 1 a violation, 2 seeds are missing or were explored twice, a \
result cannot be read or belongs to another exploration, or wrong arguments, 3 signals were still not acknowledged after all faults \
had healed, or a scenario did not end.";
pub(crate) const SERVED: &str = "\
Exit codes: 0 stopped by Ctrl-C or SIGTERM, 2 wrong arguments or the command could not run, for example because a port is in use.";
pub(crate) const LOAD: &str = "\
Exit codes: 0 every webhook was acknowledged, 1 some were not, 2 wrong arguments or the command could not run.";
pub(crate) const PRINTED: &str = "Exit codes: 0 printed, 2 wrong arguments.";

//! Exit codes of all commands.

/// All oracles hold.
pub(crate) const OK: u8 = 0;
/// Something that must hold did not.
pub(crate) const VIOLATION: u8 = 1;
/// The command could not be carried out as given.
pub(crate) const USAGE: u8 = 2;
/// After all had healed, signals were not acknowledged.
pub(crate) const LIVENESS: u8 = 3;

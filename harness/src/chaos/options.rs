//! What to run.

use std::{path::PathBuf, time::Duration};

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Decides on the plan, and on who sends what to whom.
    pub seed: u64,
    /// How long things go wrong, at least [`LENGTH_MIN_MS`](super::LENGTH_MIN_MS).
    pub length: Duration,
    /// Signals per second.
    pub rate: u32,
    /// Resources that the signals are about.
    pub resources: usize,
    /// The gateway's binary.
    pub gateway: PathBuf,
}

//! What goes on, on standard error: one line that is written over on a terminal, a few lines elsewhere.

use std::io::{IsTerminal, Write, stderr};

/// Shows steps and a counter.
pub(crate) struct Progress {
    quiet: bool,
    terminal: bool,
    shown: usize,
}

impl Progress {
    /// Shows nothing if `quiet`.
    pub(crate) fn new(quiet: bool) -> Self {
        Self { quiet, terminal: stderr().is_terminal(), shown: 0 }
    }

    /// Says what begins.
    pub(crate) fn step(&self, what: &str) {
        if !self.quiet {
            eprintln!("{what}");
        }
    }

    /// Shows `done` of `all`: each on a terminal, elsewhere each quarter.
    pub(crate) fn count(&mut self, done: usize, all: usize, what: &str) {
        if self.quiet || all == 0 {
            return;
        }
        let quarter = done * 4 / all;
        if self.terminal {
            let bar = "█".repeat(done * 30 / all);
            eprint!("\r  {bar:░<30} {done}/{all} {what}");
            if done == all {
                eprintln!();
            }
            let _ = stderr().flush();
        } else if quarter > self.shown {
            eprintln!("  {done}/{all} {what}");
        }
        self.shown = quarter;
    }
}

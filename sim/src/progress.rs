//! What goes on, on standard error: one line that is written over on a terminal, a few lines elsewhere.

use std::{
    io::{IsTerminal, Write, stderr},
    time::{Duration, Instant},
};

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

/// A status line: overwritten in place on a terminal, elsewhere printed again at intervals.
pub(crate) struct Ticker {
    quiet: bool,
    terminal: bool,
    every: Duration,
    shown: Instant,
    text: String,
}

#[allow(clippy::disallowed_methods, reason = "lines appear in real time")]
impl Ticker {
    /// Shows nothing if `quiet`; elsewhere than on a terminal a line `every` so often.
    pub(crate) fn new(quiet: bool, every: Duration) -> Self {
        Self { quiet, terminal: stderr().is_terminal(), every, shown: Instant::now(), text: String::new() }
    }

    /// Shows `text` in the place of what was shown before.
    pub(crate) fn show(&mut self, text: &str) {
        if self.quiet {
            return;
        }
        text.clone_into(&mut self.text);
        if self.terminal {
            eprint!("\r\x1b[2K  {text}");
            let _ = stderr().flush();
        } else if self.shown.elapsed() >= self.every {
            eprintln!("  {text}");
            self.shown = Instant::now();
        }
    }

    /// Leaves the last text behind.
    pub(crate) fn end(&self) {
        if self.terminal && !self.quiet && !self.text.is_empty() {
            eprintln!();
        }
    }
}

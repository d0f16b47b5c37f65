//! One schedule of a small case, told as a timeline.

use std::path::Path;

use harness::{
    exhaustive::{Case, Choice, Replayed, trace},
    oracles::Violation,
    trace::Trace,
};

use crate::{
    apart::apart,
    exhaustive::options,
    origin::{self, Origin},
    timeline, verdict,
};

/// Why a schedule could not be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("--schedule: {0}; give the options that it was found with")]
    Schedule(String),
    #[error(transparent)]
    Write(#[from] verdict::Error),
}

/// A schedule that was run again.
pub(crate) struct Told {
    command: String,
    profile: Vec<(String, String)>,
    protocol: harness::baselines::Protocol,
    seed: u64,
    replayed: Replayed,
    trace: std::sync::Arc<Trace>,
}

impl Told {
    /// Runs `schedule` of `case` again.
    pub(crate) fn new(case: &Case, schedule: &[Choice]) -> Result<Self, Error> {
        // A simulation has a runtime of its own.
        let (replayed, trace) = apart(|| trace(case, schedule)).map_err(Error::Schedule)?;
        let profile = vec![("case".to_owned(), case.describe())];
        let (protocol, seed) = (case.protocol, case.seed);
        Ok(Self { command: command(case, schedule), profile, protocol, seed, replayed, trace })
    }

    /// What does not hold.
    pub(crate) fn violations(&self) -> &[Violation] {
        &self.replayed.violations
    }

    fn run(&self) -> timeline::Run<'_> {
        timeline::Run {
            seed: self.seed,
            protocol: self.protocol,
            faults: "as the schedule says",
            profile: self.profile.clone(),
            origin: Origin::of_this_process(),
            toolchain: env!("SIM_TOOLCHAIN"),
            replay: &self.command,
            trace: &self.trace,
            violations: self.violations(),
        }
    }

    /// The timeline as text.
    pub(crate) fn text(&self) -> String {
        timeline::text(&self.run())
    }

    /// The timeline as a page.
    pub(crate) fn html(&self) -> String {
        timeline::html(&self.run())
    }
}

/// The command that runs `schedule` of `case` again.
fn command(case: &Case, schedule: &[Choice]) -> String {
    let choices: Vec<String> = schedule.iter().map(Choice::to_string).collect();
    let case = options::typed(case);
    format!("cargo run --release -p sim -- replay {case} --schedule \"{}\"", choices.join(", "))
}

/// Runs a counterexample again, writes its timeline into `out`, and says where.
pub(crate) fn tell(case: &Case, schedule: &[Choice], out: &Path, quiet: bool) -> Result<(), Error> {
    let told = Told::new(case, schedule)?;
    let out = out.join(format!("{}-exhaustive-{}x{}", case.protocol, case.replicas, case.signals.len()));
    let (text, page) = (out.join("timeline.txt"), out.join("timeline.html"));
    verdict::write(&text, &told.text())?;
    verdict::write(&page, &told.html())?;
    if !quiet {
        println!("\n  commit     {}", origin::commit());
        println!("  toolchain  {}", env!("SIM_TOOLCHAIN"));
        println!("  case       {}", case.describe());
        println!("  replay     {}", told.command);
        println!("  timeline   {}", text.display());
        println!("             {}", page.display());
    }
    Ok(())
}

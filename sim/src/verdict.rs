//! What is told of a run: its trace as text and as a page, and the smallest scenario that fails alike.

use std::{fs, io, path::Path, thread, time::Duration};

use harness::{
    baselines::Protocol,
    explore::{FaultProfile, Report, Scenario, minimise::minimise, run},
    oracles::Violation,
    trace::Mode,
};

use crate::{
    origin::{self, Origin},
    progress::Ticker,
    timeline,
};

/// Runs that making a scenario small may take.
const RUNS_MAX: usize = 600;

/// How a run is named in reports.
pub(crate) struct Replay {
    pub(crate) seed: Option<u64>,
    pub(crate) faults: Option<FaultProfile>,
    pub(crate) protocol: Protocol,
    /// What runs it again.
    pub(crate) command: String,
    /// Whether nothing is said about progress.
    pub(crate) quiet: bool,
}

/// Why a timeline could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot write {path}: {source}; choose another path with --out, --result or --report")]
    Write { path: String, source: io::Error },
    #[error("cannot write the scenario as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl Replay {
    /// Runs `scenario` and keeps all that happens.
    pub(crate) fn trace(&self, scenario: &Scenario) -> Report {
        apart(|| run(scenario, self.protocol, Mode::Full))
    }

    /// Makes `scenario` small, writes it and its timeline into `out`, and says where.
    pub(crate) fn report_smallest(&self, scenario: &Scenario, violation: &Violation, out: &Path) -> Result<(), Error> {
        let smallest = self.minimise(scenario, violation.oracle);
        let traced = self.trace(&smallest);
        let out = out.join(self.name());
        let path = out.join("scenario.json");
        write(&path, &(serde_json::to_string_pretty(&smallest)? + "\n"))?;
        let again = format!(
            "cargo run --release -p sim -- replay --scenario {}{}",
            path.display(),
            crate::fault_profile::options(FaultProfile::default(), self.protocol),
        );
        let small = Self { seed: None, faults: None, command: again, ..*self };
        write(&out.join("timeline.txt"), &small.text(&smallest, &traced))?;
        write(&out.join("timeline.html"), &small.html(&smallest, &traced))?;
        if self.quiet {
            return Ok(());
        }
        println!("\n  commit     {}", origin::commit());
        println!("  toolchain  {}", env!("SIM_TOOLCHAIN"));
        println!("  scenario   {}", scenario.summary());
        println!("  replay     {}", self.command);
        println!("  smallest   {}", smallest.summary());
        for violation in traced.violations.iter().take(3) {
            println!("             {violation}");
        }
        println!("  replay     {}", small.command);
        println!("  timeline   {}", out.join("timeline.txt").display());
        println!("             {}", out.join("timeline.html").display());
        Ok(())
    }

    fn name(&self) -> String {
        let seed = self.seed.map_or_else(|| "scenario".to_owned(), |seed| seed.to_string());
        let faults = self.faults.map_or("", FaultProfile::name);
        format!("{}-{faults}-{seed}", self.protocol)
    }

    fn minimise(&self, scenario: &Scenario, oracle: &str) -> Scenario {
        let mut line = Ticker::new(self.quiet, Duration::from_secs(5));
        let mut runs = 0;
        let smallest = apart(|| {
            minimise(scenario, self.protocol, oracle, RUNS_MAX, |_| {
                runs += 1;
                line.show(&format!("minimising: {runs} runs"));
            })
        });
        line.end();
        smallest
    }

    /// The timeline as text.
    pub(crate) fn text(&self, scenario: &Scenario, report: &Report) -> String {
        self.told(scenario, report).map_or_else(String::new, |run| timeline::text(&run))
    }

    /// The timeline as a page.
    pub(crate) fn html(&self, scenario: &Scenario, report: &Report) -> String {
        self.told(scenario, report).map_or_else(String::new, |run| timeline::html(&run))
    }

    /// What the timeline is drawn from, if a trace was kept.
    fn told<'a>(&'a self, scenario: &Scenario, report: &'a Report) -> Option<timeline::Run<'a>> {
        Some(timeline::Run {
            seed: scenario.seed,
            protocol: self.protocol,
            faults: self.faults.map_or("as the scenario says", FaultProfile::name),
            profile: scenario.describe(),
            origin: Origin::of_this_process(),
            toolchain: env!("SIM_TOOLCHAIN"),
            replay: &self.command,
            trace: report.trace.as_deref()?,
            violations: &report.violations,
        })
    }
}

/// Writes `text` to `path`, and the folders it is in.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Error> {
    let failed = |source| Error::Write { path: path.display().to_string(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(path, text).map_err(failed)
}

/// Whether [`write()`] could make the folder `path`: known before hours of work, not after them.
pub(crate) fn expect_folder(path: &Path) -> Result<(), Error> {
    let Some(there) = path.ancestors().find(|ancestor| ancestor.exists()) else { return Ok(()) };
    if there.is_dir() {
        return Ok(());
    }
    Err(Error::Write { path: path.display().to_string(), source: io::ErrorKind::NotADirectory.into() })
}

/// Whether [`write()`] could write the file `path`; leaves an empty one behind if there was none.
pub(crate) fn expect_file(path: &Path) -> Result<(), Error> {
    let failed = |source| Error::Write { path: path.display().to_string(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::OpenOptions::new().create(true).append(true).open(path).map(drop).map_err(failed)
}

/// Runs `work` on a thread of its own: a simulation has its own runtime.
pub(crate) fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| match scope.spawn(work).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

//! What is told of a run: its trace as text and as a page, and the smallest scenario that fails alike.

use std::{
    fs, io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use harness::{
    baselines::Protocol,
    explore::{FaultProfile, Report, Scenario, minimise::minimise, run},
    oracles::Violation,
    trace::Mode,
};

use crate::{
    apart::{PATIENCE, within},
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
    /// Runs `scenario` and keeps all that happens; none if it does not end.
    pub(crate) fn trace(&self, scenario: &Scenario) -> Option<Report> {
        let (scenario, protocol) = (scenario.clone(), self.protocol);
        within(PATIENCE, &AtomicUsize::new(0), move || run(&scenario, protocol, Mode::Full))
    }

    /// Makes `scenario` small, writes it and its timeline into `out`, and says where.
    pub(crate) fn report_smallest(&self, scenario: &Scenario, violation: &Violation, out: &Path) -> Result<(), Error> {
        let smallest = self.minimise(scenario, violation.oracle).unwrap_or_else(|| scenario.clone());
        let Some(traced) = self.trace(&smallest) else {
            if !self.quiet {
                println!("  replay     {}", self.command);
            }
            return Ok(());
        };
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

    /// None if a smaller one does not end.
    fn minimise(&self, scenario: &Scenario, oracle: &'static str) -> Option<Scenario> {
        let (scenario, protocol, quiet) = (scenario.clone(), self.protocol, self.quiet);
        let runs = Arc::new(AtomicUsize::new(0));
        within(PATIENCE, &runs.clone(), move || {
            let mut line = Ticker::new(quiet, Duration::from_secs(5));
            let smallest = minimise(&scenario, protocol, oracle, RUNS_MAX, |_| {
                line.show(&format!("minimising: {} runs", runs.fetch_add(1, Ordering::Relaxed) + 1));
            });
            line.end();
            smallest
        })
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

/// Whether [`write()`] could write the file `path`; leaves an empty one: what an earlier run wrote is no result of this one.
pub(crate) fn expect_file(path: &Path) -> Result<(), Error> {
    let failed = |source| Error::Write { path: path.display().to_string(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::File::create(path).map(drop).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_for_a_result_holds_none_of_an_earlier_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results").join("r.json");
        expect_file(&path).unwrap();
        fs::write(&path, "{}").unwrap();
        expect_file(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
    }
}

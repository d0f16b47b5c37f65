//! Programs run as processes of the operating system: to be stopped, killed and started again, and gone when dropped.

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use parking_lot::{Mutex, MutexGuard};
use rustix::process::{Pid, Signal, kill_process};

/// A program that runs, or can be started again. Killed when dropped, also by a panic; and by a guard if the process that
/// started it ends without dropping anything.
#[derive(Debug)]
pub struct Process {
    name: String,
    log: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    command: Command,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    /// Kills `child` when its own standard input ends: when this process does.
    guard: Child,
}

impl Process {
    /// Starts `command`, in a process group of its own so that Ctrl-C reaches only the one who started it. What it prints
    /// is appended to the file `log`.
    ///
    /// # Errors
    /// If the log cannot be opened or the program not be started.
    pub fn start(name: &str, mut command: Command, log: &Path) -> io::Result<Self> {
        let output = OpenOptions::new().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output).process_group(0);
        let running = Running::start(&mut command)?;
        let state = Mutex::new(State { command, running: Some(running) });
        Ok(Self { name: name.to_owned(), log: log.to_owned(), state })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id, none after [`Process::kill`].
    pub fn pid(&self) -> Option<u32> {
        self.state().running.as_ref().map(|running| running.child.id())
    }

    /// How it ended, if it did so by itself.
    pub fn exited(&self) -> Option<ExitStatus> {
        self.state().running.as_mut().and_then(|running| running.child.try_wait().ok().flatten())
    }

    /// SIGSTOP: it stands still until [`Process::resume`].
    ///
    /// # Errors
    /// If it does not run.
    pub fn pause(&self) -> io::Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    ///
    /// # Errors
    /// If it does not run.
    pub fn resume(&self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    /// SIGTERM, without waiting.
    ///
    /// # Errors
    /// If it does not run.
    pub fn terminate(&self) -> io::Result<()> {
        self.signal(Signal::TERM)
    }

    /// SIGKILL; returns when it is gone.
    pub fn kill(&self) {
        self.state().running = None;
    }

    /// Starts it with the same command as before; kills it first if it runs.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn restart(&self) -> io::Result<()> {
        let mut state = self.state();
        state.running = None;
        state.running = Some(Running::start(&mut state.command)?);
        Ok(())
    }

    /// The last lines of its log.
    pub fn log_tail(&self, lines: usize) -> String {
        let text = self.log_text();
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// All that it has printed.
    pub fn log_text(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        let mut state = self.state();
        let Some(running) = state.running.as_mut() else { return Err(io::ErrorKind::NotFound.into()) };
        // Not yet waited for, so that the id is still its own.
        if running.child.try_wait()?.is_some() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(kill_process(Pid::from_child(&running.child), signal)?)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl Running {
    fn start(command: &mut Command) -> io::Result<Self> {
        let mut child = command.spawn()?;
        let guard = Command::new("sh")
            .args(["-c", r#"read -r _; kill -KILL "$1""#, "guard"])
            .arg(child.id().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        match guard {
            Ok(guard) => Ok(Self { child, guard }),
            Err(error) => {
                end(&mut child);
                Err(error)
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The guard first: afterwards the id may be anybody's.
        end(&mut self.guard);
        end(&mut self.child);
    }
}

/// SIGKILL, and waits: a process cannot refuse, and none is left to be reaped.
fn end(child: &mut Child) {
    drop(child.kill());
    drop(child.wait());
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use super::*;

    fn sleeper(directory: &Path) -> Process {
        let mut command = Command::new("sleep");
        command.arg("600");
        Process::start("sleeper", command, &directory.join("log")).unwrap()
    }

    /// State in /proc: S sleeping, T stopped, Z a zombie; none if there is no such process.
    fn state(pid: u32) -> Option<char> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit(") ").next()?.chars().next()
    }

    fn reaches(pid: u32, expected: Option<char>) -> bool {
        for _ in 0..6_000 {
            if state(pid) == expected {
                return true;
            }
            thread::sleep(Duration::from_millis(10));
        }
        false
    }

    #[test]
    fn a_process_stands_still_goes_on_and_is_another_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let process = sleeper(directory.path());
        let first = process.pid().unwrap();
        process.pause().unwrap();
        assert!(reaches(first, Some('T')));
        process.resume().unwrap();
        assert!(reaches(first, Some('S')));
        process.restart().unwrap();
        assert_eq!(state(first), None);
        let second = process.pid().unwrap();
        assert!(reaches(second, Some('S')));
        process.kill();
        assert!(process.pid().is_none() && state(second).is_none());
        assert!(process.pause().is_err());
    }

    #[test]
    fn a_process_that_stands_still_ends_with_the_handle() {
        let directory = tempfile::tempdir().unwrap();
        let process = sleeper(directory.path());
        let pid = process.pid().unwrap();
        process.pause().unwrap();
        drop(process);
        assert_eq!(state(pid), None);
    }

    #[test]
    fn a_process_ends_with_the_one_that_started_it_even_if_nothing_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let process = sleeper(directory.path());
        let pid = process.pid().unwrap();
        // As the end of this process would.
        process.state().running.as_mut().unwrap().guard.stdin = None;
        assert!(reaches(pid, Some('Z')));
    }

    #[test]
    fn what_a_process_printed_and_how_it_ended_is_known() {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two >&2; echo three; exit 3"]);
        let process = Process::start("printer", command, &directory.path().join("log")).unwrap();
        let pid = process.pid().unwrap();
        assert!(reaches(pid, Some('Z')));
        assert_eq!(process.exited().and_then(|status| status.code()), Some(3));
        assert_eq!(process.log_tail(2), "two\nthree");
        assert_eq!(process.log_text(), "one\ntwo\nthree\n");
    }
}

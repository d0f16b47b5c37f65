//! How many files this process may have open: sockets above all.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A gateway needs no more, and some systems allow a billion.
const FILES_MAX: u64 = 65_536;
/// What to assume where the system has no limit.
const UNLIMITED: u64 = FILES_MAX;

/// Raises the limit as far as this process may, and returns it. Many systems begin with 1,024, so that old programs keep
/// working.
pub(super) fn raise_limit() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let Some(soft) = current else { return UNLIMITED };
    let wanted = maximum.unwrap_or(UNLIMITED).min(FILES_MAX);
    if wanted <= soft {
        return soft;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }) {
        Ok(()) => wanted,
        Err(error) => {
            tracing::warn!(%error, soft, wanted, "could not raise the limit on open files");
            soft
        }
    }
}

/// How many of `wanted` connections the listener of signals may keep open under a limit of `files`: half of them at most, so
/// that requests to the Kubernetes API and the listeners of those who operate the gateway have the others.
pub(super) fn connections(wanted: usize, files: u64) -> usize {
    let half = usize::try_from(files / 2).unwrap_or(usize::MAX);
    if half < wanted {
        tracing::warn!(
            files,
            wanted,
            connections = half,
            "the limit on open files allows fewer connections than server.maxConnections: raise it"
        );
    }
    wanted.min(half).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listener_of_signals_leaves_half_of_the_files_to_all_else() {
        assert_eq!([connections(2048, 65_536), connections(2048, 1024), connections(100, 1024)], [2048, 512, 100]);
        assert_eq!(connections(2048, 0), 1);
    }
}

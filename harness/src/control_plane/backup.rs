//! A backup of a control plane's etcd, and the way back to it.
#![allow(clippy::disallowed_methods, reason = "a control plane lives in real time")]

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{error::Error, plane::ControlPlane};

const DATA: &str = "etcd";
const BACKUP: &str = "etcd-backup";

impl ControlPlane {
    /// Keeps the state that etcd has now, which stands still meanwhile; replaces an earlier backup.
    ///
    /// # Errors
    /// If etcd does not run, or its files cannot be copied.
    pub fn back_up(&self) -> Result<(), Error> {
        let (data, backup) = (self.directory().join(DATA), self.directory().join(BACKUP));
        let failed = |source| Error::File { path: backup.clone(), source };
        self.etcd().pause().map_err(failed)?;
        let copied = replace(&data, &backup);
        self.etcd().resume().map_err(failed)?;
        copied.map_err(failed)
    }

    /// Lets etcd go on from the state of [`ControlPlane::back_up`], as an operator does who restores a cluster. What was
    /// written since is gone, and its resourceVersions are used again for other writes. kube-apiserver keeps its caches of
    /// what is gone until it is started again.
    ///
    /// # Errors
    /// If there is no backup, or etcd cannot be started.
    pub fn restore(&self) -> Result<(), Error> {
        let (data, backup) = (self.directory().join(DATA), self.directory().join(BACKUP));
        let failed = |source| Error::File { path: data.clone(), source };
        self.etcd().kill();
        replace(&backup, &data).map_err(failed)?;
        let program: PathBuf = self.binaries.etcd.clone();
        self.etcd().restart().map_err(|source| Error::Start { program, source })
    }
}

/// Makes `to` a copy of the directory `from`.
fn replace(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return Err(io::ErrorKind::NotFound.into());
    }
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    copy(from, to)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_replaced_by_a_copy_of_another_with_all_that_is_in_it_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        fs::create_dir_all(from.join("member/wal")).unwrap();
        fs::write(from.join("member/wal/0.wal"), "new").unwrap();
        fs::create_dir_all(to.join("member")).unwrap();
        fs::write(to.join("member/old"), "old").unwrap();
        replace(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("member/wal/0.wal")).unwrap(), "new");
        assert!(!to.join("member/old").exists());
        assert!(replace(&directory.path().join("none"), &to).is_err() && to.exists(), "what is there stays");
    }
}

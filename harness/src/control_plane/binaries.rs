//! Where the binaries of a control plane are.

use std::{
    env, fmt,
    path::{Path, PathBuf},
};

/// Set where the tests that need a control plane must not be skipped, as in CI.
pub const REQUIRED: &str = "REQUIRE_CONTROL_PLANE";

/// The modules that `scripts/control-plane` builds from: their versions name the folder.
const KUBERNETES: &str = include_str!("../../../scripts/kubernetes/kubernetes/go.mod");
const ETCD: &str = include_str!("../../../scripts/kubernetes/etcd/go.mod");

/// The programs of a control plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    /// Path of `etcd`.
    pub etcd: PathBuf,
    /// Path of `kube-apiserver`.
    pub apiserver: PathBuf,
    /// Path of `kubectl`.
    pub kubectl: PathBuf,
}

/// No folder has them all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Missing {
    /// The folders that were looked in.
    pub looked_in: Vec<PathBuf>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folders: Vec<String> = self.looked_in.iter().map(|folder| folder.display().to_string()).collect();
        write!(
            f,
            "no etcd, kube-apiserver and kubectl in {}; build them with `scripts/control-plane build`, or set KUBEBUILDER_ASSETS",
            folders.join(" or ")
        )
    }
}

impl Binaries {
    /// Those of `KUBEBUILDER_ASSETS`, or those that `scripts/control-plane build` has built.
    ///
    /// # Errors
    /// If neither has them all, with where they were looked for.
    pub fn find() -> Result<Self, Missing> {
        Self::find_in(folders(|name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)))
    }

    fn find_in(folders: Vec<PathBuf>) -> Result<Self, Missing> {
        folders.iter().find_map(|folder| Self::of(folder)).ok_or(Missing { looked_in: folders })
    }

    fn of(folder: &Path) -> Option<Self> {
        let file = |name| Some(folder.join(name)).filter(|path| path.is_file());
        Some(Self { etcd: file("etcd")?, apiserver: file("kube-apiserver")?, kubectl: file("kubectl")? })
    }
}

fn folders(variable: impl Fn(&str) -> Option<PathBuf>) -> Vec<PathBuf> {
    let cache = variable("KUBERNETES_CACHE").or_else(|| {
        let home = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")))?;
        Some(home.join("signal-gateway/kubernetes"))
    });
    let kubernetes = version(KUBERNETES, "k8s.io/kubernetes");
    let etcd = version(ETCD, "go.etcd.io/etcd/server/v3");
    let built = cache.map(|cache| cache.join(format!("{kubernetes}-etcd-{etcd}")));
    variable("KUBEBUILDER_ASSETS").into_iter().chain(built).collect()
}

/// The version of `path` that a go.mod requires.
fn version<'a>(go_mod: &'a str, path: &str) -> &'a str {
    let required = |line: &'a str| {
        let mut words = line.trim().trim_start_matches("require ").split_whitespace();
        words.next().filter(|word| *word == path).and_then(|_| words.next())
    };
    go_mod.lines().find_map(required).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rstest::rstest;

    use super::*;

    #[test]
    fn the_versions_are_those_of_the_modules() {
        assert!(version(KUBERNETES, "k8s.io/kubernetes").starts_with("v1."));
        assert!(version(ETCD, "go.etcd.io/etcd/server/v3").starts_with("v3."));
    }

    #[rstest]
    #[case::assets_come_first(&[("KUBEBUILDER_ASSETS", "/assets"), ("HOME", "/home")], &["/assets", "/home/.cache/signal-gateway/kubernetes/"])]
    #[case::the_cache_of_the_desktop(&[("XDG_CACHE_HOME", "/xdg"), ("HOME", "/home")], &["/xdg/signal-gateway/kubernetes/"])]
    #[case::a_cache_of_ones_own(&[("KUBERNETES_CACHE", "/own"), ("XDG_CACHE_HOME", "/xdg")], &["/own/"])]
    #[case::nothing_to_look_in(&[], &[])]
    fn folders_are_those_of_the_script(#[case] environment: &[(&str, &str)], #[case] expected: &[&str]) {
        let variable = |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
        let found = folders(variable);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.to_string_lossy().starts_with(expected), "{found:?}");
        }
    }

    #[test]
    fn a_folder_that_lacks_one_is_passed_over_and_named() {
        let (empty, full) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let folders = vec![empty.path().to_owned(), full.path().to_owned()];
        for name in ["etcd", "kube-apiserver"] {
            fs::write(full.path().join(name), "").unwrap();
        }
        let missing = Binaries::find_in(folders.clone()).unwrap_err();
        assert!(missing.to_string().contains(&*empty.path().to_string_lossy()), "{missing}");
        assert!(missing.to_string().contains("scripts/control-plane build"), "{missing}");
        fs::write(full.path().join("kubectl"), "").unwrap();
        assert_eq!(Binaries::find_in(folders).unwrap().etcd, full.path().join("etcd"));
    }
}

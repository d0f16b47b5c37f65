//! What `scripts/release` makes of binaries that are there, what it refuses to release, and where `scripts/publish` puts it.

mod artifacts;
mod publish;
mod versions;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

use super::image::archive::{LOADED, elf_for};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const AARCH64: u16 = 183;

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn run(script: &Path, arguments: &[&str]) -> Output {
    Command::new(script).args(arguments).output().expect("scripts/release runs (it needs python3)")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Four programs that are but a header, and a crate's name in one of them as panics would have it.
struct Binaries(TempDir);

impl Binaries {
    fn new(machines: [u16; 2], crate_name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (arch, machine) in ["amd64", "arm64"].iter().zip(machines) {
            fs::create_dir(folder.path().join(arch)).unwrap();
            for program in ["gateway", "sim"] {
                let code = format!("{program} /crates/{crate_name}/src/lib.rs");
                let binary = [elf_for(machine, 1, LOADED), code.into_bytes()].concat();
                fs::write(folder.path().join(arch).join(program), binary).unwrap();
            }
        }
        Self(folder)
    }

    fn release(&self, name: &str) -> (PathBuf, Output) {
        self.release_with(name, &[])
    }

    fn release_with(&self, name: &str, more: &[&str]) -> (PathBuf, Output) {
        let folder = self.0.path().join(name);
        let binaries = self.0.path().to_str().unwrap();
        let arguments = ["--snapshot", "--binaries", binaries, "--output", folder.to_str().unwrap()];
        let output = run(&workspace().join("scripts/release"), &[&arguments, more].concat());
        (folder, output)
    }
}

fn linked(name: &str) -> String {
    let lock = fs::read_to_string(workspace().join("Cargo.lock")).unwrap();
    let (_, rest) = lock.split_once(&format!("name = \"{name}\"\nversion = \"")).unwrap();
    format!("{name}-{}", rest.split('"').next().unwrap())
}

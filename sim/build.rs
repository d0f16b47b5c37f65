//! Notes the commit and the toolchain, which reports of violations name.

use std::{env, path::Path, process::Command};

fn main() {
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    println!("cargo:rustc-env=SIM_TOOLCHAIN={}", first_line(Command::new(rustc).arg("--version")));
    let commit = first_line(Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=12"]));
    println!("cargo:rustc-env=SIM_COMMIT={commit}");
    // The log changes with each commit and checkout; without git there is nothing to look at again.
    let log = "../.git/logs/HEAD";
    println!("cargo:rerun-if-changed={}", if Path::new(log).exists() { log } else { "build.rs" });
}

fn first_line(command: &mut Command) -> String {
    let output = command.output().ok().filter(|output| output.status.success());
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}

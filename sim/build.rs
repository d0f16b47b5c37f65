//! Notes the toolchain, which reports of violations name.

use std::{env, process::Command};

fn main() {
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let output = Command::new(rustc).arg("--version").output().ok().filter(|output| output.status.success());
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    println!("cargo:rustc-env=SIM_TOOLCHAIN={}", text.lines().next().unwrap_or("unknown"));
    // Cargo runs it again when the compiler is another one.
    println!("cargo:rerun-if-changed=build.rs");
}

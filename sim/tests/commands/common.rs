//! `sim` as a process, and what it prints.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

/// Runs `sim` to its end.
pub(crate) fn sim(options: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sim")).args(options).output().unwrap()
}

pub(crate) fn text_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
pub(crate) fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Gateways of `sim serve` and their embedded Kubernetes API, ended with the test; with what it said when it was ready.
pub(crate) struct Serve(Child, pub(crate) Value);

impl Serve {
    pub(crate) fn start(kubeconfig: &Path, options: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
        command.args(["serve", "--json"]).args(options).arg("--kubeconfig").arg(kubeconfig).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self(child, serde_json::from_str(&line).unwrap())
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

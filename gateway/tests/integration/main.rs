//! The gateway's parts from outside, its binary, its image and what is deployed with it; whole gateways over a Kubernetes
//! API are tested in `harness`.

mod audit;
mod chart;
mod config;
mod config_command;
mod crd;
mod documents;
mod http_server;
mod image;
mod imports;
mod process;
mod release;
mod reload;

/// Says why nothing is tested, past the capture of a passing test's output.
///
/// # Panics
/// If the environment variable `REQUIRE_TOOLS` is set, as in CI.
#[track_caller]
fn skip(why: &str) {
    use std::io::Write as _;

    assert!(std::env::var_os("REQUIRE_TOOLS").is_none(), "REQUIRE_TOOLS is set, but {why}");
    drop(writeln!(std::io::stderr(), "skipped: {why}"));
}

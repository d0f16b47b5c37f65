//! One control plane for the tests of a binary.

use std::{
    env,
    io::{self, Write as _},
    sync::{Arc, Weak},
};

use tokio::sync::Mutex;

use super::{binaries::REQUIRED, plane::ControlPlane};

/// The control plane that the tests which run at the moment share; it ends with the last of them. None, and a line that says
/// so, where there are no binaries.
///
/// # Panics
/// If it does not start; or if there are no binaries and the environment variable [`REQUIRED`] is set, as in CI.
pub async fn for_tests() -> Option<Arc<ControlPlane>> {
    // A static itself would never be dropped, and its processes outlive the tests.
    static SHARED: Mutex<Weak<ControlPlane>> = Mutex::const_new(Weak::new());
    if !available_for_tests() {
        return None;
    }
    let mut shared = SHARED.lock().await;
    if let Some(plane) = shared.upgrade() {
        return Some(plane);
    }
    let plane = ControlPlane::start().await.unwrap_or_else(|error| panic!("no control plane: {error}"));
    let plane = Arc::new(plane);
    *shared = Arc::downgrade(&plane);
    Some(plane)
}

/// Whether a test can start a control plane of its own; a line says so if not.
///
/// # Panics
/// If there are no binaries and the environment variable [`REQUIRED`] is set, as in CI.
pub fn available_for_tests() -> bool {
    let Err(missing) = ControlPlane::find() else { return true };
    assert!(env::var_os(REQUIRED).is_none(), "{REQUIRED} is set, but there is {missing}");
    // Past the capture of a passing test's output: that nothing was tested should be seen.
    drop(writeln!(io::stderr(), "skipped: {missing}"));
    false
}

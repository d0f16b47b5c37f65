//! Who may ask.

/// The user who may do everything.
pub const ADMIN: &str = "admin";
/// Users of [`ControlPlane::start`](super::ControlPlane::start) who may do nothing but what a test's Roles allow.
pub const USERS: [&str; 4] = ["gateway-pod-1", "gateway-pod-2", "gateway-pod-3", "nobody"];

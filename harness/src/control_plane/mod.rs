//! A real Kubernetes control plane, etcd and kube-apiserver, to hold the gateways against what is not ours.
//!
//! TLS is verified, RBAC is on, nothing listens beyond loopback, several may run at once. There are no nodes and no
//! controllers: pods do not run, namespaces that are deleted stay, nobody collects what loses its owner.

mod backup;
mod binaries;
mod error;
mod files;
mod launch;
mod plane;
mod testing;
mod users;

pub use self::{
    binaries::{Binaries, Missing, REQUIRED},
    error::Error,
    launch::free_port,
    plane::ControlPlane,
    testing::{available_for_tests, for_tests},
    users::{ADMIN, USERS},
};

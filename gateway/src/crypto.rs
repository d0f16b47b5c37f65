//! The one implementation of TLS's cryptography for all clients and servers of a process: ring, as kube uses it.

/// Makes ring the process' default, unless a default was chosen before. Clients built without it panic.
pub fn install_default() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

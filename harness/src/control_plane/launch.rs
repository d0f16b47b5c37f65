//! The programs of a control plane and their options.

use std::{
    net::TcpListener,
    path::Path,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use super::{binaries::Binaries, error::Error, files::Files, plane::ControlPlane};
use crate::process::Process;

impl ControlPlane {
    /// Starts its programs on free ports, without waiting until they are ready; one more etcd if leases are kept apart.
    pub(super) fn launch(binaries: Binaries, users: &[&str], leases_apart: bool) -> Result<Self, Error> {
        let directory = tempfile::Builder::new()
            .prefix("control-plane-")
            .tempdir()
            .map_err(|source| Error::File { path: std::env::temp_dir(), source })?;
        let files = Files::write(directory.path(), users)?;
        let port = free_port();
        files.write_kubeconfigs(&format!("https://127.0.0.1:{port}"))?;
        let store = |name: &str| {
            let url = format!("http://127.0.0.1:{}", free_port());
            start(name, &binaries.etcd, &files, |command| etcd(command, &files.path(name), &url))
                .map(|etcd| (etcd, url))
        };
        let (etcd, url) = store("etcd")?;
        let (lease_etcd, lease_url) = leases_apart.then(|| store("etcd-leases")).transpose()?.unzip();
        let apiserver = start("kube-apiserver", &binaries.apiserver, &files, |command| {
            apiserver(command, &files, &url, port);
            if let Some(url) = lease_url {
                command.args(["--etcd-servers-overrides", &format!("coordination.k8s.io/leases#{url}")]);
            }
        })?;
        Ok(Self { apiserver, etcd, lease_etcd, files, binaries, directory })
    }
}

fn start(name: &str, program: &Path, files: &Files, options: impl FnOnce(&mut Command)) -> Result<Process, Error> {
    let mut command = Command::new(program);
    options(&mut command);
    Process::start(name, command, &files.path(&format!("{name}.log")))
        .map_err(|source| Error::Start { program: program.to_owned(), source })
}

fn etcd(command: &mut Command, data: &Path, store: &str) {
    let peer = format!("http://127.0.0.1:{}", free_port());
    command
        .arg("--data-dir")
        .arg(data)
        .args(["--listen-client-urls", store, "--advertise-client-urls", store])
        .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
        .args(["--initial-cluster", &format!("default={peer}")])
        // Nobody minds if the data do not survive the machine.
        .args(["--unsafe-no-fsync", "--log-level", "warn"]);
}

fn apiserver(command: &mut Command, files: &Files, store: &str, port: u16) {
    let files = [
        ("--tls-cert-file", "apiserver.crt"),
        ("--tls-private-key-file", "apiserver.key"),
        ("--cert-dir", "."),
        ("--token-auth-file", "tokens.csv"),
        ("--service-account-key-file", "service-accounts.pub"),
        ("--service-account-signing-key-file", "service-accounts.key"),
    ]
    .map(|(option, name)| (option, files.path(name)));
    for (option, path) in files {
        command.arg(option).arg(path);
    }
    command
        .args(["--etcd-servers", store])
        .args(["--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1"])
        .args(["--secure-port", &port.to_string()])
        .args(["--authorization-mode", "RBAC"])
        .args(["--service-account-issuer", "https://kubernetes.default.svc"])
        .args(["--service-cluster-ip-range", "10.96.0.0/24"])
        .args(["--endpoint-reconciler-type", "none"])
        // No controller makes the service account that a pod is admitted with.
        .args(["--disable-admission-plugins", "ServiceAccount"]);
}

/// A port that nobody listens on, below those that the system gives to outgoing connections, so that none of these takes it
/// before the program does.
pub fn free_port() -> u16 {
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 12_000;
    // Processes begin far from each other, and none offers a port again until all had their turn.
    static OFFERED: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(101);
    for _ in 0..COUNT {
        let port = FIRST + begin.wrapping_add(OFFERED.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = u16::try_from(port).unwrap_or_default();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    0
}

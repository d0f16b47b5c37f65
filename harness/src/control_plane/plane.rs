//! A control plane that runs.
#![allow(clippy::disallowed_methods, reason = "a control plane lives in real time")]

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use gateway::kubernetes::cluster;
use kube::{
    Client,
    config::{KubeConfigOptions, Kubeconfig},
};
use tempfile::TempDir;

use super::{
    binaries::{Binaries, Missing},
    error::{Error, READY_TIMEOUT},
    files::Files,
    users::{ADMIN, USERS},
};
use crate::process::Process;

const READY_POLL: Duration = Duration::from_millis(50);
/// How long one look at it may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);
/// A port that was free may be taken by the time it is listened on.
const STARTS_MAX: usize = 3;
/// Lines of each log in errors.
const LOG_LINES: usize = 10;

/// A control plane that runs until it is dropped.
#[derive(Debug)]
pub struct ControlPlane {
    // In the order in which they end.
    pub(super) apiserver: Process,
    pub(super) etcd: Process,
    /// Where leases are, if not in `etcd`.
    pub(super) lease_etcd: Option<Process>,
    pub(super) files: Files,
    pub(super) binaries: Binaries,
    /// Removed last.
    pub(super) directory: TempDir,
}

impl ControlPlane {
    /// Where the binaries are.
    ///
    /// # Errors
    /// If they are not there, with where they were looked for.
    pub fn find() -> Result<Binaries, Missing> {
        Binaries::find()
    }

    /// Starts one with the users [`ADMIN`] and [`USERS`], and waits until it is ready.
    ///
    /// # Errors
    /// If there are no binaries, or it does not become ready, with the last lines of the logs.
    pub async fn start() -> Result<Self, Error> {
        Self::start_with(Self::find()?, &USERS).await
    }

    /// As [`ControlPlane::start`], with leases in an etcd of their own (`--etcd-servers-overrides`), as in large clusters.
    ///
    /// # Errors
    /// As [`ControlPlane::start`].
    pub async fn start_with_leases_apart() -> Result<Self, Error> {
        Self::begin(Self::find()?, &USERS, true).await
    }

    /// Starts one from `binaries` with the users [`ADMIN`] and `users`, and waits until it is ready.
    ///
    /// # Errors
    /// If it does not become ready, with the last lines of the logs.
    pub async fn start_with(binaries: Binaries, users: &[&str]) -> Result<Self, Error> {
        Self::begin(binaries, users, false).await
    }

    async fn begin(binaries: Binaries, users: &[&str], leases_apart: bool) -> Result<Self, Error> {
        gateway::crypto::install_default();
        let mut starts = 1;
        loop {
            let plane = Self::launch(binaries.clone(), users, leases_apart)?;
            match plane.ready().await {
                Ok(()) => return Ok(plane),
                Err(Error::Ended { log, .. }) if starts < STARTS_MAX && log.contains("address already in use") => {
                    starts += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until `/readyz` says so.
    ///
    /// # Errors
    /// If it does not in time, or a program has ended, with the last lines of the logs.
    pub async fn ready(&self) -> Result<(), Error> {
        let until = Instant::now() + READY_TIMEOUT;
        loop {
            for process in [&self.etcd, &self.apiserver].into_iter().chain(&self.lease_etcd) {
                if let Some(status) = process.exited() {
                    let (name, log) = (process.name().to_owned(), process.log_tail(LOG_LINES));
                    return Err(Error::Ended { name, status: status.to_string(), log });
                }
            }
            let Err(last) = self.look().await else { return Ok(()) };
            if Instant::now() > until {
                let tail = |process: &Process| format!("{}:\n{}", process.name(), process.log_tail(LOG_LINES));
                let log = format!("{}\n{}", tail(&self.etcd), tail(&self.apiserver));
                return Err(Error::NotReady { last, log });
            }
            tokio::time::sleep(READY_POLL).await;
        }
    }

    /// Looks at `/readyz` once.
    async fn look(&self) -> Result<(), String> {
        let client = self.admin().await.map_err(|error| error.to_string())?;
        let request = http::Request::get("/readyz").body(Vec::new()).map_err(|error| error.to_string())?;
        match tokio::time::timeout(LOOK_TIMEOUT, client.request_text(request)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {} s", LOOK_TIMEOUT.as_secs())),
        }
    }

    /// A client of [`ADMIN`], for the runtime that calls.
    ///
    /// # Errors
    /// If it cannot be built.
    pub async fn admin(&self) -> Result<Client, Error> {
        self.client(ADMIN).await
    }

    /// A client of `user`, without kube's own retries, for the runtime that calls.
    ///
    /// # Errors
    /// If there is no such user, or the client cannot be built.
    pub async fn client(&self, user: &str) -> Result<Client, Error> {
        let mut config = self.config(user).await?;
        config.default_retry = false;
        Ok(Client::try_from(config)?)
    }

    /// As [`ControlPlane::client`], built as a gateway builds its own: no request lives longer than `timeout`.
    ///
    /// # Errors
    /// If there is no such user, or the client cannot be built.
    pub async fn gateway_client(&self, user: &str, timeout: Duration) -> Result<Client, Error> {
        Ok(cluster::builder(self.config(user).await?, timeout)?.build())
    }

    async fn config(&self, user: &str) -> Result<kube::Config, Error> {
        let file = Kubeconfig::read_from(self.kubeconfig(user)?)?;
        Ok(kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?)
    }

    /// The kubeconfig file of `user`.
    ///
    /// # Errors
    /// If there is no such user.
    pub fn kubeconfig(&self, user: &str) -> Result<PathBuf, Error> {
        self.files.kubeconfig(user)
    }

    /// The kubectl that belongs to it.
    pub fn kubectl(&self) -> &Path {
        &self.binaries.kubectl
    }

    /// Its kube-apiserver, to be killed, paused and started again.
    pub fn apiserver(&self) -> &Process {
        &self.apiserver
    }

    /// Its etcd, to be killed, paused and started again; it keeps its data over a restart.
    pub fn etcd(&self) -> &Process {
        &self.etcd
    }

    /// Where its files and logs are.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

//! The real gateway binary as a pod: a process with a pod's environment.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use gateway::config::Config;

use super::error::Error;
use crate::{
    control_plane::{ControlPlane, free_port},
    process::Process,
    replica::{metric, pod_name},
};

const READY_TIMEOUT: Duration = Duration::from_secs(120);
const READY_POLL: Duration = Duration::from_millis(100);
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);

/// What crashed gateways leave is collected as soon as it may be.
const COLLECT_INTERVAL: Duration = Duration::from_secs(5);

/// What the pods are configured with, as far as it says how long anything may take.
pub(super) fn config() -> Config {
    let mut config = Config::default();
    config.lock.collect_interval = COLLECT_INTERVAL;
    config
}

/// `gateway-pod-<number>`.
pub(super) struct Pod {
    /// To be killed, paused and started again.
    pub(super) process: Process,
    /// Where signals are posted.
    pub(super) api: String,
    health: String,
    metrics: String,
}

impl Pod {
    /// Starts `binary`, which writes its RemediationRequests and leases into `namespace`.
    pub(super) fn start(plane: &ControlPlane, binary: &Path, number: usize, namespace: &str) -> Result<Self, Error> {
        let name = pod_name(number);
        let [api, health, metrics] = [(); 3].map(|()| format!("127.0.0.1:{}", free_port()));
        let mut command = Command::new(binary);
        command
            .env("KUBECONFIG", plane.kubeconfig(&name)?)
            .env("POD_NAME", &name)
            .env("POD_NAMESPACE", namespace)
            .env("GATEWAY__SERVER__LISTEN_ADDR", &api)
            .env("GATEWAY__SERVER__HEALTH_ADDR", &health)
            .env("GATEWAY__SERVER__METRICS_ADDR", &metrics)
            .env("GATEWAY__AUTH__MODE", "none")
            .env("GATEWAY__SCOPE__REQUIRE_MANAGED_LABEL", "false")
            .env("GATEWAY__LOCK__COLLECT_INTERVAL", format!("{}s", COLLECT_INTERVAL.as_secs()));
        let log = plane.directory().join(format!("{name}.log"));
        let failed = |source| Error::Start { program: binary.to_owned(), source };
        Ok(Self { process: Process::start(&name, command, &log).map_err(failed)?, api, health, metrics })
    }

    /// Waits until `/readyz` says so.
    pub(super) async fn ready(&self, http: &reqwest::Client) -> Result<(), Error> {
        let until = Instant::now() + READY_TIMEOUT;
        loop {
            let asked = http.get(format!("http://{}/readyz", self.health)).timeout(LOOK_TIMEOUT).send().await;
            if asked.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if self.process.exited().is_some() || Instant::now() > until {
                let (name, log) = (self.process.name().to_owned(), self.process.log_tail(10));
                return Err(Error::NotReady { name, log });
            }
            tokio::time::sleep(READY_POLL).await;
        }
    }

    /// The value of one of its metrics.
    pub(super) async fn metric(&self, http: &reqwest::Client, series: &str) -> Option<f64> {
        let answer = http.get(format!("http://{}/metrics", self.metrics)).timeout(LOOK_TIMEOUT).send().await.ok()?;
        metric(&answer.text().await.ok()?, series)
    }
}

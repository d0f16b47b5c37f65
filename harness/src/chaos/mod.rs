//! Chaos on a real control plane: gateway processes under bounded load, while they and the servers are killed and paused.
//!
//! Beside them a typed controller writes; and at the end the cluster is restored from a backup.
//!
//! All stops stay within the protocol's bounds. Which ones there are is drawn from a seed; when exactly they meet a request
//! is up to the machine, so a seed repeats the plan, not the run.
#![allow(clippy::disallowed_methods, reason = "processes live in real time")]

mod error;
mod load;
mod neighbour;
mod options;
mod plan;
mod pod;
mod restore;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams},
};
use serde::Serialize;
use serde_json::json;

use self::{load::Load, pod::Pod, restore::Restore};
use crate::{
    cluster::{Permissions, Stage, remediation_requests},
    control_plane::{ControlPlane, USERS},
    oracles::{Violation, fingerprint, is_active, name, occurrences},
    process::Process,
};

pub use self::plan::{Fault, LENGTH_MIN_MS, Target, What, draw};
pub use self::{error::Error, neighbour::Neighbour, options::Options, restore::Restored};

/// Gateways in a run: as many as the control plane has users for.
pub const GATEWAYS: usize = 3;
/// How long the remediation controller waits for an answer.
const CONTROLLER_TIMEOUT: Duration = Duration::from_secs(5);

/// What came of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The seed that the faults were drawn from.
    pub seed: u64,
    /// Signals, each sent until it was acknowledged.
    pub signals: usize,
    /// Signals that no gateway acknowledged in the end, or refused for good.
    pub unacknowledged: usize,
    /// Posts, the repeated ones included.
    pub attempted: u64,
    /// Posts that were acknowledged.
    pub acknowledged: u64,
    /// Signals counted on all RemediationRequests.
    pub counted: u64,
    /// Answers by HTTP status; 0 stands for none in time.
    pub statuses: BTreeMap<u16, usize>,
    /// RemediationRequests, successors included.
    pub remediation_requests: usize,
    /// Writes that the oracles saw.
    pub writes: usize,
    /// What went wrong.
    pub faults: usize,
    /// How the typed controller beside them got on.
    pub neighbour: Neighbour,
    /// What came of the restore after all that.
    pub restored: Restored,
    /// What did not hold.
    pub violations: Vec<Violation>,
}

/// Runs it; `say` is told what happens, as it happens.
///
/// # Errors
/// If control plane or gateways do not start.
pub async fn run(options: &Options, say: impl Fn(&str)) -> Result<Report, Error> {
    let plane = ControlPlane::start().await?;
    let stage = Stage::new(&plane, Permissions::Full).await?;
    let mut pods = Vec::new();
    for number in 1..=GATEWAYS {
        pods.push(Pod::start(&plane, &options.gateway, number, &stage.namespace)?);
    }
    let http = reqwest::Client::new();
    for pod in &pods {
        pod.ready(&http).await?;
    }
    let length_ms = u64::try_from(options.length.as_millis()).unwrap_or(u64::MAX).max(LENGTH_MIN_MS);
    let lanes = draw(options.seed, length_ms, GATEWAYS, options.resources);
    let load = Load::new(options, length_ms);
    let run = Run { plane: &plane, stage: &stage, pods: &pods, began: Instant::now(), say: &say };
    let faults = lanes.iter().map(Vec::len).sum();
    let troubles = async {
        futures::future::join_all(lanes.iter().map(|lane| run.lane(lane))).await;
        (run.say)("everything that was stopped is running again");
    };
    let bases: Vec<&str> = pods.iter().map(|pod| pod.api.as_str()).collect();
    let end = run.began + Duration::from_millis(length_ms);
    let neighbour = neighbour::work(&stage, options.seed, options.resources, end);
    let (sent, (), neighbour) = futures::join!(load.send(&stage, &bases, run.began), troubles, neighbour);
    plane.ready().await?;
    for pod in &pods {
        pod.ready(&http).await?;
    }
    say("waiting until no lease is left");
    let mut violations = stage.finish(&pod::config()).await;
    let requests = stage.witness.catch_up().await.map(|(requests, _)| requests).unwrap_or_default();
    let (attempted, acknowledged) =
        stage.with_ledger(|ledger| (ledger.attempted.values().sum::<u64>(), ledger.acknowledged.values().sum::<u64>()));
    let writes = stage.witness.writes();
    let restore = Restore { plane: &plane, stage: &stage, pods: &pods, http: &http, resources: options.resources };
    let complete = async |resource| run.complete(resource).await;
    let (restored, wrong) = restore.run(options.seed % 2 == 1, complete, &say).await?;
    violations.extend(wrong);
    for pod in &pods {
        violations.extend(pod.complaints(&http).await);
    }
    Ok(Report {
        seed: options.seed,
        signals: load.signals(),
        unacknowledged: sent.unacknowledged,
        attempted,
        acknowledged,
        counted: requests.iter().map(occurrences).sum(),
        statuses: sent.statuses,
        remediation_requests: requests.len(),
        writes,
        faults,
        neighbour,
        restored,
        violations,
    })
}

impl Pod {
    /// What a gateway must not have done in a run within the bounds.
    async fn complaints(&self, http: &reqwest::Client) -> Vec<Violation> {
        let mut messages = Vec::new();
        let name = self.process.name();
        match self.metric(http, "gateway_twins_detected_total").await {
            Some(0.0) => {}
            other => messages.push(format!("{name} detected twins: {other:?}")),
        }
        let log = self.process.log_text();
        messages.extend(log.lines().filter(|line| line.contains("panicked")).map(|line| format!("{name}: {line}")));
        messages.into_iter().map(|message| Violation { oracle: "gateway", version: None, message }).collect()
    }
}

/// What faults act on.
struct Run<'a, S> {
    plane: &'a ControlPlane,
    stage: &'a Stage,
    pods: &'a [Pod],
    began: Instant,
    say: &'a S,
}

impl<S: Fn(&str)> Run<'_, S> {
    /// Lets one fault happen after the other.
    async fn lane(&self, faults: &[Fault]) {
        for fault in faults {
            let at = self.began + Duration::from_millis(fault.at_ms);
            tokio::time::sleep_until(at.into()).await;
            (self.say)(&format!("{:5.1} s  {}", fault.at_ms as f64 / 1e3, describe(fault)));
            let lasts = Duration::from_millis(fault.lasts_ms);
            match fault.target {
                Target::Apiserver => trouble(self.plane.apiserver(), fault.what, lasts).await,
                Target::Etcd => trouble(self.plane.etcd(), fault.what, lasts).await,
                Target::Gateway(number) => trouble(&self.pods[number - 1].process, fault.what, lasts).await,
                Target::Resource(resource) => self.complete(resource).await,
            }
        }
    }

    /// Acts as the remediation controller: the active RemediationRequest of `resource` is done, if the API can be told.
    async fn complete(&self, resource: usize) {
        let Some(request) = self
            .stage
            .witness
            .find(|object| fingerprint(object) == load::fingerprint_of(resource).as_str() && is_active(object))
        else {
            return;
        };
        let (client, namespace) = (self.stage.client.clone(), &self.stage.namespace);
        let api = Api::<DynamicObject>::namespaced_with(client, namespace, &remediation_requests());
        let (name, params) = (name(&request).to_owned(), PatchParams::default());
        let patch = Patch::Merge(json!({"status": {"overallPhase": "Completed"}}));
        // Where the API is away, it stays active.
        drop(tokio::time::timeout(CONTROLLER_TIMEOUT, api.patch_status(&name, &params, &patch)).await);
    }
}

/// One fault of a process. A process that is gone although nobody killed it shows when it is waited for at the end.
async fn trouble(process: &Process, what: What, lasts: Duration) {
    match what {
        What::Kill => {
            process.kill();
            tokio::time::sleep(lasts).await;
            drop(process.restart());
        }
        What::Pause => {
            drop(process.pause());
            tokio::time::sleep(lasts).await;
            drop(process.resume());
        }
        What::Complete => {}
    }
}

fn describe(fault: &Fault) -> String {
    let target = match fault.target {
        Target::Apiserver => "kube-apiserver".to_owned(),
        Target::Etcd => "etcd".to_owned(),
        Target::Gateway(number) => USERS[number - 1].to_owned(),
        Target::Resource(number) => format!("resource {number}"),
    };
    let secs = fault.lasts_ms as f64 / 1e3;
    match fault.what {
        What::Kill => format!("{target} killed, restarts after {secs:.1} s"),
        What::Pause => format!("{target} paused for {secs:.1} s"),
        What::Complete => format!("{target} is remediated"),
    }
}

//! One measurement.
#![allow(clippy::disallowed_methods, reason = "owns the clock that it measures by")]

use std::{collections::BTreeMap, time::Duration};

use gateway::http::PROMETHEUS;
use harness::{
    baselines::Protocol,
    load::webhook,
    replica::{Replica, post},
};
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinSet,
    time::Instant,
};

use crate::{
    case::Row,
    settings::Settings,
    stage::{Stage, Time},
};

/// What one measurement found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// From the first signal sent to the last answer.
    pub took: Duration,
    /// Signals sent.
    pub sent: usize,
    /// Signals answered with a 2xx.
    pub acknowledged: usize,
    /// Requests to the Kubernetes API by verb and resource, until all had come to rest.
    pub requests: BTreeMap<String, usize>,
    /// RemediationRequests of the one fingerprint.
    pub remediation_requests: usize,
    /// Signals counted on them, beyond one that was there before.
    pub counted: u64,
}

/// The resource that all signals are about.
const RESOURCE: &str = "checkout";
const STARTS_AT: &str = "2026-10-31T23:00:00Z";

/// Sets a fresh stage, sends, waits for the answers, counts. `number` decides at which point between two of etcd's
/// progress notifications the signals arrive; a hundred successive numbers are spread evenly.
///
/// # Panics
/// If a gateway cannot be built.
pub async fn measure(row: Row, protocol: Protocol, settings: &Settings, time: Time, number: u64) -> Measured {
    let stage = Stage::set(row, protocol, settings, time, number).await;
    let replicas = stage.replicas();
    let before = u64::from(row.case.is_known());
    if row.case.is_known() {
        send(&replicas[..1], 1).await;
    }
    // A whole period first: a list must not wait for what only the preparation wrote.
    let list_wait = row.list_wait(settings);
    stage.rest(settings, list_wait + part_of(list_wait, number)).await;
    stage.begin();
    let sent = row.case.signals(settings);
    let to = if sent == 1 { &replicas[replicas.len() - 1..] } else { replicas };
    let began = Instant::now();
    let acknowledged = send(to, sent).await;
    let took = began.elapsed();
    stage.rest(settings, Duration::ZERO).await;
    let remediation_requests = stage.remediation_requests(RESOURCE);
    let counted = remediation_requests.iter().map(|request| stage.counted(request)).sum::<u64>().saturating_sub(before);
    let requests = stage.requests();
    Measured { took, sent, acknowledged, requests, remediation_requests: remediation_requests.len(), counted }
}

/// Sends `count` signals at once, in turn to each of `replicas`; how many were acknowledged.
async fn send(replicas: &[Replica], count: usize) -> usize {
    let body = webhook(RESOURCE, STARTS_AT).to_string();
    let mut sending = JoinSet::new();
    for replica in replicas.iter().cycle().take(count) {
        sending.spawn(post(replica.sender(), PROMETHEUS, body.clone().into()));
    }
    let answers = sending.join_all().await;
    answers.iter().filter(|answer| answer.status.is_success()).count()
}

/// A part of `period`, in whole milliseconds: successive numbers go through it in steps of the golden ratio.
fn part_of(period: Duration, number: u64) -> Duration {
    const GOLDEN_PERMILLE: u64 = 618;
    let permille = number.wrapping_mul(GOLDEN_PERMILLE) % 1_000;
    let ms = u64::try_from(period.as_millis()).unwrap_or_default();
    Duration::from_millis(ms * permille / 1_000)
}

/// As [`measure`], in virtual time on a runtime of its own: equal arguments, equal results.
///
/// # Panics
/// If the runtime or a gateway cannot be built.
pub fn measure_in_virtual_time(row: Row, protocol: Protocol, settings: &Settings, number: u64) -> Measured {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.unwrap_or_else(|error| panic!("no runtime: {error}"));
    runtime.block_on(measure(row, protocol, settings, Time::Virtual, number))
}

/// The runtime of measurements in real time: as the gateway's own, with a thread per core.
///
/// # Panics
/// If it cannot be built.
pub fn real_time() -> Runtime {
    let runtime = Builder::new_multi_thread().enable_all().build();
    runtime.unwrap_or_else(|error| panic!("no runtime: {error}"))
}

//! One run from start to verdict.
#![allow(clippy::disallowed_methods, reason = "a run owns its runtime and its time")]

use std::{sync::Arc, time::Duration};

use gateway::dedup::bounds::left_behind_for;
use tokio::{sync::mpsc, task::JoinSet, time::Instant};

use super::{
    actors, faults, neighbours,
    network::Wire,
    panics, probes,
    scenario::{Promise, Scenario},
    world::World,
};
use crate::{
    baselines::Protocol,
    fleet::Fleet,
    oracles::{LEASES, REMEDIATION_REQUESTS, Violation, is_at_rest},
    replica::config,
    trace::{Mode, Trace},
};

/// After healing, leases and claims left behind must be gone within this multiple of the gateways' own bound: in some
/// scenarios, requests take effect later than the assumptions allow.
const REST_BOUNDS: u32 = 3;
const REST_POLL: Duration = Duration::from_secs(2);

/// How a run ended.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What did not hold.
    pub violations: Vec<Violation>,
    /// Twins that a replica has detected, at most, where they may come to be.
    pub twins: u64,
    /// Requests that replicas and actors sent to the Kubernetes API.
    pub requests: u64,
    /// How long it took in virtual time.
    pub virtual_time: Duration,
    /// The hash of all that happened, 0 if no trace was kept: the same for two runs of a scenario.
    pub hash: u64,
    /// What happened, if a full trace was kept.
    pub trace: Option<Arc<Trace>>,
}

/// Runs `scenario` with replicas that follow `protocol`, and keeps a trace as `mode` says. A panic is a violation.
pub fn run(scenario: &Scenario, protocol: Protocol, mode: Mode) -> Report {
    let (report, panics) = panics::watched(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.unwrap_or_else(|error| panic!("no runtime for the simulation: {error}"));
        runtime.block_on(simulate(scenario, protocol, mode))
    });
    let mut report = report.unwrap_or_default();
    report.violations.splice(..0, panics);
    report
}

async fn simulate(scenario: &Scenario, protocol: Protocol, mode: Mode) -> Report {
    let began = Instant::now();
    let (sent, requests) = mpsc::unbounded_channel();
    let wire = Arc::new(Wire::new(scenario.network, scenario.seed, sent));
    let world = Arc::new(World::new(scenario, protocol, mode, wire));
    for (number, adopted) in (1..).zip(&scenario.adopted) {
        world.fleet.api.seed(neighbours::adopted(&world.fleet, *adopted, number));
    }
    for index in 0..world.len() {
        world.start(index, false);
    }
    let faults = tokio::spawn(faults::happen(Arc::clone(&world), scenario.faults.clone(), requests));
    let actors = actors::start(&world, scenario, protocol);
    let mut senders = JoinSet::new();
    for &arrival in &scenario.signals {
        let world = Arc::clone(&world);
        senders.spawn(async move {
            tokio::time::sleep(Duration::from_millis(arrival.at_ms)).await;
            world.send(arrival).await
        });
    }
    tokio::time::sleep(Duration::from_millis(scenario.heal_at_ms)).await;
    faults.abort();
    let _ = faults.await;
    drop(actors);
    faults::heal(&world, scenario);
    let Fleet { api, oracles, .. } = &world.fleet;
    if protocol.is_product() {
        oracles.on_healed(api.now().as_millisecond());
    }
    probes::signals(&world, scenario).await;
    senders.join_all().await;
    let mut twins = 0;
    if protocol.is_product() && scenario.promise == Promise::Detected {
        twins = probes::twins(&world, scenario).await;
    }
    rest(&world, protocol).await;
    if protocol.is_product() && scenario.is_undisturbed() {
        oracles.on_requests(&api.requests());
    }
    let violations = world.fleet.finish();
    let trace = &world.fleet.trace;
    trace.end(&violations);
    let hash = trace.hash();
    let trace = (mode == Mode::Full).then(|| Arc::clone(trace));
    for index in 0..world.len() {
        world.crash(index, false);
    }
    Report { violations, twins, requests: world.wire.requests(), virtual_time: began.elapsed(), hash, trace }
}

/// Waits until nothing is left to be cleaned up, for a bounded time.
async fn rest(world: &World, protocol: Protocol) {
    if !protocol.is_product() {
        // Nobody collects what these leave behind.
        return tokio::time::sleep(REST_POLL).await;
    }
    let (began, longest) = (Instant::now(), left_behind_for(&config()) * REST_BOUNDS);
    while began.elapsed() < longest {
        tokio::time::sleep(REST_POLL).await;
        let Fleet { api, .. } = &world.fleet;
        if is_at_rest(&api.stored(LEASES), &api.stored(REMEDIATION_REQUESTS)) {
            return;
        }
    }
}

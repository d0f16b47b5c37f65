//! Makes faults happen.
#![allow(clippy::disallowed_methods, reason = "faults live in the simulation's own time")]

use std::{sync::Arc, time::Duration};

use embedded_apiserver::Restore;
use tokio::{sync::mpsc::UnboundedReceiver, task::JoinSet};

use super::{
    network::replica_index,
    scenario::{Caches, Fault, Scenario, What, When},
    world::World,
};
use crate::{
    fleet::{crd, predecessors_crd},
    trace::{API, Life},
};

/// Makes `faults` happen; `sent` tells of each request of a replica. To be dropped when everything heals.
pub async fn happen(world: Arc<World>, faults: Vec<Fault>, mut sent: UnboundedReceiver<(String, u64)>) {
    let mut tasks = JoinSet::new();
    let mut at_requests = Vec::new();
    for Fault { when, what } in faults {
        match when {
            When::AtMs(at_ms) => {
                let world = Arc::clone(&world);
                tasks.spawn(async move {
                    tokio::time::sleep(Duration::from_millis(at_ms)).await;
                    happen_now(&world, what).await;
                });
            }
            When::Request(replica, number) => at_requests.push((replica, number, what)),
        }
    }
    while let Some((pod, number)) = sent.recv().await {
        let Some(replica) = replica_index(&pod) else { continue };
        for &(_, _, what) in at_requests.iter().filter(|(r, n, _)| (*r, *n) == (replica, number)) {
            let world = Arc::clone(&world);
            tasks.spawn(async move { happen_now(&world, what).await });
        }
    }
}

async fn happen_now(world: &World, what: What) {
    let wait = |ms| tokio::time::sleep(Duration::from_millis(ms));
    let World { fleet, wire, .. } = world;
    match what {
        What::Crash { replica, lands, down_ms, new_pod } => {
            world.crash(replica, lands);
            wait(down_ms).await;
            world.start(replica, new_pod);
        }
        What::Restart { replica, down_ms } => {
            world.stop(replica).await;
            wait(down_ms).await;
            world.start(replica, false);
        }
        What::Pause { replica, for_ms } => {
            let Some(replica) = world.replica(replica) else { return };
            replica.context().pause();
            fleet.trace.life(&replica.name, Life::Paused);
            wait(for_ms).await;
            replica.context().resume();
            fleet.trace.life(&replica.name, Life::Resumed);
        }
        What::Cut { replica, for_ms } => {
            let Some(pod) = world.pod(replica) else { return };
            wire.set_cut(&pod, true);
            fleet.api.break_watches(&pod);
            fleet.trace.life(&pod, Life::CutOff);
            wait(for_ms).await;
            wire.set_cut(&pod, false);
            fleet.trace.life(&pod, Life::Reconnected);
        }
        What::Down { for_ms } => {
            wire.set_down(true);
            for pod in (0..world.len()).filter_map(|index| world.pod(index)) {
                fleet.api.break_watches(&pod);
            }
            fleet.trace.life(API, Life::CutOff);
            wait(for_ms).await;
            wire.set_down(false);
            fleet.trace.life(API, Life::Reconnected);
        }
        What::BreakWatches { replica } => {
            if let Some(pod) = world.pod(replica) {
                fleet.api.break_watches(&pod);
            }
        }
        What::HoldWatches { replica, for_ms } => {
            let Some(pod) = world.pod(replica) else { return };
            fleet.api.hold_watches(&pod);
            wait(for_ms).await;
            fleet.api.release_watches(&pod);
        }
        What::Compact => fleet.api.compact(),
        What::Roll { replica, down_ms } => {
            world.stop(replica).await;
            wait(down_ms).await;
            world.start(replica, true);
        }
        What::Suspend { replica, for_ms, half_open_ms } => {
            let Some(replica) = world.replica(replica) else { return };
            replica.context().suspend();
            fleet.api.hold_watches(&replica.name);
            fleet.trace.life(&replica.name, Life::Paused);
            wait(for_ms).await;
            replica.context().resume();
            fleet.trace.life(&replica.name, Life::Resumed);
            wait(half_open_ms).await;
            fleet.api.release_watches(&replica.name);
        }
        What::Refuse { refusal, for_ms } => {
            fleet.trace.note(API, &format!("begins to refuse: {refusal:?}"));
            wire.set_refusal(refusal, true);
            wait(for_ms).await;
            wire.set_refusal(refusal, false);
            fleet.trace.note(API, &format!("ends to refuse: {refusal:?}"));
        }
        What::OldCrd { for_ms } => {
            fleet.api.seed(predecessors_crd());
            wait(for_ms).await;
            fleet.api.seed(crd());
        }
        What::Restore { for_ms, caches } => {
            let backup = fleet.back_up();
            fleet.trace.note(API, "the store is backed up");
            wait(for_ms).await;
            fleet.restore(
                &backup,
                match caches {
                    Caches::Anew => Restore::Everything,
                    Caches::Passed => Restore::BUSY,
                    Caches::Stay { .. } => Restore::UnderLiveApi,
                },
            );
            if let Caches::Stay { for_ms } = caches {
                wait(for_ms).await;
                fleet.api.restart_api();
            }
        }
    }
}

/// Ends all faults of `scenario`: everybody is up, goes on and reaches the API.
pub fn heal(world: &World, scenario: &Scenario) {
    world.fleet.trace.life(API, Life::Healed);
    world.wire.heal();
    world.fleet.api.set_event_lag(Duration::ZERO);
    let was = |kind: fn(&What) -> bool| scenario.faults.iter().any(|fault| kind(&fault.what));
    if was(|what| matches!(what, What::Restore { caches: Caches::Stay { .. }, .. })) {
        world.fleet.api.restart_api();
    }
    world.ask_all();
    world.fill();
    for index in 0..world.len() {
        if let Some(replica) = world.replica(index) {
            replica.context().resume();
            world.fleet.api.release_watches(&replica.name);
        }
    }
    if was(|what| matches!(what, What::OldCrd { .. })) {
        world.fleet.api.seed(crd());
    }
}

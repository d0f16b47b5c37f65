//! What is asked of the replicas after everything has healed.
#![allow(clippy::disallowed_methods, reason = "probes live in the simulation's own time")]

use std::{sync::Arc, time::Duration};

use gateway::dedup::bounds::refusal_forgotten_within;
use rand::{SeedableRng, rngs::StdRng};
use tokio::task::JoinSet;

use super::{
    creators::{Creator, FOREIGN},
    scenario::{Actor, Arrival, Scenario, What},
    world::World,
};
use crate::{oracles::TWINS_SETTLED, replica::config};

/// Each replica must acknowledge a signal of each resource within so many tries, a second apart.
const TRIES: u64 = 60;
fn tries(scenario: &Scenario) -> u64 {
    let was_refused = scenario.faults.iter().any(|fault| matches!(fault.what, What::Refuse { .. }));
    // By a clock that may be a tenth slow.
    if was_refused { refusal_forgotten_within(&config()).as_secs() * 11 / 10 } else { TRIES }
}

/// Sends each replica a signal of each resource, until it is acknowledged or has been tried too often.
pub(super) async fn signals(world: &Arc<World>, scenario: &Scenario) {
    let tries = tries(scenario);
    let mut probes = JoinSet::new();
    for replica in 0..world.len() {
        for resource in 0..scenario.resources() {
            let world = Arc::clone(world);
            probes.spawn(async move {
                for _ in 0..tries {
                    let arrival = Arrival { at_ms: 0, replica, resource, retries: 0 };
                    if world.send(arrival).await {
                        return;
                    }
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            });
        }
    }
    probes.join_all().await;
}

/// Asks what twins have been detected; lets the foreign creator make one more of each resource, if there is such a creator,
/// and asks again; then sends signals once more, which must go to the older ones. Returns how many twins were detected.
pub(super) async fn twins(world: &Arc<World>, scenario: &Scenario) -> u64 {
    tokio::time::sleep(TWINS_SETTLED).await;
    let mut detected = world.tell_detected();
    if scenario.actors.iter().any(|actor| matches!(actor, Actor::Foreign { .. })) {
        let rng = StdRng::seed_from_u64(scenario.seed);
        let mut creator = Creator::new(world, rng, FOREIGN, scenario.resources());
        for resource in 0..scenario.resources() {
            creator.create_foreign(resource).await;
        }
        tokio::time::sleep(TWINS_SETTLED).await;
        detected = world.tell_detected();
    }
    signals(world, scenario).await;
    detected
}

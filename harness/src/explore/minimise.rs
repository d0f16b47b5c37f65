//! The smallest scenario that still fails.

use super::{
    run::run,
    scenario::{Arrival, Clocks, Fault, Network, Scenario, When},
};
use crate::{baselines::Protocol, trace::Mode};

/// Leaves out of `scenario` whatever is not needed for a violation of `oracle`, in `runs_max` runs at most; `ran` is told
/// of each.
pub fn minimise(
    scenario: &Scenario,
    protocol: Protocol,
    oracle: &str,
    runs_max: usize,
    mut ran: impl FnMut(&Scenario),
) -> Scenario {
    let mut smallest = scenario.clone();
    let mut runs = 0;
    let mut fails = |candidate: &Scenario| {
        runs += 1;
        let violations = run(candidate, protocol, Mode::Off).violations;
        let fails = violations.iter().any(|violation| violation.oracle == oracle);
        ran(candidate);
        (fails, runs >= runs_max)
    };
    loop {
        let mut changed = false;
        for candidate in candidates(&smallest) {
            let (fails, spent) = fails(&candidate);
            if fails {
                smallest = candidate;
                changed = true;
            }
            if spent {
                return smallest;
            }
            if fails {
                break;
            }
        }
        if !changed {
            return smallest;
        }
    }
}

/// Everything that is a little less than `scenario`, what saves most first.
fn candidates(scenario: &Scenario) -> Vec<Scenario> {
    let mut all = Vec::new();
    let mut push = |candidate: Scenario| {
        if candidate != *scenario {
            all.push(candidate);
        }
    };
    push(Scenario { faults: Vec::new(), ..scenario.clone() });
    push(Scenario { actors: Vec::new(), ..scenario.clone() });
    push(Scenario { adopted: Vec::new(), ..scenario.clone() });
    push(Scenario { lease_store: None, ..scenario.clone() });
    push(Scenario { network: calm(scenario.network), ..scenario.clone() });
    let half = scenario.signals.len() / 2;
    push(Scenario { signals: scenario.signals[..half].to_vec(), ..scenario.clone() });
    push(Scenario { signals: scenario.signals[half..].to_vec(), ..scenario.clone() });
    for index in (0..scenario.replicas.len()).filter(|_| scenario.replicas.len() > 1) {
        push(without_replica(scenario, index));
    }
    for index in 0..scenario.faults.len() {
        push(Scenario { faults: without(&scenario.faults, index), ..scenario.clone() });
    }
    for index in 0..scenario.actors.len() {
        push(Scenario { actors: without(&scenario.actors, index), ..scenario.clone() });
    }
    for index in 0..scenario.signals.len() {
        push(Scenario { signals: without(&scenario.signals, index), ..scenario.clone() });
    }
    for index in 0..scenario.adopted.len() {
        push(Scenario { adopted: without(&scenario.adopted, index), ..scenario.clone() });
    }
    for network in calmer(scenario.network) {
        push(Scenario { network, ..scenario.clone() });
    }
    push(Scenario { replicas: vec![Clocks::default(); scenario.replicas.len()], ..scenario.clone() });
    let once = |arrival: &Arrival| Arrival { retries: 0, ..*arrival };
    push(Scenario { signals: scenario.signals.iter().map(once).collect(), ..scenario.clone() });
    let single = |arrival: &Arrival| Arrival { resource: 0, ..*arrival };
    push(Scenario { signals: scenario.signals.iter().map(single).collect(), ..scenario.clone() });
    let last = scenario.signals.iter().map(|arrival| arrival.at_ms).max().unwrap_or(0);
    push(Scenario { heal_at_ms: scenario.heal_at_ms.min(last + 100), ..scenario.clone() });
    push(Scenario { heal_at_ms: scenario.heal_at_ms / 2, ..scenario.clone() });
    all
}

fn without<T: Clone>(all: &[T], index: usize) -> Vec<T> {
    all.iter().enumerate().filter(|(i, _)| *i != index).map(|(_, item)| item.clone()).collect()
}

/// Its signals go to the others; what happened to it does not happen.
fn without_replica(scenario: &Scenario, gone: usize) -> Scenario {
    let left = scenario.replicas.len() - 1;
    let moved = |index: usize| if index > gone { index - 1 } else { index };
    let signals = scenario.signals.iter();
    let signals = signals.map(|arrival| Arrival { replica: moved(arrival.replica) % left, ..*arrival }).collect();
    let fault = |fault: &Fault| {
        let when = match fault.when {
            When::Request(replica, _) if replica == gone => return None,
            When::Request(replica, number) => When::Request(moved(replica), number),
            at => at,
        };
        let mut what = fault.what;
        if let Some(replica) = what.replica_mut() {
            if *replica == gone {
                return None;
            }
            *replica = moved(*replica);
        }
        Some(Fault { when, what })
    };
    let faults = scenario.faults.iter().filter_map(fault).collect();
    Scenario { replicas: without(&scenario.replicas, gone), signals, faults, ..scenario.clone() }
}

/// Nothing but latency.
fn calm(network: Network) -> Network {
    let Network { latency_min_ms, latency_max_ms, .. } = network;
    Network { latency_min_ms, latency_max_ms, ..Network::default() }
}

/// With one kind of fault less.
fn calmer(network: Network) -> [Network; 12] {
    [
        Network { latency_step_ms: 0, ..network },
        Network { slow: 0, ..network },
        Network { slow_answer: 0, ..network },
        Network { lost: 0, ..network },
        Network { answer_lost: 0, ..network },
        Network { refused: 0, ..network },
        Network { timed_out: 0, ..network },
        Network { lagging: 0, ..network },
        Network { late_event: 0, ..network },
        Network { broken_watch: 0, ..network },
        Network { event_lag_ms: 0, ..network },
        Network { latency_max_ms: network.latency_min_ms, ..network },
    ]
}

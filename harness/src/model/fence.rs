//! The fence as what is searched.

use std::cell::RefCell;

use super::{
    agreement::disagreement,
    attempt::Courses,
    bounds::Bounds,
    canonical::{bits, canonical, unpack},
    outcome::Outcome,
    rules::Rules,
    search::{Model, Packed, search},
    state::{IN_FLIGHT_MAX, OBJECTS_MAX, REPLICAS_MAX, State},
    steps::{self, Step},
};

/// Visits every state within `bounds` that can be reached under `rules`, the nearest first, until two RemediationRequests
/// are active, all are visited, or there are more than [`Bounds::states_max`].
///
/// # Panics
/// If the bounds are wider than a packed state.
pub fn check(bounds: &Bounds, rules: &Rules) -> Outcome {
    search_in(bounds, rules, None)
}

/// As [`check`], and compares in each state what a replica does with what the gateway's own machine
/// ([`gateway::dedup::protocol::attempt`]) does there.
///
/// # Panics
/// As [`check`].
pub fn check_with_the_machine(bounds: &Bounds, rules: &Rules) -> Outcome {
    search_in(bounds, rules, Some(RefCell::default()))
}

fn search_in(bounds: &Bounds, rules: &Rules, machine: Option<RefCell<Courses>>) -> Outcome {
    let Bounds { replicas, creations, in_flight, deletions, .. } = *bounds;
    assert!(usize::from(replicas) <= REPLICAS_MAX, "at most {REPLICAS_MAX} replicas");
    assert!(usize::from(creations) <= OBJECTS_MAX, "at most {OBJECTS_MAX} creations");
    assert!(usize::from(in_flight) <= IN_FLIGHT_MAX, "at most {IN_FLIGHT_MAX} in flight");
    assert!(deletions < 8 && bits(bounds) <= Packed::BITS, "a state of {} bits does not fit", bits(bounds));
    search(Fence { bounds: *bounds, rules: *rules, machine }, bounds.states_max)
}

struct Fence {
    bounds: Bounds,
    rules: Rules,
    /// The gateway's own, to be compared in each state.
    machine: Option<RefCell<Courses>>,
}

impl Model for Fence {
    type State = State;
    type Step = Step;

    fn start(&mut self) -> State {
        State::start(self.bounds.replicas)
    }

    fn each(&mut self, state: State, found: &mut Vec<(Step, State)>) {
        steps::each(&state, &self.bounds, self.rules, &mut |step, next| found.push((step, next)));
    }

    fn kind(step: &Step) -> &'static str {
        step.kind
    }

    fn pack(&mut self, state: State) -> Packed {
        canonical(state, &self.bounds, self.rules)
    }

    fn unpack(&self, packed: Packed) -> State {
        unpack(packed, &self.bounds)
    }

    fn violation(&self, state: State) -> Option<String> {
        let twins = (state.active() > 1).then(|| "TWINS".to_owned());
        twins.or_else(|| disagreement(&state, &self.bounds, self.rules, &mut self.machine.as_ref()?.borrow_mut()))
    }
}

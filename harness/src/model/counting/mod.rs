//! An explicit-state model of counting, of the gateway's own machine: it steps
//! [`gateway::dedup::protocol::count::Count`], so that the two cannot drift apart.
//!
//! Boots count batches on the counter of one RemediationRequest that ends at any moment. [`check`] visits every state that
//! can be reached within [`Bounds`] under [`Rules`], breadth first, and looks for a wrong count. In every state
//! *acknowledged ≤ base + folded + registers + elsewhere ≤ attempted*, and what arrived after the RemediationRequest had
//! ended is not acknowledged as counted on it. Each [`Rule`] can be switched off, to see what it is there for; the switch is
//! in the model, around the machine.
//!
//! | module | what it does |
//! |---|---|
//! | `state` | what the API server, the writers and the network remember; what must not be |
//! | `machine` | the gateway's machine, and what it is told |
//! | `steps`, `others` | everything that can happen next, one request's effect or answer at a time: to batches, and beside them |
//! | `bounds` | how far a search goes, and what can be switched off |
//!
//! # What is in it
//!
//! - A write creates the counter or patches a register, with its test. It takes effect or not, is answered or not, or
//!   nobody waits for it any more and it takes effect later, or never. A write whose answer is lost is one that takes effect
//!   right after its sender gave up.
//! - Reads of the counter and of the RemediationRequest are served at any moment, or not; the look that goes with a write
//!   before or after it.
//! - A batch has any size, and ends late at any moment. What goes elsewhere is counted there at once.
//! - What is known of a register between batches is remembered or forgotten, and then guessed as the gateway does.
//! - A fold, a projection: one step reads, another writes or is lost. A fold tests every value. *D* is the time after which
//!   no request is alive, so "unchanged for *D*" is "nothing of that writer waits or is under way, when it is read".
//! - Somebody deletes the counter. What its status did not say is lost, and the sum may be lower by exactly that. A projection
//!   that is then under way does not take effect. That nobody does so while signals are being counted is an assumption,
//!   [`Rule::DeletionWaits`].
//! - The RemediationRequest is deleted, and its counter collected: nobody can read what was counted on it, so it may be
//!   anything from then on, as long as what was acknowledged was counted.
//!
//! # What it abstracts away
//!
//! - Time does not pass but for a batch that is late. Pauses are the delay of the next request.
//! - Signals that arrive and wait: they are attempted when their batch begins, which is the latest moment and so the
//!   strictest. One that is not acknowledged and sent again is another signal.
//! - The machine is shown its own register alone. All that it does with the others is to hand them on.
//! - Sequence numbers are used without gaps. Which writer is which makes no difference.
//! - The collector's last projection and its removal of a counter that has ended: [`Rule::DeletionWaits`] allows more.
//!
//! Safety only: it does not show that a signal is ever acknowledged.
//!
//! # Why our own search
//!
//! stateright 0.31 was tried on this model, as an adapter of 45 lines around `steps` (our search has 220, and serves both
//! models). Both visit the same states and find nothing. On two cores, both optimised, one thread each (a second one gained
//! stateright nothing on a busy machine):
//!
//! | bounds | states | ours | stateright |
//! |---|---|---|---|
//! | 2 writers × 2 signals × 3 writes × 2 in flight | 3,370,299 | 26 s, 104 MB | 56 s, 877 MB |
//! | 1 × 3 × 6 × 3 | 1,115,619 | 10 s, 641 MB | 8 s, 372 MB |
//!
//! Ours is kept. It compares states, where stateright takes two with the same 64-bit hash for one; a state is 16 bytes, because
//! its parts are kept once, which pays with more than one writer; it counts each kind of step, so that a test can say that
//! none is never taken; and it needs no further crates (stateright brings a web server and second versions of hashbrown and
//! rand, which `deny.toml` refuses). What stateright has beyond that is an explorer that shows the states in a browser; a trace
//! in words has been enough here. It also has liveness properties, which this model has no use for.

mod bounds;
mod machine;
mod others;
mod state;
mod steps;

use std::sync::Arc;

pub use self::bounds::{Bounds, Rule, Rules};
use self::{
    machine::Fixtures,
    state::{Object, Shared, World, Writer},
    steps::Step,
};
use super::{
    numbered::Numbered,
    outcome::Outcome,
    search::{Model, Packed, search},
};

const WRITERS_MAX: usize = 3;
const NUMBER: u32 = u32::BITS;
/// In place of a writer that there is not.
const NOBODY: u32 = u32::MAX;

/// Visits every state within `bounds` that can be reached under `rules`, the nearest first, until a count is wrong, all are
/// visited, or there are more than [`Bounds::states_max`].
///
/// # Panics
/// If there are more writers than a packed state has room for.
pub fn check(bounds: &Bounds, rules: &Rules) -> Outcome {
    assert!(usize::from(bounds.writers) <= WRITERS_MAX, "at most {WRITERS_MAX} writers");
    search(Counting::new(*bounds, *rules), bounds.states_max)
}

/// Counting as what is searched. A state is the numbers of its parts, each of which is kept once.
struct Counting {
    bounds: Bounds,
    rules: Rules,
    fixtures: Fixtures,
    shared: Numbered<Shared>,
    writers: Numbered<Arc<Writer>>,
    worlds: Vec<(Step, World)>,
}

/// The numbers of the parts of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parts {
    shared: u32,
    writers: [u32; WRITERS_MAX],
}

impl Counting {
    fn new(bounds: Bounds, rules: Rules) -> Self {
        let status_max = bounds.before() + u64::from(bounds.writers * bounds.signals);
        Self {
            bounds,
            rules,
            fixtures: Fixtures::new(status_max),
            shared: Numbered::new(),
            writers: Numbered::new(),
            worlds: Vec::new(),
        }
    }

    fn world(&self, parts: Parts) -> World {
        let writers = parts.writers.iter().filter(|number| **number != NOBODY);
        World {
            shared: *self.shared.get(parts.shared),
            writers: writers.map(|number| Arc::clone(self.writers.get(*number))).collect(),
        }
    }

    /// The numbers of the parts of `world`, of which those of `before` may be the same.
    fn parts(&mut self, world: World, before: Option<(Parts, &World)>) -> Parts {
        let mut parts = Parts { shared: self.shared.insert(world.shared).0, writers: [NOBODY; WRITERS_MAX] };
        for (index, writer) in world.writers.into_iter().enumerate() {
            let unchanged = before.filter(|(_, before)| Arc::ptr_eq(&before.writers[index], &writer));
            parts.writers[index] = match unchanged {
                Some((parts, _)) => parts.writers[index],
                None => self.writers.insert(writer).0,
            };
        }
        parts
    }
}

impl Model for Counting {
    type State = Parts;
    type Step = Step;

    fn start(&mut self) -> Parts {
        let Bounds { writers, signals, folds, projections, deletions, .. } = self.bounds;
        let shared = Shared {
            object: Object::Counts,
            status: self.bounds.before(),
            counter: None,
            folding: None,
            projecting: None,
            acknowledged: 0,
            misplaced: false,
            elsewhere: 0,
            lost: 0,
            collected: None,
            folds_left: folds,
            projections_left: projections,
            deletions_left: deletions,
        };
        let writers = (0..writers).map(|_| Arc::new(Writer::new(signals))).collect();
        self.parts(World { shared, writers }, None)
    }

    fn each(&mut self, state: Parts, found: &mut Vec<(Step, Parts)>) {
        let world = self.world(state);
        let mut worlds = std::mem::take(&mut self.worlds);
        steps::each(&world, &self.bounds, self.rules, &self.fixtures, &mut worlds);
        for (step, next) in worlds.drain(..) {
            found.push((step, self.parts(next, Some((state, &world)))));
        }
        self.worlds = worlds;
    }

    fn kind(step: &Step) -> &'static str {
        step.kind
    }

    /// It does not matter which writer is which.
    fn pack(&mut self, state: Parts) -> Packed {
        let Parts { shared, mut writers } = state;
        writers.sort_unstable();
        writers.iter().fold(shared.into(), |packed, writer| packed << NUMBER | Packed::from(*writer))
    }

    fn unpack(&self, packed: Packed) -> Parts {
        let number = |place: u32| u32::try_from(packed >> (place * NUMBER) & Packed::from(u32::MAX)).unwrap_or(NOBODY);
        Parts { shared: number(3), writers: [number(2), number(1), number(0)] }
    }

    fn violation(&self, state: Parts) -> Option<String> {
        self.world(state).violation(&self.bounds)
    }

    fn bytes(&self) -> u64 {
        let writers = u64::from(self.writers.len()) * size_of::<Writer>() as u64;
        self.shared.bytes() + self.writers.bytes() + writers
    }
}

//! Everything that can happen next: one request's effect, one answer, one failure at a time.

use std::{fmt, sync::Arc};

use gateway::{
    dedup::protocol::{
        Answer,
        count::{Count, Effect, Event, Outcome, Own, Write},
    },
    kubernetes::Error,
    remediation::{Counter, Record},
};

use super::{
    bounds::{Bounds, Rule, Rules},
    machine::{Fixtures, advance, silence},
    state::{Batch, Kept, Look, Object, Shared, Waits, World, Writer},
};

/// What happened, for people.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// One of few, to count by.
    pub(super) kind: &'static str,
    /// What follows from it for the machine, if it does.
    then: &'static str,
    writer: Option<usize>,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, then, writer } = self;
        if let Some(writer) = writer {
            write!(f, "writer {}: ", writer + 1)?;
        }
        f.write_str(kind)?;
        if then.is_empty() { Ok(()) } else { write!(f, "; it {then}") }
    }
}

/// Adds each step that is possible in `world` and what comes of it to `found`.
pub(super) fn each(world: &World, bounds: &Bounds, rules: Rules, fixtures: &Fixtures, found: &mut Vec<(Step, World)>) {
    let mut steps = Steps { world, bounds, rules, fixtures, found };
    for (index, writer) in world.writers.iter().enumerate() {
        match &writer.batch {
            None => steps.begin(index, writer),
            Some(batch) => steps.serve(index, batch),
        }
        steps.straggle(index, writer);
    }
    steps.live();
    steps.fold();
    steps.project();
}

/// A machine after a step, and what it counts.
struct Counting {
    machine: Count,
    size: u8,
    in_time: bool,
}

/// Finds what can happen in `world`.
pub(super) struct Steps<'a> {
    pub(super) world: &'a World,
    pub(super) bounds: &'a Bounds,
    pub(super) rules: Rules,
    fixtures: &'a Fixtures,
    found: &'a mut Vec<(Step, World)>,
}

impl Steps<'_> {
    pub(super) fn emit(&mut self, kind: &'static str, writer: Option<usize>, world: World) {
        self.found.push((Step { kind, then: "", writer }, world));
    }

    /// Signals arrive, and are counted together. What is remembered of the register may have been forgotten; then it is
    /// guessed, as `dedup::registers` does, on the RemediationRequest as it is or as it was first seen.
    fn begin(&mut self, index: usize, writer: &Writer) {
        let Shared { status, object, .. } = self.world.shared;
        let in_time = object == Object::Counts;
        let guess = |status| if status == 1 { Own::NoCounter } else { Own::Known(None) };
        let mut known = vec![guess(status), guess(self.bounds.before())];
        known.extend(writer.remembered.filter(|own| *own != known[0]));
        known.dedup();
        for size in 1..=writer.left {
            for &own in &known {
                let first = if self.rules.has(Rule::Sequence) { u64::from(writer.writes) + 1 } else { 1 };
                let (machine, effect) = self.fixtures.begin(own, size, first);
                let mut next = self.world.clone();
                Arc::make_mut(&mut next.writers[index]).left -= size;
                self.go_on("signals arrive", index, next, Counting { machine, size, in_time }, effect);
            }
        }
    }

    /// What becomes of the request that the machine waits for.
    fn serve(&mut self, index: usize, batch: &Batch) {
        let world = self.world;
        match &batch.waits {
            Waits::Counter => {
                let event = Event::Counter(Ok(self.counter(world, index)));
                self.tell("the counter is read", index, world, batch, &event);
                self.tell("no answer to the read of the counter", index, world, batch, &Event::Counter(Err(silence())));
            }
            Waits::Object => {
                let event = Event::Object(Ok(self.object()));
                self.tell("the RemediationRequest is read", index, world, batch, &event);
                let event = Event::Object(Err(silence()));
                self.tell("no answer to the read of the RemediationRequest", index, world, batch, &event);
            }
            Waits::Write { write, look } => self.serve_write(index, batch, write, look),
            Waits::Look { answer } => {
                let event = Event::Written { counter: answer.clone(), object: Some(Ok(self.object())) };
                self.tell("the look is served", index, world, batch, &event);
            }
        }
    }

    fn serve_write(&mut self, index: usize, batch: &Batch, write: &Write, look: &Look) {
        let mut next = self.world.clone();
        let answer = self.apply(&mut next, index, write);
        let kind = if answer.is_ok() { "the write takes effect" } else { "the write is answered: nothing done" };
        self.written(kind, index, &next, batch, answer, look);

        let mut next = self.world.clone();
        let writer = Arc::make_mut(&mut next.writers[index]);
        writer.stragglers.push(write.clone());
        writer.stragglers.sort_unstable_by_key(|write| (write.new, write.old, write.create));
        self.written("no answer to the write", index, &next, batch, Err(silence()), look);

        if self.bounds.refusals {
            let conflict = Err(Error::Conflict(String::new()));
            self.written("the API gives up the write", index, self.world, batch, conflict, look);
            let forbidden = Err(Error::Forbidden(String::new()));
            self.written("the API refuses the write", index, self.world, batch, forbidden, look);
        }
        if *look == Look::UnderWay {
            let look = Look::Served(self.object());
            let waits = Waits::Write { write: write.clone(), look };
            self.wait("the look is served first", index, self.world.clone(), Batch { waits, ..batch.clone() });
        }
    }

    /// The write is answered: the machine is told once the look is, too. A look that will not be answered might as well
    /// have failed already.
    fn written(
        &mut self,
        kind: &'static str,
        index: usize,
        world: &World,
        batch: &Batch,
        answer: Answer<Counter>,
        look: &Look,
    ) {
        let object = match look {
            Look::None => None,
            Look::Served(object) => Some(Ok(object.clone())),
            Look::UnderWay => {
                let waits = Waits::Look { answer: answer.clone() };
                self.wait(kind, index, world.clone(), Batch { waits, ..batch.clone() });
                Some(Err(silence()))
            }
        };
        self.tell(kind, index, world, batch, &Event::Written { counter: answer, object });
    }

    /// The machine of `batch` is told of `event`, in time or late.
    fn tell(&mut self, kind: &'static str, index: usize, world: &World, batch: &Batch, event: &Event) {
        for late in [false, true] {
            let (machine, effect) = advance(&batch.machine, event.clone(), late);
            let &Batch { size, in_time, .. } = batch;
            self.go_on(kind, index, world.clone(), Counting { machine, size, in_time }, effect);
        }
    }

    /// The machine wants `effect`.
    fn go_on(&mut self, kind: &'static str, index: usize, mut world: World, counting: Counting, effect: Effect) {
        let (waits, then) = match effect {
            Effect::ReadCounter => (Waits::Counter, "reads the counter"),
            Effect::ReadObject => (Waits::Object, "reads the RemediationRequest"),
            Effect::Write { write, look } => match self.skipped(&write) {
                Some(then) => {
                    self.settle(
                        &mut world,
                        index,
                        &counting,
                        &Outcome::TargetClosed { newest: None, taken_back: true },
                    );
                    return self.found.push((Step { kind, then, writer: Some(index) }, world));
                }
                None => {
                    Arc::make_mut(&mut world.writers[index]).writes += 1;
                    let then = if write.create.is_some() { "creates the counter" } else { "writes its register" };
                    let look = if look { Look::UnderWay } else { Look::None };
                    (Waits::Write { write, look }, then)
                }
            },
            Effect::Sleep(_) => return,
            Effect::Done(outcome) => {
                let then = self.settle(&mut world, index, &counting, &outcome);
                return self.found.push((Step { kind, then, writer: Some(index) }, world));
            }
        };
        let Counting { machine, size, in_time } = counting;
        Arc::make_mut(&mut world.writers[index]).batch = Some(Batch { machine, size, in_time, waits });
        let in_flight: usize = world.writers.iter().map(|writer| writer.in_flight()).sum();
        // Where there is no room, this happens later, or never.
        if world.writers[index].writes <= self.bounds.writes && in_flight <= usize::from(self.bounds.in_flight) {
            self.found.push((Step { kind, then, writer: Some(index) }, world));
        }
    }

    /// What is done in place of a write against whose purpose the rules are.
    fn skipped(&self, write: &Write) -> Option<&'static str> {
        let before = write.old.map_or(0, |old| old.count);
        if write.new.count < before && !self.rules.has(Rule::TakeBack) {
            return Some("goes elsewhere without taking back");
        }
        (write.new.count == before && !self.rules.has(Rule::Fence)).then_some("goes elsewhere without a fence")
    }

    /// The batch is over.
    fn settle(&self, world: &mut World, index: usize, counting: &Counting, outcome: &Outcome) -> &'static str {
        let &Counting { ref machine, size, in_time } = counting;
        let writer = Arc::make_mut(&mut world.writers[index]);
        writer.batch = None;
        writer.remembered = Some(machine.own());
        match outcome {
            Outcome::Counted { .. } => {
                world.shared.acknowledged += u64::from(size);
                world.shared.misplaced |= !in_time;
                "acknowledges"
            }
            Outcome::TargetClosed { .. } => {
                world.shared.elsewhere += u64::from(size);
                "goes elsewhere"
            }
            Outcome::Late => "is late",
            Outcome::Refused(_) => "is refused",
            Outcome::Indeterminate(_) => "cannot tell",
        }
    }

    fn wait(&mut self, kind: &'static str, index: usize, mut world: World, batch: Batch) {
        Arc::make_mut(&mut world.writers[index]).batch = Some(batch);
        self.emit(kind, Some(index), world);
    }

    fn object(&self) -> Option<Arc<Record>> {
        let mut shared = self.world.shared;
        if !self.rules.has(Rule::Look) {
            shared.object = Object::Counts;
        }
        self.fixtures.object(&shared)
    }

    fn counter(&self, world: &World, index: usize) -> Option<Counter> {
        world.shared.counter?;
        Some(self.fixtures.counter(world.writers[index].register))
    }

    /// Carries out `write` as the API server does.
    fn apply(&self, world: &mut World, index: usize, write: &Write) -> Answer<Counter> {
        let nothing = String::new;
        match (write.create, world.shared.counter) {
            (Some(_), Some(_)) => return Err(Error::AlreadyExists(nothing())),
            (None, None) => return Err(Error::NotFound(nothing())),
            (Some(base), None) => world.shared.counter = Some(Kept { base, folded: None }),
            (None, Some(_)) if world.writers[index].register == write.old || !self.rules.has(Rule::Test) => {}
            (None, Some(_)) => return Err(Error::Invalid(nothing())),
        }
        Arc::make_mut(&mut world.writers[index]).register = Some(write.new);
        Ok(self.fixtures.counter(Some(write.new)))
    }

    /// A write that nobody waits for takes effect, or never will.
    fn straggle(&mut self, index: usize, writer: &Writer) {
        for (place, write) in writer.stragglers.iter().enumerate() {
            let mut lost = self.world.clone();
            Arc::make_mut(&mut lost.writers[index]).stragglers.remove(place);
            let mut next = lost.clone();
            self.emit("a straggler is lost", Some(index), lost);
            if self.apply(&mut next, index, write).is_ok() {
                self.emit("a straggler takes effect", Some(index), next);
            }
        }
    }
}

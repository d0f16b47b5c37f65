//! What the machine that counts makes of answers that no API server gives by itself, but an admission webhook may.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rstest::rstest;

use super::{EPOCH, active, context, terminal, version};
use crate::{
    config::Config,
    dedup::protocol::{
        Now,
        count::{Batch, Cause, Count, Effect, Event, Outcome, Own, Write},
    },
    kubernetes::Error,
    remediation::{BootId, Counter, Record, Register},
};

fn boot() -> BootId {
    BootId::new(1)
}

fn now() -> Now {
    Now::of(&context())
}

/// Two signals on an active RemediationRequest, of whose counter `own` is known.
fn batch(own: Own) -> Count {
    let batch =
        Batch { size: 2, newest: EPOCH, deadline: now().monotonic + Duration::from_secs(60), first_sequence: 5 };
    Count::new(Arc::new(active("a")), boot(), own, batch, Config::default().processing.retry)
}

/// [`batch`], and the first write of it.
fn begun() -> (Count, Write) {
    let mut machine = batch(Own::Known(None));
    let write = write(machine.step(Event::Begin, now()));
    (machine, write)
}

#[track_caller]
fn write(effect: Effect) -> Write {
    let Effect::Write { write, .. } = effect else { panic!("{effect:?}") };
    write
}

/// The answer to a write: a counter with `register`, while the RemediationRequest is `found`.
fn written(register: Option<Register>, found: Record) -> Event {
    let registers = register.into_iter().map(|register| (boot(), register)).collect::<BTreeMap<_, _>>();
    let counter = Counter { version: version(3), uid: "c".to_owned(), base: 1, folded: None, registers };
    Event::Written { counter: Ok(counter), object: Some(Ok(Some(Arc::new(found)))) }
}

fn ended() -> Record {
    Record { version: version(12), ..terminal("a") }
}

fn others(register: Register) -> [Option<Register>; 3] {
    let Register { count, sequence, .. } = register;
    let (more, later) = (Register { count: count + 1, ..register }, Register { sequence: sequence + 1, ..register });
    [None, Some(more), Some(later)]
}

const TAMPERED: Effect = Effect::Done(Outcome::Indeterminate(Cause::Tampered));

#[tokio::test(start_paused = true)]
async fn a_register_that_was_written_as_it_was_sent_is_counted_or_taken_back() {
    let (mut machine, write) = begun();
    assert_eq!((write.create, write.old, write.new.count, write.new.sequence), (None, None, 2, 5));
    let effect = machine.step(written(Some(write.new), active("a")), now());
    assert!(matches!(effect, Effect::Done(Outcome::Counted { .. })), "{effect:?}");
    let (mut machine, write) = begun();
    let back = self::write(machine.step(written(Some(write.new), ended()), now()));
    assert_eq!((back.old, back.new.count, back.new.sequence), (Some(write.new), 0, 6));
    let effect = machine.step(written(Some(back.new), ended()), now());
    assert!(matches!(effect, Effect::Done(Outcome::TargetClosed { taken_back: true, .. })), "{effect:?}");
}

#[tokio::test(start_paused = true)]
async fn of_a_register_that_somebody_changed_on_its_way_nothing_is_certain() {
    for other in others(begun().1.new) {
        let (mut machine, _) = begun();
        assert_eq!(machine.step(written(other, active("a")), now()), TAMPERED, "{other:?}");
        let (mut machine, write) = begun();
        let back = self::write(machine.step(written(Some(write.new), ended()), now()));
        for other in others(back.new) {
            let (mut machine, write) = begun();
            machine.step(written(Some(write.new), ended()), now());
            assert_eq!(machine.step(written(other, ended()), now()), TAMPERED, "{other:?} in place of {:?}", back.new);
        }
    }
}

fn unanswered() -> Error {
    Error::Unexpected("reset".to_owned())
}

/// The first write of a batch, on a counter or to create one, is not answered, and then there is no counter.
fn missing_in_doubt(own: Own) -> Count {
    let mut machine = batch(own);
    machine.step(Event::Begin, now());
    if own == Own::NoCounter {
        write(machine.step(Event::Object(Ok(Some(Arc::new(active("a"))))), now()));
    }
    let object = Some(Ok(Some(Arc::new(active("a")))));
    let effect = machine.step(Event::Written { counter: Err(unanswered()), object }, now());
    assert!(matches!(effect, Effect::Sleep(_)), "{effect:?}");
    assert_eq!(machine.step(Event::Slept, now()), Effect::ReadCounter);
    assert_eq!(machine.step(Event::Counter(Ok(None)), now()), Effect::ReadObject, "it may have gone with the object");
    machine
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn what_was_written_into_a_counter_that_has_gone_with_its_object_is_counted_nowhere_else(
    #[values(Own::NoCounter, Own::Known(None))] own: Own,
) {
    let mut machine = missing_in_doubt(own);
    assert_eq!(machine.step(Event::Object(Ok(None)), now()), TAMPERED);
    let mut machine = missing_in_doubt(own);
    let again = write(machine.step(Event::Object(Ok(Some(Arc::new(active("a"))))), now()));
    assert_eq!((again.create, again.new.count), (Some(1), 2), "the object is there: nothing had an effect");
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn what_is_not_found_three_times_is_refused(#[values(Own::NoCounter, Own::Known(None))] own: Own) {
    let mut machine = batch(own);
    let mut effect = machine.step(Event::Begin, now());
    let mut writes = 0;
    for _ in 0..12 {
        let object = || Some(Arc::new(active("a")));
        effect = match effect {
            Effect::ReadObject => machine.step(Event::Object(Ok(object())), now()),
            Effect::Write { look, .. } => {
                writes += 1;
                let counter = Err(Error::NotFound("no".to_owned()));
                machine.step(Event::Written { counter, object: look.then(|| Ok(object())) }, now())
            }
            done => {
                assert!(matches!(done, Effect::Done(Outcome::Refused(Error::NotFound(_)))), "{done:?}");
                return assert_eq!(writes, 3);
            }
        };
    }
    panic!("{writes} writes: {effect:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_back_in_doubt_is_not_added_to_an_object_that_counts_again() {
    let found = |record: Record| Event::Object(Ok(Some(Arc::new(record))));
    let lost = |object| Event::Written { counter: Err(unanswered()), object };
    let mut machine = batch(Own::NoCounter);
    machine.step(Event::Begin, now());
    let added = write(machine.step(found(active("a")), now()));
    let mut last = machine.step(lost(None), now());
    let mut writes = vec![added.new.count];
    for record in [ended(), active("a"), active("a")] {
        assert!(matches!(last, Effect::Sleep(_)), "{last:?}");
        assert_eq!(machine.step(Event::Slept, now()), Effect::ReadCounter);
        assert_eq!(machine.step(Event::Counter(Ok(None)), now()), Effect::ReadObject);
        let record = Record { version: version(12), ..record };
        writes.push(write(machine.step(found(record), now())).new.count);
        last = machine.step(lost(None), now());
    }
    assert_eq!(writes, [2, 0, 0, 0], "a later write of the batch would look like one that took it back");
}

#[tokio::test(start_paused = true)]
async fn what_a_counter_begins_with_is_read_after_it_was_found_that_there_is_none() {
    let (mut machine, first) = begun();
    assert_eq!(first.create, None);
    let object = Some(Ok(Some(Arc::new(active("a")))));
    let missing = Event::Written { counter: Err(Error::NotFound("none".to_owned())), object };
    assert_eq!(machine.step(missing, now()), Effect::ReadObject);
    let found = Event::Object(Ok(Some(Arc::new(active("a")))));
    assert_eq!(write(machine.step(found, now())).create, Some(1));
}

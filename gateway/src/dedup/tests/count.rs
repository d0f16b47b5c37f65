//! What the machine that counts makes of answers that no API server gives by itself, but an admission webhook may.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{EPOCH, active, context, terminal, version};
use crate::{
    config::Config,
    dedup::protocol::{
        Now,
        count::{Batch, Cause, Count, Effect, Event, Outcome, Own, Write},
    },
    remediation::{BootId, Counter, Record, Register},
};

fn boot() -> BootId {
    BootId::new(1)
}

fn now() -> Now {
    Now::of(&context())
}

/// Two signals on an active RemediationRequest, and the first write of them.
fn begun() -> (Count, Write) {
    let batch =
        Batch { size: 2, newest: EPOCH, deadline: now().monotonic + Duration::from_secs(60), first_sequence: 5 };
    let retry = Config::default().processing.retry;
    let mut machine = Count::new(Arc::new(active("a")), boot(), Own::Known(None), batch, retry);
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

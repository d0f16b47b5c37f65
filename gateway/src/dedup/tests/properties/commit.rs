//! Batches of several writers on one object, against a store whose answers get lost.

use std::{collections::BTreeMap, sync::Arc};

use proptest::{collection::vec, prelude::*, sample::Index, test_runner::TestCaseError};

use super::any::{NOW, cases};
use crate::{
    dedup::{
        commit::{Action, Commit, Count, Observation},
        tests::{active, version},
    },
    remediation::{Counted, Phase, Record},
};

const WRITERS: [&str; 3] = ["pod-1/boot", "pod-2/boot", "pod-2/reboot"];

/// What happens next. Writers are numbered; an index picks one of what there is.
#[derive(Clone, Debug)]
enum Event {
    /// The writer's next action is carried out and answered.
    Act(usize),
    /// Its patch takes effect, and the answer is lost.
    AnswerLost(usize),
    /// Its patch is lost, and so is the answer.
    RequestLost(usize),
    /// Its patch is answered as if lost, and is still on its way.
    Delayed(usize),
    /// Its patch is refused before it takes effect: 429; after the pause it looks at a view that may lag.
    Throttled(usize, Index),
    /// It reads the object from a view that may lag.
    Viewed(usize, Index),
    /// A patch that was delayed arrives.
    Arrives(Index),
    /// Another controller writes something else.
    Touched,
    Completed,
    Deleted,
    /// Another object gets the name.
    Recreated,
}

fn event() -> impl Strategy<Value = Event> {
    let writer = || 0..WRITERS.len();
    prop_oneof![
        12 => writer().prop_map(Event::Act),
        3 => writer().prop_map(Event::AnswerLost),
        2 => writer().prop_map(Event::RequestLost),
        4 => writer().prop_map(Event::Delayed),
        1 => (writer(), any::<Index>()).prop_map(|(writer, place)| Event::Throttled(writer, place)),
        4 => (writer(), any::<Index>()).prop_map(|(writer, place)| Event::Viewed(writer, place)),
        4 => any::<Index>().prop_map(Event::Arrives),
        2 => Just(Event::Touched),
        1 => prop_oneof![4 => Just(Event::Completed), 2 => Just(Event::Deleted), 1 => Just(Event::Recreated)],
    ]
}

/// Writer and sequence.
type Batch = (usize, i64);

struct Store {
    /// Every version of the object, oldest first.
    history: Vec<Arc<Record>>,
    deleted: bool,
    recreated: bool,
    on_their_way: Vec<(Batch, Count)>,
    /// How often each batch took effect.
    effects: BTreeMap<Batch, usize>,
    counted: i32,
}

impl Store {
    fn new() -> Self {
        Self {
            history: vec![Arc::new(active("a"))],
            deleted: false,
            recreated: false,
            on_their_way: Vec::new(),
            effects: BTreeMap::new(),
            counted: 1,
        }
    }

    fn newest(&self) -> &Arc<Record> {
        self.history.last().unwrap()
    }

    fn write(&mut self, change: impl FnOnce(&mut Record)) {
        if self.deleted {
            return;
        }
        let mut record = Record::clone(self.newest());
        change(&mut record);
        record.version = version(10 + self.history.len() as u64);
        self.history.push(Arc::new(record));
    }

    /// A GET, or a PATCH's look at what it is about.
    fn object(&self) -> Option<Arc<Record>> {
        match (self.deleted, self.recreated) {
            (false, _) => Some(Arc::clone(self.newest())),
            (true, false) => None,
            (true, true) => Some(Arc::new(Record { version: version(1000), ..active("another") })),
        }
    }

    fn ask_for_turn(&mut self, writer: usize) {
        self.write(|record| {
            if let Some(counted) = &mut record.counted {
                counted.turn = Some(WRITERS[writer].to_owned());
            }
        });
    }

    fn patch(&mut self, batch: Batch, size: i32, count: &Count) -> Observation {
        match self.object() {
            None => Observation::NotFound,
            Some(object) if object.version != count.version => Observation::Conflict,
            Some(_) => {
                self.write(|record| record.counted = Some(counted(count)));
                *self.effects.entry(batch).or_default() += 1;
                self.counted += size;
                Observation::Patched(Arc::clone(self.newest()))
            }
        }
    }
}

fn counted(count: &Count) -> Counted {
    Counted {
        occurrences: count.occurrences,
        first_seen: Some(count.first_seen),
        last_seen: Some(count.last_seen),
        writers: count.writers.iter().map(|writer| (writer.name.clone(), writer.sequence)).collect(),
        turn: None,
    }
}

/// One batch after another.
struct Writer {
    number: usize,
    sequence: i64,
    size: i32,
    commit: Commit,
    action: Action,
    /// The patch of each version that it was computed from.
    sent: BTreeMap<String, Count>,
}

impl Writer {
    fn new(number: usize, sequence: i64, store: &Store, target: Index) -> Self {
        // What a writer knows may be old.
        let target = Arc::clone(&store.history[target.index(store.history.len())]);
        let size = i32::try_from(number).unwrap() + 1;
        let mut commit = Commit::new(target, WRITERS[number], sequence, size, NOW);
        let action = commit.step(Observation::Begin, NOW);
        Self { number, sequence, size, commit, action, sent: BTreeMap::new() }
    }

    fn batch(&self) -> Batch {
        (self.number, self.sequence)
    }

    fn happens(&mut self, event: &Event, store: &mut Store) -> Result<(), TestCaseError> {
        let batch = self.batch();
        let observation = match (&self.action, event) {
            (Action::Patch(count), event) => {
                let frozen = self.sent.entry(count.version.to_string()).or_insert_with(|| count.clone());
                prop_assert_eq!(&*frozen, count, "a batch is frozen");
                match event {
                    Event::AnswerLost(_) => {
                        store.patch(batch, self.size, count);
                        Observation::Ambiguous
                    }
                    Event::RequestLost(_) => Observation::Ambiguous,
                    Event::Delayed(_) => {
                        store.on_their_way.push((batch, count.clone()));
                        Observation::Ambiguous
                    }
                    Event::Throttled(_, place) => Observation::BackedOff(Some(Arc::clone(place.get(&store.history)))),
                    _ => store.patch(batch, self.size, count),
                }
            }
            (Action::Refresh { name, uid, than }, event) => {
                prop_assert_eq!((name.as_str(), uid.as_str()), ("rr-a", "a"));
                let newer: Vec<_> = store.history.iter().filter(|record| record.version > *than).cloned().collect();
                match event {
                    Event::Viewed(_, place) if !newer.is_empty() => {
                        Observation::Got(Some(Arc::clone(place.get(&newer))))
                    }
                    _ => Observation::Got(store.object()),
                }
            }
            (Action::Obituary { uid }, event) => {
                prop_assert_eq!(uid, "a");
                let learned = !matches!(event, Event::RequestLost(_));
                Observation::Remembered(learned.then(|| Arc::clone(store.newest())))
            }
            (Action::AskForTurn { .. }, Event::Viewed(_, place)) => {
                Observation::BackedOff(Some(Arc::clone(place.get(&store.history))))
            }
            (Action::AskForTurn { .. }, Event::RequestLost(_)) => Observation::BackedOff(None),
            (Action::AskForTurn { name }, event) => {
                prop_assert_eq!(name.as_str(), "rr-a");
                store.ask_for_turn(self.number);
                match event {
                    Event::AnswerLost(_) => Observation::BackedOff(None),
                    _ => Observation::Got(store.object()),
                }
            }
            (Action::GiveWay { uid, than }, event) => {
                prop_assert_eq!(uid.as_str(), "a");
                let newer: Vec<_> = store.history.iter().filter(|record| record.version > *than).cloned().collect();
                match event {
                    Event::Viewed(_, place) if !newer.is_empty() => {
                        Observation::GaveWay(Some(Arc::clone(place.get(&newer))))
                    }
                    _ => Observation::GaveWay(None),
                }
            }
            (_, _) => return Ok(()),
        };
        self.action = self.commit.step(observation, NOW);
        self.check(store)
    }

    /// Whether the batch is over, which must be as the store says.
    fn check(&self, store: &Store) -> Result<(), TestCaseError> {
        let effects = store.effects.get(&self.batch()).copied().unwrap_or(0);
        prop_assert!(effects <= 1, "{:?} counted {effects} times", self.batch());
        match &self.action {
            Action::Counted { record, before } => {
                prop_assert_eq!(effects, 1);
                prop_assert_eq!(before + self.size, record.occurrences());
                prop_assert!(*before >= 1, "the first signal is the creator");
            }
            Action::Elsewhere { newest } => {
                prop_assert_eq!(effects, 0, "counted here, and to be counted elsewhere");
                prop_assert!(newest.as_ref().is_none_or(|newest| !newest.counts_signals(NOW)));
                let late = store.on_their_way.iter().filter(|(batch, _)| *batch == self.batch());
                let mut late = late.map(|(_, count)| Some(count.version));
                let now = store.object().map(|object| object.version);
                prop_assert!(late.all(|version| version != now), "it may still take effect");
            }
            Action::FieldMissing => return Err(TestCaseError::fail("the field is there")),
            _ => {}
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        matches!(self.action, Action::Counted { .. } | Action::Elsewhere { .. } | Action::Unsettled)
    }
}

fn happens(event: &Event, store: &mut Store, writers: &mut [Writer]) -> Result<(), TestCaseError> {
    match event {
        Event::Act(writer)
        | Event::AnswerLost(writer)
        | Event::RequestLost(writer)
        | Event::Delayed(writer)
        | Event::Throttled(writer, _)
        | Event::Viewed(writer, _) => writers[*writer].happens(event, store)?,
        Event::Arrives(place) => {
            if !store.on_their_way.is_empty() {
                let ((writer, sequence), count) = store.on_their_way.remove(place.index(store.on_their_way.len()));
                let size = i32::try_from(writer).unwrap() + 1;
                store.patch((writer, sequence), size, &count);
            }
        }
        Event::Touched => store.write(|_| {}),
        Event::Completed => store.write(|record| record.phase = Phase::Terminal),
        Event::Deleted => store.deleted = true,
        Event::Recreated => store.recreated = true,
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(2))]

    #[test]
    fn a_batch_is_counted_at_most_once_and_never_sent_elsewhere_if_it_was_or_may_be(
        events in vec((event(), any::<Index>()), 1..80),
    ) {
        let mut store = Store::new();
        let mut writers: Vec<Writer> =
            (0..WRITERS.len()).map(|number| Writer::new(number, 1, &store, events[0].1)).collect();
        for (event, target) in &events {
            happens(event, &mut store, &mut writers)?;
            prop_assert_eq!(store.newest().occurrences(), store.counted, "every effect adds what it should");
            for writer in writers.iter_mut().filter(|writer| writer.is_over()) {
                *writer = Writer::new(writer.number, writer.sequence + 1, &store, *target);
            }
        }
        // Whatever is still on its way arrives; then everything is answered.
        while !store.on_their_way.is_empty() {
            happens(&Event::Arrives(events[0].1), &mut store, &mut writers)?;
        }
        for writer in &mut writers {
            for _ in 0..20 {
                writer.happens(&Event::Act(writer.number), &mut store)?;
            }
            prop_assert!(writer.is_over(), "{:?}", writer.action);
        }
        prop_assert!(store.effects.values().all(|effects| *effects == 1));
        prop_assert_eq!(store.newest().occurrences(), store.counted);
    }
}

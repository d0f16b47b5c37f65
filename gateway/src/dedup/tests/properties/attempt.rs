//! Attempts under any sequence of events that their effects may lead to.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use proptest::{prelude::*, test_runner::TestCaseError};

use super::any::{TAG, cases, moment, record, records};
use crate::{
    config::Config,
    context::Monotonic,
    dedup::{
        protocol::lock::Acquisition,
        protocol::{
            Now,
            attempt::{Attempt, Effect, Event, Failure, Found, Known, Past, Snapshot},
        },
        tests::{fingerprint, version},
    },
    kubernetes::Error,
    remediation::{Author, Fingerprint, Record, ResourceVersion, SUCCESSION_FINALIZER, remediation_request_name},
};

/// What the world answers with, whatever is asked.
#[derive(Clone, Debug)]
struct Answer {
    /// Which of the possible observations.
    which: u8,
    snapshot: Vec<Arc<Record>>,
    found: Record,
    now: Timestamp,
}

fn answer() -> impl Strategy<Value = Answer> {
    let found = "[a-e]".prop_flat_map(record);
    (any::<u8>(), records(), found, moment()).prop_map(|(which, snapshot, found, now)| {
        let snapshot = snapshot.iter().map(|record| Arc::new(placed(Record::clone(record)))).collect();
        Answer { which, snapshot, found: placed(found), now }
    })
}

/// An object's ordinal never changes: here it is its uid's place in the alphabet.
fn placed(record: Record) -> Record {
    Record { ordinal: u32::from(record.uid.as_bytes()[0] - b'a'), ..record }
}

fn past() -> impl Strategy<Value = Past> {
    (0..30_u64, prop::option::weighted(0.3, "[a-e]"))
        .prop_map(|(floor, gone)| Past { floor: version(floor), gone: gone.map(Into::into) })
}

impl Answer {
    /// An event that `effect` may lead to; `None` after the last one.
    fn to(self, effect: &Effect) -> Option<Event> {
        let Self { which, snapshot, found, .. } = self;
        let text = String::new;
        Some(match effect {
            Effect::Done(_) => return None,
            Effect::Read(_) => Event::Read(Snapshot { records: snapshot, listed: which.is_multiple_of(4) }),
            Effect::AwaitLock { .. } | Effect::AwaitDeletion(_) | Effect::Pause(_) => Event::Waited,
            Effect::Lock if which.is_multiple_of(2) => Event::Lock(Acquisition::Contended),
            Effect::Lock => Event::Lock(Acquisition::Acquired),
            // The time of the decision is over.
            Effect::Claim(_) if which.is_multiple_of(8) => Event::Claimed(Err(Error::Deadline)),
            Effect::Create(_) if which.is_multiple_of(8) => Event::Created(Err(Error::Deadline)),
            Effect::Get(_) if which.is_multiple_of(8) => Event::Got(Err(Error::Deadline)),
            Effect::Claim(predecessor) => Event::Claimed(match which % 5 {
                0 => Err(Error::Conflict(text())),
                1 => Err(Error::NotFound(text())),
                2 => Err(Error::Invalid(text())),
                _ => Ok(Arc::new(Record {
                    finalizers: Box::new([SUCCESSION_FINALIZER.to_owned()]),
                    version: version(50 + u64::from(which)),
                    ..Record::clone(predecessor)
                })),
            }),
            Effect::Create(name) => Event::Created(match which % 3 {
                0 => Ok(Arc::new(Record { name: name.as_str().into(), created_by: Some(Author::of(TAG)), ..found })),
                _ => Err(Error::AlreadyExists(text())),
            }),
            Effect::Get(_) => Event::Got(Ok(match which % 6 {
                0 => None,
                1 => Some(Arc::new(Record { fingerprint: Fingerprint::of("another"), ..found })),
                _ => Some(Arc::new(found)),
            })),
        })
    }
}

/// When the time to wait for the lock is over: of two tries for it, the second may be too late to wait for a third.
const LOCK_WAIT_ENDS: Monotonic = Monotonic::from_start(Duration::from_millis(10));

fn at(ms: u64) -> Monotonic {
    Monotonic::from_start(Duration::from_millis(ms))
}

/// What an attempt has been told, as far as it limits what it may do next.
struct Witness {
    past: Past,
    may_create: bool,
    /// The newest claim of the present decision.
    claimed: Option<Arc<Record>>,
    last: Event,
    floor: ResourceVersion,
    /// The uid of the newest of those last read, by creation.
    newest: Option<Box<str>>,
}

impl Witness {
    fn observe(&mut self, event: &Event, now: Monotonic) {
        let may_create = |acquisition| acquisition == Acquisition::Acquired || now >= LOCK_WAIT_ENDS;
        match event {
            Event::Lock(acquisition) => self.may_create |= may_create(*acquisition),
            Event::Claimed(Ok(record)) => self.claimed = Some(Arc::clone(record)),
            Event::Read(Snapshot { records: all, listed }) => {
                if *listed {
                    self.past.gone.take_if(|gone| all.iter().any(|record| record.uid == *gone));
                }
                self.claimed = None;
                let newest = all.iter().max_by_key(|record| (record.created, record.ordinal, &record.uid));
                self.newest = newest.map(|record| record.uid.clone());
            }
            _ => {}
        }
        self.last = event.clone();
    }

    fn check(&mut self, effect: &Effect, now: Timestamp) -> Result<(), TestCaseError> {
        if let (Event::Read(Snapshot { records: all, listed: false }), Some(gone)) = (&self.last, &self.past.gone)
            && all.iter().any(|record| record.uid == *gone)
        {
            prop_assert_eq!(effect, &Effect::Read(Known::Changed), "the view is behind");
        }
        match effect {
            Effect::Read(known) => self.check_read(*known)?,
            Effect::Lock => prop_assert!(!self.may_create, "a lock that is held, or was given up, is not asked for"),
            Effect::AwaitLock { .. } => prop_assert!(matches!(self.last, Event::Lock(Acquisition::Contended))),
            Effect::AwaitDeletion(_) | Effect::Pause(_) => {}
            Effect::Claim(predecessor) => {
                prop_assert!(self.may_create);
                prop_assert!(!predecessor.is_active(), "what is active has no successor");
                let is_newest = self.newest.as_ref() == Some(&predecessor.uid);
                prop_assert!(!(is_newest && predecessor.counts_signals(now)), "nor has what suppresses signals");
                prop_assert!(!predecessor.terminating || predecessor.is_claimed(), "it would be refused");
                self.claimed = None;
            }
            Effect::Create(name) => self.check_create(name)?,
            Effect::Get(_) => prop_assert!(matches!(
                self.last,
                Event::Created(Err(Error::AlreadyExists(_)))
                    | Event::Claimed(Err(Error::Conflict(_) | Error::Invalid(_)))
            )),
            Effect::Done(Ok(found)) => self.check_found(found, now)?,
            Effect::Done(Err(Failure::Unclaimable(_))) => {
                let is_claimable = |found: &Record| !found.terminating || found.is_claimed();
                prop_assert!(matches!(&self.last, Event::Got(Ok(Some(found))) if is_claimable(found)));
            }
            Effect::Done(Err(failure)) => return Err(TestCaseError::fail(format!("{failure:?}"))),
        }
        Ok(())
    }

    /// It never asks for less than it has asked for before, nor goes on with what it knew.
    fn check_read(&mut self, known: Known) -> Result<(), TestCaseError> {
        if let Known::UpTo(version) = known {
            prop_assert!(version >= self.floor);
            self.floor = version;
        }
        if let Event::Got(Ok(Some(found))) = &self.last {
            prop_assert_eq!(known, Known::UpTo(self.floor));
            prop_assert!(self.floor >= found.version, "the view must show why it was wrong");
        }
        let outdated = matches!(self.last, Event::Claimed(Err(Error::NotFound(_))) | Event::Got(Ok(None)));
        prop_assert!(!outdated || known == Known::Changed, "what is gone must not be read once more");
        Ok(())
    }

    /// The claim is the last thing before the create, and a create without one is the first of its fingerprint.
    fn check_create(&self, name: &str) -> Result<(), TestCaseError> {
        prop_assert!(self.may_create);
        let expected = match &self.last {
            Event::Read(Snapshot { records: all, .. }) => {
                prop_assert!(all.is_empty());
                None
            }
            Event::Claimed(Ok(predecessor)) => Some((predecessor.ordinal, &*predecessor.uid)),
            other => return Err(TestCaseError::fail(format!("created after {other:?}"))),
        };
        prop_assert_eq!(name, &remediation_request_name(&fingerprint(), expected));
        Ok(())
    }

    fn check_found(&self, found: &Found, now: Timestamp) -> Result<(), TestCaseError> {
        match found {
            Found::Created { record, claimed } => {
                let answered = matches!(&self.last, Event::Created(Ok(created)) if created == record);
                prop_assert!(answered || record.created_by == Some(Author::of(TAG)));
                prop_assert_eq!(claimed, &self.claimed, "what was claimed is let go in the version of the claim");
            }
            Found::Duplicate { record, claimed } => {
                prop_assert!(record.counts_signals(now));
                prop_assert_eq!(&record.fingerprint, &fingerprint());
                prop_assert_ne!(record.created_by, Some(Author::of(TAG)), "it is not a duplicate of itself");
                let expected = self.claimed.as_ref().filter(|claimed| claimed.uid != record.uid);
                prop_assert_eq!(claimed.as_ref(), expected);
            }
            Found::InDoubt { claimed } => {
                let expected = self.claimed.as_ref();
                prop_assert!(claimed.is_none() || claimed.as_ref() == expected, "what was claimed is let go");
            }
            Found::NameTaken(name) => {
                let Event::Got(Ok(Some(foreign))) = &self.last else { panic!("{:?}", self.last) };
                prop_assert_ne!(&foreign.fingerprint, &fingerprint());
                prop_assert_eq!(name.as_str(), &*foreign.name);
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(cases(2))]

    #[test]
    fn whatever_is_observed_nothing_is_created_without_the_lock_and_the_claim(
        past in past(),
        answers in prop::collection::vec(answer(), 1..25),
    ) {
        let mut config = Config::default();
        config.lock.wait_timeout = LOCK_WAIT_ENDS.since_start();
        let mut attempt = Attempt::new(fingerprint(), Author::of(TAG), past.clone(), &config, (at(0), at(15_000)));
        let floor = past.floor;
        let mut witness = Witness { past, may_create: false, claimed: None, last: Event::Begin, floor, newest: None };
        let mut effect = attempt.step(Event::Begin, Now { wall: answers[0].now, monotonic: at(0) });
        prop_assert_eq!(&effect, &Effect::Read(Known::UpTo(floor)));
        for (number, answer) in (1..).zip(answers) {
            let now = Now { wall: answer.now, monotonic: at(number) };
            let Some(event) = answer.to(&effect) else { break };
            witness.observe(&event, now.monotonic);
            effect = attempt.step(event, now);
            if let Effect::Pause(_) = effect {
                effect = attempt.step(Event::Waited, now);
            }
            witness.check(&effect, now.wall)?;
        }
    }
}

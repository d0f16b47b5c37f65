//! Attempts under any sequence of observations that their actions may lead to.

use std::sync::Arc;

use jiff::Timestamp;
use proptest::{prelude::*, test_runner::TestCaseError};

use super::any::{TAG, cases, moment, record, records};
use crate::{
    dedup::{
        attempt::{Action, Attempt, Found, Known, Observation, Past},
        tests::{fingerprint, version},
    },
    remediation::{Fingerprint, Record, ResourceVersion, SUCCESSION_FINALIZER, remediation_request_name},
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
    (0..30_u64, prop::option::weighted(0.3, "[a-e]")).prop_map(|(floor, gone)| Past { floor: version(floor), gone })
}

impl Answer {
    /// An observation that `action` may lead to; `None` after the last one.
    fn to(self, action: &Action) -> Option<Observation> {
        let Self { which, snapshot, found, .. } = self;
        Some(match action {
            Action::Done(_) => return None,
            Action::Read(_) if which.is_multiple_of(4) => Observation::Listed(snapshot),
            Action::Read(_) => Observation::Snapshot(snapshot),
            Action::AwaitLock | Action::AwaitDeletion => Observation::Waited,
            Action::Lock => match which % 3 {
                0 => Observation::Contended,
                1 => Observation::Impatient,
                _ => Observation::Locked,
            },
            // The time of the decision is over: nothing is sent.
            Action::Claim(_) | Action::Create(_) | Action::Get(_) if which.is_multiple_of(8) => Observation::Begin,
            Action::Claim(predecessor) => match which % 5 {
                0 => Observation::ClaimConflict,
                1 => Observation::ClaimNotFound,
                2 => Observation::ClaimRefused,
                _ => Observation::Claimed(Arc::new(Record {
                    finalizers: vec![SUCCESSION_FINALIZER.to_owned()],
                    version: version(50 + u64::from(which)),
                    ..Record::clone(predecessor)
                })),
            },
            Action::Create(name) => match which % 3 {
                0 => {
                    let name = name.clone();
                    Observation::Created(Arc::new(Record { name, created_by: Some(TAG.to_owned()), ..found }))
                }
                _ => Observation::Exists,
            },
            Action::Get(_) => match which % 6 {
                0 => Observation::Got(None),
                1 => {
                    let fingerprint = Fingerprint::of("another");
                    Observation::Got(Some(Arc::new(Record { fingerprint, ..found })))
                }
                _ => Observation::Got(Some(Arc::new(found))),
            },
        })
    }
}

/// What an attempt has been told, as far as it limits what it may do next.
struct Witness {
    past: Past,
    may_create: bool,
    /// The newest claim of the present decision.
    claimed: Option<Arc<Record>>,
    last: Observation,
    floor: ResourceVersion,
    /// The uid of the newest of those last read, by creation.
    newest: Option<String>,
}

impl Witness {
    fn observe(&mut self, observation: &Observation) {
        self.may_create |= matches!(observation, Observation::Locked | Observation::Impatient);
        match observation {
            Observation::Claimed(record) => self.claimed = Some(Arc::clone(record)),
            Observation::Snapshot(all) | Observation::Listed(all) => {
                if matches!(observation, Observation::Listed(_)) {
                    self.past.gone.take_if(|gone| all.iter().any(|record| record.uid == *gone));
                }
                self.claimed = None;
                let newest = all.iter().max_by_key(|record| (record.created, record.ordinal, &record.uid));
                self.newest = newest.map(|record| record.uid.clone());
            }
            _ => {}
        }
        self.last = observation.clone();
    }

    fn check(&mut self, action: &Action, now: Timestamp) -> Result<(), TestCaseError> {
        if let (Observation::Snapshot(all), Some(gone)) = (&self.last, &self.past.gone)
            && all.iter().any(|record| record.uid == *gone)
        {
            prop_assert_eq!(action, &Action::Read(Known::Changed), "the view is behind");
        }
        match action {
            Action::Read(known) => self.check_read(*known)?,
            Action::Lock => prop_assert!(!self.may_create, "a lock that is held, or was given up, is not asked for"),
            Action::AwaitLock => prop_assert!(matches!(self.last, Observation::Contended)),
            Action::AwaitDeletion => {}
            Action::Claim(predecessor) => {
                prop_assert!(self.may_create);
                prop_assert!(!predecessor.is_active(), "what is active has no successor");
                let is_newest = self.newest.as_ref() == Some(&predecessor.uid);
                prop_assert!(!(is_newest && predecessor.counts_signals(now)), "nor has what suppresses signals");
                prop_assert!(!predecessor.terminating || predecessor.is_claimed(), "it would be refused");
                self.claimed = None;
            }
            Action::Create(name) => self.check_create(name)?,
            Action::Get(_) => prop_assert!(matches!(self.last, Observation::Exists | Observation::ClaimConflict)),
            Action::Done(found) => self.check_found(found, now)?,
        }
        Ok(())
    }

    /// It never asks for less than it has asked for before, nor goes on with what it knew.
    fn check_read(&mut self, known: Known) -> Result<(), TestCaseError> {
        if let Known::UpTo(version) = known {
            prop_assert!(version >= self.floor);
            self.floor = version;
        }
        if let Observation::Got(Some(found)) = &self.last {
            prop_assert_eq!(known, Known::UpTo(self.floor));
            prop_assert!(self.floor >= found.version, "the view must show why it was wrong");
        }
        let outdated = matches!(self.last, Observation::ClaimNotFound | Observation::Got(None));
        prop_assert!(!outdated || known == Known::Changed, "what is gone must not be read once more");
        Ok(())
    }

    /// The claim is the last thing before the create, and a create without one is the first of its fingerprint.
    fn check_create(&self, name: &str) -> Result<(), TestCaseError> {
        prop_assert!(self.may_create);
        let expected = match &self.last {
            Observation::Snapshot(all) | Observation::Listed(all) => {
                prop_assert!(all.is_empty());
                None
            }
            Observation::Claimed(predecessor) => Some((predecessor.ordinal, predecessor.uid.as_str())),
            other => return Err(TestCaseError::fail(format!("created after {other:?}"))),
        };
        prop_assert_eq!(name, &remediation_request_name(&fingerprint(), expected));
        Ok(())
    }

    fn check_found(&self, found: &Found, now: Timestamp) -> Result<(), TestCaseError> {
        match found {
            Found::Created { record, claimed } => {
                let answered = matches!(&self.last, Observation::Created(created) if created == record);
                prop_assert!(answered || record.created_by.as_deref() == Some(TAG));
                prop_assert_eq!(claimed, &self.claimed, "what was claimed is let go in the version of the claim");
            }
            Found::Duplicate { record, claimed } => {
                prop_assert!(record.counts_signals(now));
                prop_assert_eq!(&record.fingerprint, &fingerprint());
                prop_assert_ne!(record.created_by.as_deref(), Some(TAG), "it is not a duplicate of itself");
                let expected = self.claimed.as_ref().filter(|claimed| claimed.uid != record.uid);
                prop_assert_eq!(claimed.as_ref(), expected);
            }
            Found::InDoubt { claimed } => {
                let expected = self.claimed.as_ref();
                prop_assert!(claimed.is_none() || claimed.as_ref() == expected, "what was claimed is let go");
            }
            Found::NameTaken(name) => {
                let Observation::Got(Some(foreign)) = &self.last else { panic!("{:?}", self.last) };
                prop_assert_ne!(&foreign.fingerprint, &fingerprint());
                prop_assert_eq!(name, &foreign.name);
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
        let mut attempt = Attempt::new(fingerprint(), TAG.to_owned(), past.clone());
        let floor = past.floor;
        let last = Observation::Begin;
        let mut witness = Witness { past, may_create: false, claimed: None, last, floor, newest: None };
        let mut action = attempt.step(Observation::Begin, answers[0].now);
        prop_assert_eq!(&action, &Action::Read(Known::UpTo(floor)));
        for answer in answers {
            let now = answer.now;
            let Some(observation) = answer.to(&action) else { break };
            witness.observe(&observation);
            action = attempt.step(observation, now);
            witness.check(&action, now)?;
        }
    }
}

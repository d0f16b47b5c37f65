//! The gateway's own machine beside the model of the fence: whether a replica of the model does, in each state, what
//! [`Attempt`] does there, and nothing else.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use gateway::{
    config::Config,
    context::Monotonic,
    dedup::protocol::{
        Now,
        attempt::{Attempt, Effect, Event, Found, Past, Snapshot},
        lock::Acquisition,
    },
    kubernetes::Error,
    remediation::{Author, Phase as Running, Record, ResourceVersion, SUCCESSION_FINALIZER, remediation_request_name},
};
use jiff::Timestamp;

use super::{
    blank::blank,
    state::{NONE, OBJECTS_MAX, Object, Phase, Uid},
};

/// No time passes before that: the model has no clock, and gives attempts up at any moment.
const DEADLINE: Monotonic = Monotonic::from_start(Duration::from_secs(1));
/// Effects of one course at most.
const EFFECTS_MAX: usize = 20;

/// What becomes of an attempt, as far as others see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// It sends a create after this one, which it has claimed if there is any.
    Sends(Uid),
    /// Its create is answered 409, and it asks for what exists.
    Asks,
    /// It has created; or counts on this one. A claim of its own is released.
    Ends { on: Uid, releases: bool },
    /// It waits for the predecessor to go.
    AwaitsDeletion,
    /// It decides again on what it reads next.
    ReadsAgain,
}

/// Where an attempt is, and all that decides how it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// It has read all that exist, by uid from 1: what was each created after, and what is it.
    Reads([(Uid, Seen); OBJECTS_MAX]),
    /// It has read that the latest is this one, which has become the object since; `met`: in a version that somebody wrote
    /// since.
    Decides { latest: Uid, was: Seen, is: Seen, met: bool },
    /// Its create after this one is answered: 409 if the name is `taken`.
    Answered { after: Uid, taken: bool },
    /// It has asked for what exists after this one: which is it, if any, and what is it.
    Asked { after: Uid, found: Option<(Uid, Seen)>, suppresses: bool },
}

/// What of an object decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Seen {
    Absent,
    Active,
    Terminal { claimed: bool },
    Terminating { claimed: bool },
}

impl From<Object> for Seen {
    fn from(Object { phase, claimed, .. }: Object) -> Self {
        match phase {
            Phase::Absent => Self::Absent,
            Phase::Active => Self::Active,
            Phase::Terminal => Self::Terminal { claimed },
            Phase::Terminating => Self::Terminating { claimed },
        }
    }
}

/// Courses of attempts, found out once each.
#[derive(Debug, Default)]
pub(super) struct Courses {
    known: BTreeMap<Place, Course>,
}

impl Courses {
    /// How an attempt goes on from `place`.
    pub(super) fn of(&mut self, place: Place) -> Course {
        *self.known.entry(place).or_insert_with(|| match place {
            Place::Reads(objects) => {
                let records = (1..).zip(objects).filter_map(|(uid, (after, is))| seen(uid, after, is));
                match decided(records.collect()).1 {
                    Effect::Claim(latest) => Course::Sends(latest.uid.parse().unwrap_or(Uid::MAX)),
                    effect => course(&effect),
                }
            }
            Place::Decides { latest, was, is, met } => {
                let (machine, effect) = decided(seen(latest, NONE, was).into_iter().collect());
                Server { uid: latest, is, met }.carry_on(machine, effect)
            }
            Place::Answered { after, taken } => {
                let mut machine = sent(after);
                match taken {
                    true => course(&machine.step(Event::Created(Err(exists())), NOW)),
                    false => {
                        let created = seen(after + 1, after, Seen::Active).map_or_else(|| Err(Error::Deadline), Ok);
                        course(&machine.step(Event::Created(created), NOW))
                    }
                }
            }
            Place::Asked { after, found, suppresses } => {
                let mut machine = sent(after);
                machine.step(Event::Created(Err(exists())), NOW);
                let object = found.and_then(|(uid, is)| seen(uid, after, is)).map(|record| match suppresses {
                    true => Arc::new(Record { manual_review: true, ..Record::clone(&record) }),
                    false => record,
                });
                let effect = machine.step(Event::Got(Ok(object)), NOW);
                let (uid, is) = found.unwrap_or((NONE, Seen::Absent));
                Server { uid, is, met: false }.carry_on(machine, effect)
            }
        })
    }
}

const NOW: Now = Now { wall: Timestamp::UNIX_EPOCH, monotonic: Monotonic::from_start(Duration::ZERO) };

/// The API server, as far as the predecessor goes.
struct Server {
    uid: Uid,
    is: Seen,
    /// The first claim meets another version than it names.
    met: bool,
}

impl Server {
    /// Answers `machine` until it is over, or its create is sent.
    fn carry_on(mut self, mut machine: Attempt, mut effect: Effect) -> Course {
        for _ in 0..EFFECTS_MAX {
            let event = match &effect {
                Effect::Claim(predecessor) => Event::Claimed(self.claim(predecessor)),
                Effect::Get(_) => Event::Got(Ok(seen(self.uid, NONE, self.is))),
                _ => break,
            };
            effect = machine.step(event, NOW);
        }
        course(&effect)
    }

    fn claim(&mut self, predecessor: &Arc<Record>) -> Result<Arc<Record>, Error> {
        match self.is {
            Seen::Absent => Err(Error::NotFound(String::new())),
            Seen::Terminating { claimed: false } => Err(Error::Invalid(String::new())),
            _ if std::mem::take(&mut self.met) => Err(Error::Conflict(String::new())),
            _ => Ok(Arc::new(Record {
                finalizers: Box::new([SUCCESSION_FINALIZER.to_owned()]),
                version: claimed_version(),
                ..Record::clone(predecessor)
            })),
        }
    }
}

/// Of an object that was just claimed: later than any that was read.
fn claimed_version() -> ResourceVersion {
    ResourceVersion::parse("2").unwrap_or(blank().version)
}

/// An attempt that has read that these are all there are, without a lock, and its next effect.
fn decided(records: Vec<Arc<Record>>) -> (Attempt, Effect) {
    let mut config = Config::default();
    config.lock.wait_timeout = Duration::ZERO;
    let times = (NOW.monotonic, DEADLINE);
    let mut machine = Attempt::new(blank().fingerprint, Author::of("pod/boot/1"), Past::default(), &config, times);
    let snapshot = Snapshot { records, listed: false };
    let mut effect = machine.step(Event::Begin, NOW);
    for _ in 0..EFFECTS_MAX {
        let event = match effect {
            Effect::Read(_) => Event::Read(snapshot.clone()),
            Effect::Lock => Event::Lock(Acquisition::Contended),
            _ => break,
        };
        effect = machine.step(event, NOW);
    }
    (machine, effect)
}

/// An attempt whose create after `after` is under way.
fn sent(after: Uid) -> Attempt {
    let (mut machine, effect) = decided(seen(after, NONE, Seen::Terminal { claimed: false }).into_iter().collect());
    let Effect::Claim(predecessor) = effect else { return machine };
    let claimed = Server { uid: after, is: Seen::Terminal { claimed: false }, met: false }.claim(&predecessor);
    machine.step(Event::Claimed(claimed), NOW);
    machine
}

fn course(effect: &Effect) -> Course {
    match effect {
        Effect::Create(name) => {
            let after = (NONE..=Uid::MAX).find(|after| name_after(*after) == *name);
            Course::Sends(after.unwrap_or(Uid::MAX))
        }
        Effect::Get(_) => Course::Asks,
        Effect::Done(Ok(Found::Created { record, claimed } | Found::Duplicate { record, claimed })) => {
            Course::Ends { on: record.uid.parse().unwrap_or(Uid::MAX), releases: claimed.is_some() }
        }
        Effect::AwaitDeletion(_) => Course::AwaitsDeletion,
        Effect::Read(_) => Course::ReadsAgain,
        other => unreachable!("the model knows no such effect: {other:?}"),
    }
}

fn exists() -> Error {
    Error::AlreadyExists(String::new())
}

/// The name that is derived from `after`. A later one has a later place in the succession.
fn name_after(after: Uid) -> String {
    let uid = after.to_string();
    remediation_request_name(&blank().fingerprint, (after != NONE).then_some((after.into(), uid.as_str())))
}

/// The object `uid`, created after `after`, as it is read; `None` if it is not there.
fn seen(uid: Uid, after: Uid, is: Seen) -> Option<Arc<Record>> {
    let (phase, terminating, claimed) = match is {
        Seen::Absent => return None,
        _ if uid == NONE => return None,
        Seen::Active => (Running::Active, false, false),
        Seen::Terminal { claimed } => (Running::Terminal, false, claimed),
        Seen::Terminating { claimed } => (Running::Terminal, true, claimed),
    };
    Some(Arc::new(Record {
        name: name_after(after).into(),
        uid: uid.to_string().into(),
        phase,
        terminating,
        ordinal: uid.into(),
        created_by: Some(Author::of("another/boot/1")),
        finalizers: claimed.then(|| SUCCESSION_FINALIZER.to_owned()).into_iter().collect(),
        ..blank()
    }))
}

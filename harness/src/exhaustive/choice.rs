//! What a scheduler chooses from, and which choices commute.

use std::{fmt, str::FromStr};

/// One step of a schedule. Replicas count from 1, as pods do; requests and events count per replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Choice {
    /// A signal (counted from 1) reaches its replica.
    Arrive(u8),
    /// A request takes effect.
    Effect(Item),
    /// An answer arrives.
    Answer(Item),
    /// A watch event arrives.
    Event(Item),
    /// The connection breaks before a request takes effect.
    LoseRequest(Item),
    /// A request is refused with 503.
    Refuse(Item),
    /// The connection breaks after a request has taken effect.
    LoseAnswer(Item),
    /// A replica is killed; requests that it sent never take effect.
    Crash(u8),
    /// A replica is killed; requests that it sent still take effect at any later time.
    CrashLanding(u8),
    /// A killed replica starts again, and is sent its unanswered signals again.
    Restart(u8),
    /// Time passes until a replica does something of itself.
    Time,
    /// Retention deletes the predecessor.
    Delete,
    /// The remediation controller completes the active RemediationRequest.
    Complete,
}

/// A request, or an event, of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Item {
    /// Number of the replica, from 1.
    pub replica: u8,
    /// Counted from 1, per replica.
    pub number: u16,
}

impl Choice {
    /// What kind of choice it is, for statistics.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Arrive(_) => "arrive",
            Self::Effect(_) => "effect",
            Self::Answer(_) => "answer",
            Self::Event(_) => "event",
            Self::LoseRequest(_) => "lose-request",
            Self::Refuse(_) => "refuse",
            Self::LoseAnswer(_) => "lose-answer",
            Self::Crash(_) => "crash",
            Self::CrashLanding(_) => "crash-landing",
            Self::Restart(_) => "restart",
            Self::Time => "time",
            Self::Delete => "delete",
            Self::Complete => "complete",
        }
    }

    /// Whether it uses up a fault.
    pub const fn is_fault(self) -> bool {
        matches!(
            self,
            Self::LoseRequest(_) | Self::Refuse(_) | Self::LoseAnswer(_) | Self::Crash(_) | Self::CrashLanding(_)
        )
    }
}

/// As [`Choice::from_str`] reads it: `time`, `crash 1`, `effect 2.4`.
impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        match self {
            Self::Arrive(n) | Self::Crash(n) | Self::CrashLanding(n) | Self::Restart(n) => write!(f, "{kind} {n}"),
            Self::Effect(item)
            | Self::Answer(item)
            | Self::Event(item)
            | Self::LoseRequest(item)
            | Self::Refuse(item)
            | Self::LoseAnswer(item) => write!(f, "{kind} {}.{}", item.replica, item.number),
            Self::Time | Self::Delete | Self::Complete => f.write_str(kind),
        }
    }
}

/// The text is not a choice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a valid choice: expected one such as \"effect 1.2\", \"crash 1\" or \"time\"")]
pub struct NoChoice(String);

impl FromStr for Choice {
    type Err = NoChoice;

    fn from_str(text: &str) -> Result<Self, NoChoice> {
        let bad = || NoChoice(text.to_owned());
        let (kind, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        let one = || rest.parse().map_err(|_| bad());
        let item = || {
            let (replica, number) = rest.split_once('.').ok_or_else(bad)?;
            let replica = replica.parse().map_err(|_| bad())?;
            Ok(Item { replica, number: number.parse().map_err(|_| bad())? })
        };
        Ok(match kind {
            "arrive" => Self::Arrive(one()?),
            "effect" => Self::Effect(item()?),
            "answer" => Self::Answer(item()?),
            "event" => Self::Event(item()?),
            "lose-request" => Self::LoseRequest(item()?),
            "refuse" => Self::Refuse(item()?),
            "lose-answer" => Self::LoseAnswer(item()?),
            "crash" => Self::Crash(one()?),
            "crash-landing" => Self::CrashLanding(one()?),
            "restart" => Self::Restart(one()?),
            "time" => Self::Time,
            "delete" => Self::Delete,
            "complete" => Self::Complete,
            _ => return Err(bad()),
        })
    }
}

/// What a request does to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Access {
    /// Reads one object of a resource: the answer says nothing about anything else.
    Get(&'static str),
    /// Reads a collection: the answer tells the version of the whole store.
    List,
    /// May write an object of a resource, and then makes its next version.
    Write(&'static str),
}

/// What a choice touches; decides which choices commute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Touch {
    /// The inside of a replica, nothing else: what it sends in return only waits.
    Replica(u8),
    /// The store, by a request of a replica (0: somebody else's).
    Store(u8, Access),
    /// Anything.
    All,
}

/// A choice that can be made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Candidate {
    pub(super) choice: Choice,
    pub(super) touch: Touch,
}

impl Candidate {
    /// Whether both can be made in either order, with the same result: no state has to be reached both ways.
    pub(super) fn commutes_with(&self, other: &Self) -> bool {
        if self.choice.is_fault() && other.choice.is_fault() {
            // The budget allows one of them perhaps.
            return false;
        }
        match (self.touch, other.touch) {
            (Touch::All, _) | (_, Touch::All) => false,
            (Touch::Replica(one), Touch::Replica(other) | Touch::Store(other, _)) => one != other,
            (Touch::Store(one, _), Touch::Replica(other)) => one != other,
            (Touch::Store(one, access), Touch::Store(other, others)) => one != other && access.commutes_with(others),
        }
    }
}

impl Access {
    fn commutes_with(self, other: Self) -> bool {
        match (self, other) {
            (Self::Get(_) | Self::List, Self::Get(_) | Self::List) => true,
            (Self::Get(read), Self::Write(written)) | (Self::Write(written), Self::Get(read)) => read != written,
            // Of each resource, writes are numbered by their order.
            (Self::Write(one), Self::Write(other)) => one != other,
            (Self::Write(_), Self::List) | (Self::List, Self::Write(_)) => false,
        }
    }
}

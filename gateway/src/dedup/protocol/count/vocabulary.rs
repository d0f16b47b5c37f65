//! What a batch is told, what it asks for, and what becomes of it.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::super::Answer;
use crate::{
    context::Monotonic,
    kubernetes::Error,
    remediation::{Counter, Record, Register},
};

/// Writes of one batch at most: so many sequence numbers are set aside for it.
pub const WRITES_MAX: u64 = 64;

/// What is known of the own register. It may be a guess: every write tests it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Own {
    /// It must be read.
    Unknown,
    /// There is no counter.
    NoCounter,
    /// There is a counter, with or without this register.
    Known(Option<Register>),
}

/// The signals to be counted, all of which have arrived.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Batch {
    /// How many they are.
    pub size: u64,
    /// When the newest of them was received.
    pub newest: Timestamp,
    /// When the last of them is given up.
    pub deadline: Monotonic,
    /// The first of [`WRITES_MAX`] sequence numbers that this boot has never used.
    pub first_sequence: u64,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "what a variant says names its fields")]
pub enum Effect {
    /// Read the counter, as it is now.
    ReadCounter,
    /// Read the RemediationRequest, as it is now.
    ReadObject,
    /// Write the register; with `look`, read the RemediationRequest at the same time.
    Write { write: Write, look: bool },
    /// Wait so long at least, with jitter.
    Sleep(Duration),
    /// The result.
    Done(Outcome),
}

/// A write of the register.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Write {
    /// Create the counter, with this base; else patch it.
    pub create: Option<u64>,
    /// The register must be this, or not be there.
    pub old: Option<Register>,
    /// What it becomes.
    pub new: Register,
}

/// What was observed of the last effect.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "what a variant says names its fields")]
pub enum Event {
    /// Nothing yet.
    Begin,
    /// The wait is over.
    Slept,
    /// Answer to [`Effect::ReadCounter`].
    Counter(Answer<Option<Counter>>),
    /// Answer to [`Effect::ReadObject`].
    Object(Answer<Option<Arc<Record>>>),
    /// Answers to [`Effect::Write`]: the counter as it made it, and the object if that was read as well.
    Written { counter: Answer<Counter>, object: Option<Answer<Option<Arc<Record>>>> },
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "what a variant says names its fields")]
pub enum Outcome {
    /// Counted, on an object that counted signals when they had arrived; the counter includes the batch.
    Counted { record: Arc<Record>, counter: Counter },
    /// Not counted: the object counts no signals any more, or is gone; whether the register was written once more for that.
    TargetClosed { newest: Option<Arc<Record>>, taken_back: bool },
    /// Not counted, and the time is over.
    Late,
    /// Not counted: the API refuses.
    Refused(Error),
    /// It cannot be known whether it is counted.
    Indeterminate(Cause),
}

/// Why it cannot be known whether a batch is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The time is over before it was settled.
    Late,
    /// The API does not answer, or refuses to tell.
    NoAnswer,
    /// The counter, or the register in it, was removed or changed: by another hand, or with its object.
    Tampered,
    /// The object's version is older than one seen before: history went back.
    WentBack,
}

impl Cause {
    /// The label `cause` of `gateway_counts_indeterminate_total`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Late => "deadline",
            Self::NoAnswer => "no_answer",
            Self::Tampered => "tampered",
            Self::WentBack => "went_back",
        }
    }
}

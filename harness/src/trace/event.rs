//! What a trace is made of.

use std::{fmt, time::Duration};

use embedded_apiserver::{Ending, Fault};

/// The actor of what happens to the Kubernetes API itself.
pub const API: &str = "kubernetes-api";

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Virtual time since the trace began, in whole microseconds.
    pub at: Duration,
    /// Events before it.
    pub number: u64,
    /// A replica, another user of the Kubernetes API, or [`API`].
    pub actor: String,
    /// What it did, or what was done to it.
    pub what: What,
    /// Of all that was seen, bodies included.
    pub digest: u64,
}

/// What happened. Requests and signals are numbered in the order in which they were sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A signal was posted to the actor.
    Posted {
        /// Number of the signal, in the order of sending.
        signal: u64,
        /// The fingerprint of what it is about.
        fingerprint: String,
    },
    /// The actor has answered a signal.
    Replied {
        /// Number of the signal, in the order of sending.
        signal: u64,
        /// HTTP status; 0 if its sender waits no longer.
        status: u16,
        /// The RemediationRequest that the answer names, or the problem's detail.
        detail: String,
        /// The signal's ordinal on it.
        count: Option<u64>,
    },
    /// The actor sent a request to the Kubernetes API.
    Sent(Sent),
    /// A request of the actor took effect, or was refused.
    TookEffect {
        /// The request's number.
        request: u64,
        /// HTTP status.
        code: u16,
        /// The reason of a refusal, such as `AlreadyExists`.
        reason: String,
        /// The version of what is answered.
        version: Option<u64>,
        /// How many objects a list found.
        items: Option<usize>,
    },
    /// A request of the actor is over.
    Ended {
        /// The request's number.
        request: u64,
        /// How it ended: with a status, a reset connection, or unheard.
        ending: Ending,
    },
    /// The store committed a write of the actor.
    Committed(Committed),
    /// A watch event reached the actor.
    Delivered {
        /// Plural of the watched resource, such as `remediationrequests`.
        resource: String,
        /// ADDED, MODIFIED, DELETED, BOOKMARK or ERROR.
        kind: String,
        /// The object's name, empty for bookmarks.
        name: String,
        /// The object's version.
        version: Option<u64>,
    },
    /// A watch of the actor ended.
    WatchEnded {
        /// Plural of the watched resource, such as `remediationrequests`.
        resource: String,
        /// Such as `broke`.
        how: &'static str,
    },
    /// A replica's life.
    Life(Life),
    /// Anything else that the actor did, in words.
    Note(String),
    /// Something did not hold.
    Violation {
        /// Which oracle says so.
        oracle: String,
        /// The version of the store at which it was violated, none at the end of the run.
        version: Option<u64>,
        /// What is wrong.
        message: String,
    },
}

/// A request to the Kubernetes API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Number of the request, in the order of sending.
    pub request: u64,
    /// get, list, watch, create, update, patch, delete …
    pub verb: &'static str,
    /// The plural with the subresource; the path if it is not a resource's.
    pub resource: String,
    /// The object's name, empty for requests on a collection.
    pub name: String,
    /// The resourceVersion that it sends, as a precondition or in a list's or watch's query.
    pub version: String,
    /// The selectors of a list or watch.
    pub selector: String,
    /// What goes wrong with it.
    pub fault: Fault,
}

/// A write that the store committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The version that the write made.
    pub version: u64,
    /// create, update, patch or delete.
    pub verb: &'static str,
    /// The plural with the subresource.
    pub resource: String,
    /// The object's name.
    pub name: String,
    /// The fingerprint of a RemediationRequest, else empty.
    pub fingerprint: String,
    /// Whether it leaves an active RemediationRequest.
    pub active: bool,
    /// Whether the object is gone.
    pub gone: bool,
    /// What matters of the object now.
    pub summary: String,
}

/// A replica's life, or the Kubernetes API's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Life {
    /// Its process starts.
    Started,
    /// It ends as SIGKILL would.
    Crashed,
    /// It has ended as SIGTERM would.
    Stopped,
    /// It stands still.
    Paused,
    /// It goes on.
    Resumed,
    /// None of its requests arrives any more.
    CutOff,
    /// They arrive again.
    Reconnected,
    /// Of the API: everybody goes on and reaches it again.
    Healed,
}

impl Life {
    /// In a word or two.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Crashed => "crashed",
            Self::Stopped => "stopped",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::CutOff => "cut off",
            Self::Reconnected => "reconnected",
            Self::Healed => "everything heals",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.at.as_secs_f64() * 1e3;
        write!(f, "#{} at {ms:.3} ms, {}: {}", self.number, self.actor, self.what)
    }
}

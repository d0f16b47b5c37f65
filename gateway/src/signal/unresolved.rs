//! What a body is parsed into.

use kube::Resource as _;

use super::{
    candidates::Candidates,
    choice::Decision,
    explanation::{Explanation, Looked},
    rules::{Place, Rules},
};
use crate::remediation::{RemediationRequest, Signal};

/// A signal as its sender put it, checked but without any look at the cluster: its target is the first resource that it may
/// be about, whoever owns that, and its fingerprint that resource's. The [`Resolver`](super::resolve::Resolver) makes a
/// [`Signal`] of it.
#[derive(Clone, Debug, PartialEq)]
pub struct UnresolvedSignal {
    pub(super) signal: Signal,
    pub(super) candidates: Candidates,
    /// By which it was read.
    pub(super) rules: Rules,
}

impl UnresolvedSignal {
    /// What the sender said.
    pub const fn as_sent(&self) -> &Signal {
        &self.signal
    }

    /// Where its resource is.
    pub(super) fn place(&self) -> Place {
        self.rules.place(self.signal.cluster_id.as_deref())
    }

    /// What it is about as far as its names tell, without a look at any cluster.
    pub fn explain_unseen(&self) -> Explanation {
        let decision = Decision::unseen(&self.candidates, self.signal.received_time);
        Explanation::new(&self.signal, &self.candidates, &decision, Looked::Nowhere)
    }
}

/// One usable alert or event.
#[derive(Clone, Debug, PartialEq)]
pub enum Parsed {
    /// To be resolved and deduplicated.
    Signal(Box<UnresolvedSignal>),
    /// Valid, but never the cause of a RemediationRequest.
    Ignored(Ignored),
}

/// Why a valid alert or event is not processed; answered 200.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ignored {
    /// The alert's status is `resolved`.
    #[error("the alert is resolved")]
    Resolved,
    /// The event's type is `Normal`.
    #[error("the event is of type Normal")]
    NormalEvent,
    /// The event is about an object of remediation itself.
    #[error("the event is about {kind} {name}, which is of the group {}", RemediationRequest::group(&()))]
    Own {
        /// The object's kind.
        kind: String,
        /// Its name.
        name: String,
    },
    /// The operator wants none of these, such as heartbeats.
    #[error("the alert matches `{matchers}` of signal.ignore")]
    Matched {
        /// The entry of `signal.ignore` that matches.
        matchers: String,
        /// The alert's name.
        alert: String,
        /// Of what it names, as far as its labels tell.
        namespace: String,
    },
}

impl Ignored {
    /// A label of metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Resolved => "resolved",
            Self::NormalEvent => "normal_event",
            Self::Own { .. } => "own",
            Self::Matched { .. } => "matched",
        }
    }
}

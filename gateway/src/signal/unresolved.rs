//! What a body is parsed into.

use crate::remediation::Signal;

/// A signal as its sender put it, checked but without any look at the cluster: its target is the resource that it names,
/// whoever owns that, and its fingerprint that resource's. The [`Resolver`](super::resolve::Resolver) makes a [`Signal`]
/// of it.
#[derive(Clone, Debug, PartialEq)]
pub struct UnresolvedSignal(pub(super) Signal);

impl UnresolvedSignal {
    /// What the sender said.
    pub const fn as_sent(&self) -> &Signal {
        &self.0
    }
}

/// One usable alert or event.
#[derive(Clone, Debug, PartialEq)]
pub enum Parsed {
    /// To be resolved and deduplicated.
    Signal(Box<UnresolvedSignal>),
    /// Valid, but never the cause of a RemediationRequest: a resolved alert, a Normal event.
    Ignored(Ignored),
}

/// Why a valid alert or event is not processed; answered 200.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ignored {
    /// The alert's status is `resolved`.
    #[error("the alert is resolved")]
    Resolved,
    /// The event's type is `Normal`.
    #[error("the event is of type Normal")]
    NormalEvent,
}

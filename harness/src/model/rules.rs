//! What can be switched off.

use super::switches::Switches;

/// What the protocol does, and what it assumes, against twins (DD-GATEWAY-013: the fence).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Names are derived from the predecessor's uid; without it they are random.
    DerivedNames,
    /// The predecessor is claimed before the create is sent.
    Claim,
    /// A claim that is pending already is renewed; without it, an attempt that finds one relies on it.
    Renewal,
    /// A claim does not make the decision younger.
    ClaimKeepsAge,
    /// A GET, of the predecessor after a conflict, does not make the decision younger.
    GetKeepsAge,
    /// A claim is released only in exactly the version that the releasing attempt made.
    ReleaseInVersion,
    /// The collector waits for *D* before it clears a claim.
    CollectorWaits,
    /// A predecessor that is terminating and unclaimed is waited for; without it, the create is sent at once.
    AwaitDeletion,
    /// The predecessor is the latest; without it, any that has ended, as by a time that cannot tell them apart.
    Latest,
    /// Assumption: nobody deletes a terminal RemediationRequest within *D* of its termination.
    RetentionWaits,
    /// Assumption: nobody deletes an active RemediationRequest within *D* of its creation.
    UserWaits,
    /// Assumption: a sent request takes effect within its bound or never.
    RequestsEnd,
    /// Assumption: a terminal phase is never left.
    TerminalIsFinal,
}

impl From<Rule> for u32 {
    fn from(rule: Rule) -> Self {
        rule as Self
    }
}

/// The rules that hold.
pub type Rules = Switches<Rule>;

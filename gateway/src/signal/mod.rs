//! Signals: what senders say, brought into one form.
//!
//! A body is parsed into [`UnresolvedSignal`]s, one per alert or event; one whose target's owner and scope are known
//! becomes a [`Signal`](crate::remediation::Signal), which is what the deduplication works on.
//!
//! ```text
//! bytes → strict → alertmanager | event → UnresolvedSignal → resolve (owner, scope; one cache) → Signal
//! ```

pub mod alertmanager;
mod cache;
mod error;
pub mod event;
mod kind;
mod limits;
mod naming;
mod object;
mod owner;
mod rejection;
mod resolve;
mod scope;
mod strict;
pub mod target;
#[cfg(test)]
mod tests;
mod time;
mod unresolved;

pub use error::ResolveError;
pub use rejection::{Rejection, reason};
pub use resolve::Resolver;
pub use unresolved::{Ignored, Parsed, UnresolvedSignal};

//! Signals: what senders say, brought into one form.
//!
//! A body is parsed into [`UnresolvedSignal`]s, one per alert or event; one whose target's owner and scope are known
//! becomes a [`Signal`](crate::remediation::Signal), which is what the deduplication works on.
//!
//! ```text
//! bytes → strict → alertmanager (mentions → candidates) | event → UnresolvedSignal
//!       → resolve (choice → owner → scope; one cache) → Signal
//! ```

pub mod alertmanager;
mod cache;
mod candidates;
mod choice;
mod controller;
mod error;
pub mod event;
mod explanation;
mod exporter;
mod kind;
mod limits;
mod mentions;
mod naming;
mod nodes;
mod object;
mod owner;
pub mod permissions;
mod refusals;
mod rejection;
mod resolve;
mod revisions;
mod rules;
mod strict;
pub mod target;
#[cfg(test)]
mod tests;
mod time;
mod unresolved;
mod vocabulary;

pub use error::ResolveError;
pub use explanation::{Explanation, Named, shown};
pub use rejection::{Rejection, reason};
pub use resolve::Resolver;
pub use rules::{LiveRules, Rules};
pub use unresolved::{Ignored, Parsed, UnresolvedSignal};

//! Signals: what senders say, brought into one form.
//!
//! A body is parsed into [`Draft`]s, one per alert or event; a draft whose target's owner and scope are known becomes a
//! [`Signal`], which is what the deduplication works on.
//!
//! ```text
//! bytes → strict → alertmanager | event → Draft → resolve (owner, scope; one cache) → Signal
//! ```

pub mod alertmanager;
mod cache;
mod draft;
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

pub use draft::{Draft, Ignored, Parsed};
pub use error::ResolveError;
pub use rejection::{Rejection, reason};
pub use resolve::Resolver;

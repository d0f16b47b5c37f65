//! The record of one run: a hash that tells whether two runs were the same, or every event, to be read.
//!
//! | module | what it holds |
//! |---|---|
//! | [`event`] | what a trace is made of |
//! | [`words`] | the same in words |
//! | [`difference`] | where two traces part |
//!
//! [`Trace::observe`] shows a trace all that happens at the embedded API; `Fleet::with_trace` adds signals and starts.
//! Whoever crashes, pauses or cuts off replicas tells it by [`Trace::life`], and everything else by [`Trace::note`].

pub mod difference;
mod digest;
pub mod event;
mod observe;
mod record;
mod summary;
pub mod words;

pub use self::{
    difference::{Difference, first_difference},
    event::{API, Committed, Event, Life, Sent, What},
    observe::Posted,
    record::{Mode, Trace},
};

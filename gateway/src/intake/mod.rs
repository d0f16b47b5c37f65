//! From a body to what became of each alert or event in it: parse, resolve, deduplicate, tell the audit trail.
//!
//! [`SignalHandler`] is what `http` needs of it, and [`Item`] what it answers with; [`Intake`] is the gateway's own.

mod handler;
mod memory;
mod pipeline;
mod unprocessed;

pub use handler::{Item, SignalHandler};
pub use pipeline::Intake;

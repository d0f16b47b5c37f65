//! Wiring: the only place that knows all parts of a gateway.
//!
//! [`run()`] is the gateway as a process. Whatever else runs one, in process or with another [`Deduplicate`], builds it with
//! [`Gateway::builder`].
//!
//! [`Deduplicate`]: crate::dedup::Deduplicate

mod builder;
mod certificates;
mod error;
mod files;
mod gateway;
mod listeners;
mod live;
mod operations;
mod reload;
mod run;
mod start;

pub use builder::{Builder, Parts};
pub use certificates::unusable_files;
pub use error::Error;
pub use gateway::Gateway;
pub use listeners::Listeners;
pub use live::Live;
pub use run::run;
pub use start::needed as needed_rights;

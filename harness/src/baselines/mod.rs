//! Other protocols than the product's: what it is compared with, and proof that the oracles can see.
//!
//! They answer behind the same HTTP, parsing, owner resolution and answer policy as the product ([`Protocol::gateway`]);
//! what differs is how a resolved signal is made durable. None of them can be switched on in a gateway.
//!
//! | protocol | [`Deduplicate`] | fails when |
//! |---|---|---|
//! | `fenced`, `fence-only` | the product's own | |
//! | `derived-only` | [`DerivedOnly`] | retention removes the predecessor between two creates |
//! | `first-count` | [`FirstCount`] | a typed client drops what its types do not know; more than 32 write; … |
//! | `registers` | [`Registers`] | annotations are replaced; a neighbour is to get a write through |
//! | `lease-only` | [`LeaseOnly`] | one pod handles two signals; a pause outlives the lease; clocks differ; … |
//! | `unlocked` | [`Unlocked`] | two signals arrive at once |

mod derived_only;
mod find;
mod first_count;
mod lease_only;
mod protocol;
mod registers;
mod store;
mod unlocked;

#[cfg(doc)]
use gateway::dedup::Deduplicate;

pub use derived_only::DerivedOnly;
pub use first_count::FirstCount;
pub use lease_only::LeaseOnly;
pub use protocol::{Protocol, UnknownProtocol};
pub use registers::Registers;
pub use unlocked::Unlocked;

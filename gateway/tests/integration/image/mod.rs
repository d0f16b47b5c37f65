//! The container image, and the binary where there is nothing else.

pub(crate) mod archive;
mod empty;

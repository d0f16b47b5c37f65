//! The container image, and the binary where there is nothing else.

mod archive;
mod empty;

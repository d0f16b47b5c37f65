//! The server as a client sees it: one file for each kind of request, and a model that random sequences are compared with.
#![allow(clippy::disallowed_methods, reason = "tests own the clock")]

mod access;
mod admission;
mod applies;
mod backups;
mod collector;
mod definitions;
mod deletes;
mod faults;
mod json_patches;
mod lists;
mod runs;
mod store_model;
mod subresources;
mod support;
mod watches;
mod writes;

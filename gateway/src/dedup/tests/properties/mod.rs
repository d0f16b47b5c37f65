//! What holds of the state machines for any input, one file each.

mod any;
mod attempt;
mod commit;
mod decision;
mod writers;

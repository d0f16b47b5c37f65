//! What holds of the state machines for any input, one file each.

mod any;
mod attempt;
mod decision;

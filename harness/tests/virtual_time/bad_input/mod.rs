//! Bad bodies through the routes of a whole gateway: the sender is told what is wrong, and neighbours do not suffer.

mod alerts;
mod batches;
mod bodies;
mod transport;

//! The signal listener: its routes, its description, and clients that are in the way.

mod openapi;
mod routes;
mod sockets;

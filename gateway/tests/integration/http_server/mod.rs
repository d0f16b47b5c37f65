//! The signal listener: its routes, its description, and clients that are in the way.

mod answers;
mod connections;
mod heads;
mod limits;
mod openapi;
mod pressure;
mod rig;
mod routes;
mod sockets;
mod tls;

//! The embedded Kubernetes API: a generic kube-apiserver in memory.
//!
//! Production code reaches it through an ordinary `kube::Client`, in process ([`EmbeddedApi::client`]) or over a socket
//! ([`EmbeddedApi::serve`]). In process and under paused tokio time, the same calls give the same history every time.
//!
//! What it does is what kube-apiserver 1.36 does, as far as clients can tell, error texts included: `tests/conformance` sends
//! the same requests to both. It differs on purpose in this:
//!
//! - `managedFields` say what server-side apply owns, not what other writes do.
//! - No `Warning` headers. A field that is there twice counts as the last one says, also where a strict client would be
//!   refused. Syntax errors are told in the words of other parsers.
//! - Of built-in resources, Leases and RBAC are decoded and validated as Go's types are; the others keep what they are sent,
//!   metadata apart, and get no defaults.
//! - Roles and Bindings hold from the next request on, without escalation checks; aggregated ClusterRoles are not filled in;
//!   everybody may impersonate.
//! - A POST to the path of a custom object is refused.

mod api;
mod apply;
mod builtin;
mod clock;
mod collection;
mod config;
mod crd;
mod decode;
mod delete;
mod discovery;
mod draws;
mod faults;
mod gc;
mod handle;
mod link;
mod list;
mod names;
mod object;
mod options;
mod patch;
mod patching;
mod rbac;
mod render;
mod reply;
mod request;
mod resources;
mod review;
mod rules;
mod scale;
mod schema;
mod selectors;
mod serve;
mod server;
mod service;
mod signal;
mod status;
mod store;
mod table;
mod target;
mod tracer;
mod typed;
mod watch;
mod write;

pub use api::EmbeddedApi;
pub use config::Options;
pub use faults::{Down, Effect, Fault, Faults, Gate, Latency, NoFaults, Point, Script, WatchFault};
pub use link::ConnectionReset;
pub use request::{Caller, RequestInfo};
pub use server::RequestRecord;
pub use service::{AnswerBody, ApiService};
pub use store::Commit;
pub use tracer::{Ending, SentRequest, Tracer};

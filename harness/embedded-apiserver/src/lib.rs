#![doc = include_str!("../README.md")]

// The way of a request: `serve` (a socket) and `service` (in process, where faults strike) → `handle` (permissions, routes,
// verbs) → `write` and `delete`, `list`, `watch` → `store`. `schema` and `typed` say what objects may look like, `apply` and
// `patch` what changes make of them, `render` and `table` how they are shown. `api` is the whole of it for its users.

mod admission;
mod api;
mod apply;
mod backup;
mod builtin;
mod clock;
mod collection;
mod config;
mod crd;
mod decode;
mod defaults;
mod delete;
mod discovery;
mod draws;
mod eviction;
mod faults;
mod gc;
mod handle;
mod indexes;
mod link;
mod list;
mod names;
mod node;
mod object;
mod options;
mod part;
mod patch;
mod patching;
mod rbac;
mod refusal;
mod render;
mod reply;
mod request;
mod resources;
mod review;
mod rules;
mod scalable;
mod scale;
mod schema;
mod seed;
mod seeding;
mod selectors;
mod serve;
mod server;
mod service;
mod signal;
mod status;
mod store;
mod strategy;
mod subresource;
mod table;
mod target;
mod token_request;
mod tokens;
mod tracer;
mod typed;
mod watch;
mod write;

pub use admission::Admission;
pub use api::EmbeddedApi;
pub use backup::{Restore, Snapshot};
pub use config::Options;
pub use faults::{Down, Effect, Fault, Faults, Gate, Latency, NoFaults, Point, Script, WatchFault};
pub use link::ConnectionReset;
pub use refusal::Refusal;
pub use request::{Caller, RequestInfo};
pub use server::RequestRecord;
pub use service::{AnswerBody, ApiService};
pub use store::Commit;
pub use tracer::{Ending, SentRequest, Tracer};

//! Routes, authentication, limits and answers; knows `intake` and what it answers, `auth` and its decisions, and nothing of Kubernetes.
//!
//! A request's way, and where it may end:
//!
//! | step | ends in |
//! |---|---|
//! | path, method, content type, encoding, announced length | 404, 405, 415, 413 |
//! | shutting down | 503 |
//! | bearer token | 401, 403, 500, 503 |
//! | body, within the memory for all bodies | 413, 503 |
//! | no place among the requests under way | 503 |
//! | [`SignalHandler`](crate::intake::SignalHandler) | see [`answer`] |
//!
//! Alertmanager decides the policy: any 2xx is final, 5xx is sent again, and 429 and every other 4xx is final too. So
//! whatever may succeed later is answered 5xx, overload and slow bodies included.
//!
//! All routers are plain `axum::Router`s: [`server`] puts them on sockets, a simulator calls them in process.

pub mod answer;
mod app;
mod auth;
mod body;
mod gate;
mod info;
mod liveness;
mod memory;
pub mod operations;
mod problem;
mod request;
mod routes;
pub mod server;
mod signals;
pub mod tls;

pub use app::App;
pub use liveness::Liveness;
pub use operations::Readiness;
pub use problem::{CONTENT_TYPE as PROBLEM_JSON, Kind as ProblemKind};
pub use request::REQUEST_ID;
pub use routes::{KUBERNETES_EVENT, PROMETHEUS, routes};
pub use signals::router;

//! What an operator may set: YAML with camelCase keys, every key overridable by environment.
//!
//! A key's variable is its path in capitals behind `GATEWAY__`, with two underscores between levels and one between
//! words: `server.listenAddr` is `GATEWAY__SERVER__LISTEN_ADDR`. Names with a single underscore behind `GATEWAY` mean
//! nothing: Kubernetes itself sets `GATEWAY_PORT` and its like in every pod beside a Service called `gateway`.
//!
//! Unknown keys and variables and bad values are errors at start, all reported at once, each with its key. The default of
//! each key is in `gateway/deploy/config.example.yaml`. What a running gateway follows is in [`RELOADABLE`].

mod change;
mod command;
mod defaults;
mod duration;
pub mod env;
mod error;
mod filter;
mod hints;
mod identity;
mod keys;
mod load;
mod matchers;
mod order;
mod origin;
mod problems;
mod read;
mod secret;
mod settings;
mod show;
mod signals;
mod typed;
mod validate;
mod yaml;

pub use change::{Change, RELOADABLE, Update};
pub use command::{check, print};
pub use error::{Error, Problem};
pub use filter::InvalidFilter;
pub use identity::Identity;
pub use load::Loaded;
pub use matchers::{InvalidMatchers, Matchers};
pub use order::REQUEST_LIFE;
pub(crate) use order::decided_within;
pub use origin::{Files, Origin};
pub(crate) use read::bounded as read_file;
pub use read::text as read_text;
pub use secret::{masked_text, shown_address};
pub use settings::{
    Auth, AuthMode, Buffer, Commit, Config, DataStorage, Events, Lock, LogFormat, Logging, Processing, Retry, Scope,
    Server, Tls, Tracing, View,
};
pub use signals::{Cluster, Signals, TargetKind};

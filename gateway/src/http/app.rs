//! What the signal listener is made of.

use std::sync::Arc;

use super::operations::Readiness;
use crate::{
    auth::Authenticator, config, context::Context, intake::SignalHandler, log_limit::LogLimit, metrics::Metrics,
    trace::Tracer,
};

/// What the signal listener needs.
#[derive(Clone)]
pub struct App {
    /// What requests are handed to.
    pub handler: Arc<dyn SignalHandler>,
    /// Who may send; anyone if absent.
    pub auth: Option<Authenticator>,
    /// Limits and timeouts.
    pub server: config::Server,
    /// Time, tasks, request ids.
    pub context: Context,
    /// Where requests are counted.
    pub metrics: Metrics,
    /// Where traces begin.
    pub tracer: Tracer,
    /// Which lines about senders that are refused are written.
    pub log: LogLimit,
    /// Whether the replica shuts down.
    pub readiness: Readiness,
}

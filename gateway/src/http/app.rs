//! What the signal listener is made of.

use std::sync::Arc;

use super::operations::Readiness;
use crate::{auth::Authenticator, config, context::Context, intake::SignalHandler, metrics::Metrics};

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
    /// Whether the replica shuts down.
    pub readiness: Readiness,
}

//! Watching what goes on between callers and the server, request by request.

use std::sync::Arc;

use super::{faults::Fault, request::RequestInfo};

/// A request as it is sent.
#[derive(Clone, Copy, Debug)]
pub struct SentRequest<'a> {
    /// What it asks for. The name of an object to be created is in the body.
    pub info: &'a RequestInfo,
    /// The query of its URL.
    pub query: &'a str,
    /// Its body, empty if there is none.
    pub body: &'a [u8],
    /// What goes wrong with it.
    pub fault: &'a Fault,
}

/// What its sender hears of a request in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// An HTTP status.
    Code(u16),
    /// The connection broke.
    Reset,
    /// An HTTP status came (0: the connection broke) when nobody waited for it any more.
    Unheard(u16),
    /// Nothing: it was still under way when its sender died, and was dropped.
    Dropped,
}

/// Sees all that goes on. Called in the order in which things happen, committed writes apart: see
/// `EmbeddedApi::on_commit`. Must not use the server.
pub trait Tracer: Send + Sync {
    /// A request was sent; returns what it is called from now on.
    fn sent(&self, request: &SentRequest<'_>) -> u64;

    /// The server has carried the request out, or refused it; `body` is what it answers.
    fn took_effect(&self, id: u64, caller: &str, code: u16, body: &[u8]);

    /// The request is over.
    fn ended(&self, id: u64, caller: &str, ending: Ending);

    /// A line of a watch of `resource` (the plural) reached `caller`.
    fn delivered(&self, caller: &str, resource: &str, line: &[u8]);

    /// A watch of `resource` (the plural) by `caller` ended; `how` in a word.
    fn watch_ended(&self, caller: &str, resource: &str, how: &'static str);

    /// Something was done to the server or to what `user` sees of it; `what` in a few words.
    fn controlled(&self, user: &str, what: &'static str);
}

/// One request and the tracer that sees it, if there is one.
#[derive(Clone, Default)]
pub(super) struct Traced(Option<(Arc<dyn Tracer>, u64, String)>);

impl Traced {
    /// Shows the tracer a request that was sent.
    pub(super) fn sent(tracer: Option<Arc<dyn Tracer>>, request: &SentRequest<'_>) -> Self {
        Self(tracer.map(|tracer| {
            let id = tracer.sent(request);
            (tracer, id, request.info.caller.user.clone())
        }))
    }

    /// See [`Tracer::took_effect`].
    pub(super) fn took_effect(&self, code: u16, body: &[u8]) {
        if let Self(Some((tracer, id, caller))) = self {
            tracer.took_effect(*id, caller, code, body);
        }
    }

    /// See [`Tracer::ended`].
    pub(super) fn ended(&self, ending: Ending) {
        if let Self(Some((tracer, id, caller))) = self {
            tracer.ended(*id, caller, ending);
        }
    }
}

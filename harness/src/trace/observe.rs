//! How a trace comes to know of requests, writes and signals.

use std::sync::Arc;

use super::{
    event::{API, What},
    record::{Mode, Trace},
    summary,
};
use crate::{oracles::Oracles, replica::Answer};
use embedded_apiserver::{Commit, EmbeddedApi, Ending, SentRequest, Tracer};

impl Trace {
    /// From now on, records all that happens at `api`, and what `oracles` say to it; they must watch `api` already.
    pub fn observe(self: &Arc<Self>, api: &EmbeddedApi, oracles: &Oracles) {
        if self.mode == Mode::Off {
            return;
        }
        api.set_tracer(Arc::clone(self) as _);
        let (trace, oracles) = (Arc::clone(self), oracles.clone());
        api.on_commit(move |commit| {
            trace.committed(commit);
            trace.judged(&oracles);
        });
    }

    fn committed(&self, commit: &Commit) {
        let Commit { resource_version, verb, subresource, resource, name, new, .. } = commit;
        let key = ("commit", resource_version, verb, resource, subresource, name, new.as_deref());
        self.record(&commit.caller, key, || What::Committed(summary::committed(commit)));
    }

    /// Records what the oracles have found since the last time.
    pub(crate) fn judged(&self, oracles: &Oracles) {
        if self.mode == Mode::Off {
            return;
        }
        let found = oracles.violations();
        let known = std::mem::replace(&mut self.state().violations, found.len());
        for violation in found.iter().skip(known) {
            self.violation(violation);
        }
    }

    /// A signal about `fingerprint` arrives at `replica`.
    pub fn posted(self: &Arc<Self>, replica: &str, fingerprint: &str) -> Posted {
        let signal = {
            let mut state = self.state();
            state.signals += 1;
            state.signals
        };
        let what = || What::Posted { signal, fingerprint: fingerprint.to_owned() };
        self.record(replica, ("posted", signal, fingerprint), what);
        Posted { trace: Arc::clone(self), replica: replica.to_owned(), signal, is_answered: false }
    }
}

/// A signal that waits for its answer. Dropped without one, its sender waits no longer.
#[derive(Debug)]
pub struct Posted {
    trace: Arc<Trace>,
    replica: String,
    signal: u64,
    is_answered: bool,
}

impl Posted {
    /// The answer is `answer`.
    pub fn answered(mut self, answer: &Answer) {
        self.is_answered = true;
        let Answer { status, body } = answer;
        let (signal, status) = (self.signal, status.as_u16());
        self.trace.record(&self.replica, ("replied", signal, status, body), || {
            let text = |key: &str| body[key].as_str().map(str::to_owned);
            let detail = text("remediationRequestName").or_else(|| text("detail")).or_else(|| text("message"));
            let count = body["metadata"]["occurrenceCount"].as_u64();
            What::Replied { signal, status, detail: detail.unwrap_or_default(), count }
        });
    }
}

impl Drop for Posted {
    fn drop(&mut self) {
        if !self.is_answered {
            let signal = self.signal;
            self.trace.record(&self.replica, ("unanswered", signal), || What::Replied {
                signal,
                status: 0,
                detail: String::new(),
                count: None,
            });
        }
    }
}

impl Tracer for Trace {
    fn sent(&self, request: &SentRequest<'_>) -> u64 {
        let SentRequest { info, query, body, fault } = *request;
        let id = {
            let mut state = self.state();
            state.requests += 1;
            state.requests
        };
        let key = ("sent", id, info.verb, &info.path, query, body, fault);
        self.record(&info.caller.user, key, || What::Sent(summary::sent(id, request)));
        id
    }

    fn took_effect(&self, id: u64, caller: &str, code: u16, body: &[u8]) {
        self.record(caller, ("effect", id, code, body), || summary::took_effect(id, code, body));
    }

    fn ended(&self, id: u64, caller: &str, ending: Ending) {
        self.record(caller, ("ended", id, ending), || What::Ended { request: id, ending });
    }

    fn delivered(&self, caller: &str, resource: &str, line: &[u8]) {
        self.record(caller, ("delivered", resource, line), || summary::delivered(resource, line));
    }

    fn watch_ended(&self, caller: &str, resource: &str, how: &'static str) {
        let what = || What::WatchEnded { resource: resource.to_owned(), how };
        self.record(caller, ("watch ended", resource, how), what);
    }

    fn controlled(&self, user: &str, what: &'static str) {
        let actor = if user.is_empty() { API } else { user };
        self.record(actor, ("controlled", what), || What::Note(what.to_owned()));
    }
}

//! Which span something is done in.

use std::{borrow::Cow, fmt, future::Future, sync::Arc};

use http::HeaderMap;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::task::futures::TaskLocalFuture;

use super::{
    data::{Kind, Notes, SpanData},
    recorder::Recorder,
    w3c::{Parent, SpanContext, SpanId, TraceId, inject},
};
use crate::{context::Monotonic, metrics::Exemplar};

tokio::task_local! {
    static CURRENT: Scope;
}

/// The span that something is done in, if it is done in one; cheap to clone.
#[derive(Clone, Default)]
pub struct Scope(Option<Arc<Place>>);

struct Place {
    recorder: Arc<Recorder>,
    request_id: Arc<str>,
    context: SpanContext,
    state: Option<Arc<str>>,
    notes: Mutex<Notes>,
}

impl Place {
    fn recorded(&self) -> Option<&Self> {
        self.context.is_sampled.then_some(self)
    }
}

/// A span that lasts until this is dropped.
pub struct Span {
    scope: Scope,
    open: Option<Box<Open>>,
}

struct Open {
    parent: Option<SpanId>,
    is_parent_remote: bool,
    name: Cow<'static, str>,
    kind: Kind,
    start: Timestamp,
    began: Monotonic,
}

impl Scope {
    /// That of the running task.
    pub fn current() -> Self {
        CURRENT.try_with(Clone::clone).unwrap_or_default()
    }

    /// Runs `future` in this scope.
    pub fn within<F: Future>(self, future: F) -> TaskLocalFuture<Self, F> {
        CURRENT.scope(self, future)
    }

    /// Begins a span within this one.
    pub fn child(&self, kind: Kind, name: impl FnOnce() -> Cow<'static, str>) -> Span {
        match self.recorded() {
            Some(place) => {
                let Place { recorder, request_id, context, state, .. } = place;
                let parent = Some(context.span_id);
                let context = SpanContext { span_id: recorder.new_span_id(), ..*context };
                Span::open(recorder, request_id, (context, state.clone()), (parent, false), kind, name())
            }
            None => Span::part_of(self.clone()),
        }
    }

    /// Notes something of the span, if it is recorded.
    pub fn note(&self, note: impl FnOnce(&mut Notes)) {
        if let Some(place) = self.recorded() {
            note(&mut place.notes.lock());
        }
    }

    /// Tells whoever gets a request with `headers` that it is made in this span.
    pub fn inject(&self, headers: &mut HeaderMap) {
        if let Some(place) = &self.0 {
            inject(headers, &place.context, place.state.as_deref());
        }
    }

    /// The trace, if the span is recorded.
    pub fn trace_id(&self) -> Option<TraceId> {
        Some(self.recorded()?.context.trace_id)
    }

    /// Where to look for more about what is observed of the span now, if it is recorded.
    pub fn exemplar(&self) -> Option<Exemplar> {
        let Place { recorder, request_id, context, notes, .. } = self.recorded()?;
        if notes.lock().is_discarded {
            return None;
        }
        let (trace_id, request_id) = (context.trace_id.to_string(), Arc::clone(request_id));
        Some(Exemplar { trace_id, request_id, at: recorder.context.now() })
    }

    /// The API server's address, if this is recorded and it is known.
    pub fn api_server(&self) -> Option<&http::Uri> {
        self.recorded()?.recorder.api_server.as_ref()
    }

    fn recorded(&self) -> Option<&Place> {
        self.0.as_deref().and_then(Place::recorded)
    }
}

/// Begins the span of what is done for all of `scopes` at once: within the first that is recorded, linked with the others, and they
/// with it. If it is done for one alone, that is its span.
pub fn together<'a>(
    scopes: impl Iterator<Item = &'a Scope> + Clone,
    kind: Kind,
    name: impl FnOnce() -> Cow<'static, str>,
) -> Span {
    let mut recorded = scopes.clone().filter(|scope| scope.recorded().is_some());
    let Some(first) = recorded.next() else {
        // Whether it is recorded or not, the sender's context is passed on.
        return Span::part_of(scopes.into_iter().next().cloned().unwrap_or_default());
    };
    let mut others = recorded.peekable();
    if kind == Kind::Internal && others.peek().is_none() {
        return Span::part_of(first.clone());
    }
    let span = first.child(kind, name);
    if let Some(own) = span.scope.recorded() {
        for other in others {
            other.note(|notes| notes.link(own.context));
            if let Some(other) = other.recorded() {
                span.scope.note(|notes| notes.link(other.context));
            }
        }
    }
    span
}

impl Span {
    /// One that is not recorded.
    pub fn none() -> Self {
        Self::part_of(Scope::default())
    }

    fn part_of(scope: Scope) -> Self {
        Self { scope, open: None }
    }

    pub(super) fn open(
        recorder: &Arc<Recorder>,
        request_id: &Arc<str>,
        (context, state): (SpanContext, Option<Arc<str>>),
        (parent, is_parent_remote): (Option<SpanId>, bool),
        kind: Kind,
        name: Cow<'static, str>,
    ) -> Self {
        let Recorder { context: clocks, .. } = &**recorder;
        let (start, began) = (clocks.now(), clocks.monotonic());
        let (recorder, request_id) = (Arc::clone(recorder), Arc::clone(request_id));
        let place = Place { recorder, request_id, context, state, notes: Mutex::default() };
        let open = context.is_sampled.then(|| Box::new(Open { parent, is_parent_remote, name, kind, start, began }));
        Self { scope: Scope(Some(Arc::new(place))), open }
    }

    /// The span of a request, whose sender tells of `parent`.
    pub(super) fn of_request(
        recorder: &Arc<Recorder>,
        parent: Option<&Parent>,
        request_id: &Arc<str>,
        name: impl FnOnce() -> Cow<'static, str>,
    ) -> Self {
        let new = |trace_id, is_sampled| SpanContext { trace_id, span_id: recorder.new_span_id(), is_sampled };
        let (context, state, parent) = match parent {
            Some(Parent { context, state }) if context.is_sampled => {
                (new(context.trace_id, true), state.clone(), Some(context.span_id))
            }
            // Passed on as it is.
            Some(Parent { context, state }) => (*context, state.clone(), None),
            None => {
                let id = recorder.new_trace_id();
                (new(id, recorder.samples(id)), None, None)
            }
        };
        let name = if context.is_sampled { name() } else { Cow::default() };
        Self::open(recorder, request_id, (context, state), (parent, parent.is_some()), Kind::Server, name)
    }

    /// What is done in it.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let (Some(open), Some(place)) = (self.open.take(), &self.scope.0) else { return };
        let notes = std::mem::take(&mut *place.notes.lock());
        if notes.is_discarded {
            return;
        }
        let Open { parent, is_parent_remote, name, kind, start, began } = *open;
        let Recorder { context, sink, .. } = &*place.recorder;
        let start = u64::try_from(start.as_nanosecond()).unwrap_or_default();
        // The wall clock may have been set meanwhile.
        let took = u64::try_from(context.monotonic().since(began).as_nanos()).unwrap_or(u64::MAX);
        let (end, state) = (start.saturating_add(took), place.state.clone());
        sink(SpanData { context: place.context, state, parent, is_parent_remote, name, kind, start, end, notes });
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scope").field(&self.0.as_ref().map(|place| place.context)).finish()
    }
}

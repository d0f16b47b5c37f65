//! Watches: a stream of events that the client pulls out of a collection's history.

use std::{collections::VecDeque, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::select;
use serde_json::{Value, json};

use super::{
    collection::Event,
    faults::{Gate, Point, WatchFault},
    link::{ConnectionReset, Link},
    list, object,
    render::{Renderer, to_bytes},
    request::{Caller, Form, Request},
    selectors::Selector,
    server::Server,
    signal::Signal,
    status::{Failure, Result},
};

/// Where a watch without `timeoutSeconds` ends; kube-apiserver draws from the 30 minutes after this.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30 * 60);
/// The last bookmark of a watch comes this long before its end.
const LAST_BOOKMARK: Duration = Duration::from_secs(2);
/// A watch of a custom resource ends this long after its definition was replaced.
const REDEFINED: Duration = Duration::from_secs(1);

/// One watch.
pub(super) struct Watch {
    server: Arc<Server>,
    renderer: Renderer,
    caller: Caller,
    namespace: String,
    selector: Selector,
    link: Link,
    changed: Signal,
    /// Events up to this version are done with.
    seen: u64,
    /// Of the collection when it began.
    life: u64,
    /// More than the server's own lag.
    lag: Duration,
    /// Ready to be sent.
    frames: VecDeque<Bytes>,
    /// An event whose fate is decided: when to send it.
    due: Option<(Duration, Bytes)>,
    /// What that event waits for, beside its time.
    gate: Option<Gate>,
    /// When to send the next bookmark, if they are wanted.
    bookmark: Option<Duration>,
    end: Duration,
    ended: bool,
}

/// What there is to do next.
enum Step {
    Send(Bytes),
    WaitUntil(Duration),
    Break,
    End,
}

impl Watch {
    /// Starts a watch on `renderer.resource`.
    pub(super) fn start(
        server: &Arc<Server>,
        renderer: Renderer,
        selector: Selector,
        namespace: String,
        request: Request,
    ) -> Result<Self> {
        let Request { info, query, link, cache_lag, .. } = request;
        let version = query.get("resourceVersion");
        let from: u64 =
            if version.is_empty() { 0 } else { version.parse().map_err(|_| Failure::bad_version(version))? };
        let now = server.clock().elapsed();
        let (changed, (life, _)) = {
            let store = server.store();
            let collection = store.collection(&renderer.resource);
            (collection.changed.clone(), collection.life)
        };
        let timeout = query.number("timeoutSeconds").filter(|seconds| *seconds > 0);
        let end = now + timeout.map_or(DEFAULT_TIMEOUT, Duration::from_secs);
        let bookmark = query.flag("allowWatchBookmarks").then(|| next_bookmark(server, now, end));
        let mut watch = Self {
            server: Arc::clone(server),
            renderer,
            caller: info.caller,
            namespace,
            selector,
            link,
            changed,
            seen: from,
            life,
            lag: cache_lag,
            frames: VecDeque::new(),
            due: None,
            gate: None,
            bookmark,
            end,
            ended: false,
        };
        let initial = query.flag("sendInitialEvents");
        if from == 0 || initial {
            watch.synthesise(initial && watch.bookmark.is_some());
        }
        Ok(watch)
    }

    /// ADDED for everything that the cache has.
    fn synthesise(&mut self, mark_end: bool) {
        let horizon = self.server.horizon(&self.caller.user, self.lag);
        let store = self.server.store();
        let collection = store.collection(&self.renderer.resource);
        let first_hidden = collection.events.iter().rev().take_while(|event| horizon.hides(event)).last();
        self.seen = first_hidden.map_or(store.etcd(&self.renderer.resource).cached(), |event| event.version - 1);
        let objects = collection.rewound(|event| horizon.hides(event));
        drop(store);
        for object in list::selected(&objects, &self.namespace, &self.selector) {
            self.frames.push_back(frame("ADDED", &to_bytes(&self.renderer.value(object))));
        }
        if mark_end {
            let mut bookmark = self.bookmark_object();
            object::set(&mut bookmark, "annotations", Some(json!({"k8s.io/initial-events-end": "true"})));
            self.frames.push_back(frame("BOOKMARK", &to_bytes(&bookmark)));
        }
    }

    /// The next piece of the stream; none at its end.
    pub(super) async fn next(&mut self) -> Option<std::result::Result<Bytes, ConnectionReset>> {
        loop {
            if self.ended {
                return None;
            }
            let control = self.server.control();
            let (changes, controls) = (self.changed.get(), control.get());
            let until = match self.step() {
                Step::Send(frame) => {
                    let passes = match self.gate.take() {
                        Some(gate) => passes(gate, self.link.clone()).await,
                        None => true,
                    };
                    if passes {
                        if let Some(tracer) = self.server.tracer() {
                            tracer.delivered(&self.caller.user, &self.renderer.resource.plural, &frame);
                        }
                        return Some(Ok(frame));
                    }
                    continue;
                }
                Step::WaitUntil(until) => until,
                Step::Break => {
                    self.conclude("broke");
                    return Some(Err(ConnectionReset));
                }
                Step::End => {
                    self.conclude("ended");
                    return None;
                }
            };
            let Link { dead, watches, .. } = self.link.clone();
            let noticed = async {
                let (dead, broken) = (pin!(dead.cancelled()), pin!(watches.cancelled()));
                let (controlled, changed) =
                    (pin!(control.differs_from(controls)), pin!(self.changed.differs_from(changes)));
                select(select(dead, broken), select(controlled, changed)).await;
            };
            self.server.clock().wait_until(until, noticed).await;
            if dead.is_cancelled() {
                // Nobody is told that it is dead.
                std::future::pending::<()>().await;
            }
        }
    }

    fn conclude(&mut self, how: &'static str) {
        self.ended = true;
        if let Some(tracer) = self.server.tracer() {
            tracer.watch_ended(&self.caller.user, &self.renderer.resource.plural, how);
        }
    }

    fn step(&mut self) -> Step {
        let now = self.server.clock().elapsed();
        if self.link.watches.is_cancelled() {
            return Step::Break;
        }
        if now >= self.end {
            return Step::End;
        }
        if self.server.is_held(&self.caller.user) {
            return Step::WaitUntil(self.end);
        }
        if let Some(frame) = self.frames.pop_front() {
            return Step::Send(frame);
        }
        if self.due.is_none() {
            match self.advance(now) {
                Some(Step::WaitUntil(_)) | None => {}
                Some(step) => return step,
            }
        }
        match self.due.take() {
            Some((at, frame)) if at <= now => Step::Send(frame),
            Some((at, frame)) => {
                self.due = Some((at, frame));
                Step::WaitUntil(at.min(self.end))
            }
            None => self.idle(now),
        }
    }

    /// Nothing to deliver now: a bookmark if it is time, else wait. A watch from a version that is not reached yet has none.
    fn idle(&mut self, now: Duration) -> Step {
        let version = self.server.store().etcd(&self.renderer.resource).cached();
        let next_event = self.next_visible();
        let wake = [Some(self.end), self.bookmark, next_event].into_iter().flatten().min().unwrap_or(self.end);
        match self.bookmark {
            Some(at) if at <= now => {
                let next = next_bookmark(&self.server, now, self.end);
                self.bookmark = Some(next);
                if self.seen > version {
                    return Step::WaitUntil(next.min(self.end));
                }
                if next_event.is_none() {
                    self.seen = version;
                }
                Step::Send(frame("BOOKMARK", &to_bytes(&self.bookmark_object())))
            }
            _ => Step::WaitUntil(wake),
        }
    }

    /// When the next event that the cache does not show yet will be visible.
    fn next_visible(&self) -> Option<Duration> {
        let store = self.server.store();
        let events = &store.collection(&self.renderer.resource).events;
        let next = events.partition_point(|event| event.version <= self.seen);
        events.get(next).map(|event| event.at + self.server.lag() + self.lag)
    }

    /// Moves on to the next event that concerns this watch and decides its fate.
    fn advance(&mut self, now: Duration) -> Option<Step> {
        let horizon = self.server.horizon(&self.caller.user, self.lag);
        let server = Arc::clone(&self.server);
        let store = server.store();
        let collection = store.collection(&self.renderer.resource);
        let (life, renewed_at) = collection.life;
        if self.life != life {
            self.end = self.end.min(renewed_at + REDEFINED);
            self.seen = u64::MAX;
            return None;
        }
        if self.seen < collection.forgotten {
            self.ended_after(format!("too old resource version: {} ({})", self.seen, collection.forgotten));
            return self.frames.pop_front().map(Step::Send);
        }
        let first = collection.events.partition_point(|event| event.version <= self.seen);
        let mut sent = None;
        for event in collection.events.range(first..) {
            if horizon.hides(event) {
                break;
            }
            self.seen = event.version;
            sent = self.event_frame(event);
            if sent.is_some() {
                break;
            }
        }
        drop(store);
        let frame = sent?;
        let (faults, plural) = (self.server.faults(), &self.renderer.resource.plural);
        match faults.watch_event(&self.caller, plural) {
            WatchFault::Delay(delay) => {
                self.due = Some((now + delay, frame));
                self.gate = faults.gate(Point::Event(&self.caller, plural));
                None
            }
            WatchFault::Break => Some(Step::Break),
            WatchFault::End => Some(Step::End),
            WatchFault::Expire => {
                self.ended_after("The resourceVersion for the provided watch is too old.".to_owned());
                self.frames.pop_front().map(Step::Send)
            }
        }
    }

    /// An ERROR event, and then the end.
    fn ended_after(&mut self, message: String) {
        self.frames.clear();
        self.frames.push_back(frame("ERROR", &to_bytes(&Failure::expired(message).to_value())));
        self.end = Duration::ZERO;
    }

    /// The event as this watch sees it: by its selectors an object may come and go without being created or deleted.
    fn event_frame(&self, event: &Event) -> Option<Bytes> {
        let selects = |object: &Option<Arc<Value>>| {
            object.as_ref().is_some_and(|object| {
                let inside = self.namespace.is_empty() || object::namespace(object) == self.namespace;
                inside && self.selector.matches(object)
            })
        };
        let gone = || {
            event.old.as_ref().map(|old| {
                let mut last = Value::clone(old);
                object::set(&mut last, "resourceVersion", Some(event.version.to_string().into()));
                frame("DELETED", &to_bytes(&self.renderer.value(&last)))
            })
        };
        let shown = |kind| event.new.as_ref().map(|new| frame(kind, &self.renderer.text(new, &event.text)));
        match (selects(&event.old), selects(&event.new)) {
            (false, true) => shown("ADDED"),
            (true, true) => shown("MODIFIED"),
            (true, false) => gone(),
            (false, false) => None,
        }
    }

    fn bookmark_object(&self) -> Value {
        let resource = &self.renderer.resource;
        let (kind, api_version) = match self.renderer.form {
            Form::Metadata => ("PartialObjectMetadata", "meta.k8s.io/v1"),
            _ => (resource.kind.as_str(), resource.api_version.as_str()),
        };
        let mut bookmark = json!({
            "kind": kind,
            "apiVersion": api_version,
            "metadata": {"resourceVersion": self.seen.to_string()},
        });
        if resource.plural == "leases" && self.renderer.form == Form::Object {
            // A Lease of Go is never without one.
            bookmark["spec"] = json!({});
        }
        bookmark
    }
}

/// Waits at the gate; false if the watch breaks there.
async fn passes(gate: Gate, link: Link) -> bool {
    match link.dead.run_until_cancelled(link.watches.run_until_cancelled(gate)).await {
        Some(passed) => passed.is_some(),
        // Nobody is told that it is dead.
        None => std::future::pending().await,
    }
}

/// One line of the stream.
fn frame(kind: &str, object: &[u8]) -> Bytes {
    [br#"{"type":""#, kind.as_bytes(), br#"","object":"#, object, b"}\n"].concat().into()
}

/// Regularly, and once more shortly before the end, so that the next watch can begin where this one ended.
fn next_bookmark(server: &Server, now: Duration, end: Duration) -> Duration {
    let regular = now + server.options().bookmark_interval;
    let last = end.saturating_sub(LAST_BOOKMARK);
    if last > now { regular.min(last) } else { regular }
}

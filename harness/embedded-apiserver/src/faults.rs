//! What goes wrong on the way to the server and back.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use parking_lot::Mutex;

use super::{
    refusal::Refusal,
    request::{Caller, RequestInfo},
};

/// What the client gets in the place of the server's own answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// The connection breaks.
    Reset,
    /// A failed request's `Status`.
    Status {
        /// The HTTP status.
        code: u16,
        /// Such as `TooManyRequests`.
        reason: &'static str,
        /// For people.
        message: String,
        /// The `Retry-After` header, in seconds.
        retry_after_s: Option<u64>,
    },
}

impl Effect {
    /// 429, as API priority and fairness answers.
    pub fn throttled(retry_after_s: u64) -> Self {
        let message = "Too many requests, please try again later.".to_owned();
        Self::Status { code: 429, reason: "TooManyRequests", message, retry_after_s: Some(retry_after_s) }
    }

    /// 404, as where a resource is not served.
    pub fn not_found() -> Self {
        let message = "the server could not find the requested resource".to_owned();
        Self::Status { code: 404, reason: "NotFound", message, retry_after_s: None }
    }

    /// 500.
    pub fn internal_error() -> Self {
        let message = "Internal error occurred: etcdserver: leader changed".to_owned();
        Self::Status { code: 500, reason: "InternalError", message, retry_after_s: None }
    }

    /// 503.
    pub fn unavailable() -> Self {
        let message = "the server is currently unable to handle the request".to_owned();
        Self::Status { code: 503, reason: "ServiceUnavailable", message, retry_after_s: None }
    }

    /// 504; as [`Fault::after`] the request has taken effect.
    pub fn timed_out() -> Self {
        let message = "Timeout: request did not complete within the allotted timeout".to_owned();
        Self::Status { code: 504, reason: "Timeout", message, retry_after_s: None }
    }
}

/// The fate of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fault {
    /// How long the request is under way before it takes effect. Whole milliseconds: tokio's timers know no less.
    pub delay_before: Duration,
    /// Answered in its place, without effect.
    pub before: Option<Effect>,
    /// How long the answer is under way. Whole milliseconds.
    pub delay_after: Duration,
    /// Takes effect, and then this is answered.
    pub after: Option<Effect>,
    /// Refused where it is judged, after validation.
    pub refusal: Option<Refusal>,
    /// How much longer than others the server that serves this list or watch from its cache lags behind the store.
    pub cache_lag: Duration,
}

impl Fault {
    /// The request is lost: the connection breaks before it takes effect.
    pub fn lost() -> Self {
        Self { before: Some(Effect::Reset), ..Self::default() }
    }

    /// The answer is lost: the request takes effect, and the connection breaks.
    pub fn answer_lost() -> Self {
        Self { after: Some(Effect::Reset), ..Self::default() }
    }

    /// Reaches the server, which refuses it if it is otherwise good.
    pub fn denied(refusal: Refusal) -> Self {
        Self { refusal: Some(refusal), ..Self::default() }
    }

    /// Answered with `effect`, without effect on the store.
    pub fn refused(effect: Effect) -> Self {
        Self { before: Some(effect), ..Self::default() }
    }
}

/// The fate of one event on one watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchFault {
    /// Delivered this much later (whole milliseconds); what follows it waits too.
    Delay(Duration),
    /// The connection breaks in its place.
    Break,
    /// The watch ends without error in its place.
    End,
    /// The watch ends with 410 Expired in its place.
    Expire,
}

/// Something that is about to happen and may be made to wait.
#[derive(Clone, Copy, Debug)]
pub enum Point<'a> {
    /// A request that was sent is about to take effect.
    Effect(&'a RequestInfo),
    /// The answer to a request is about to arrive.
    Answer(&'a RequestInfo),
    /// An event is about to arrive on a watch of a resource (the plural).
    Event(&'a Caller, &'a str),
}

/// Completes when what waits at a [`Point`] may happen.
pub type Gate = BoxFuture<'static, ()>;

/// Decides what goes wrong. Called in the order in which requests are sent, so that draws are reproducible.
pub trait Faults: Send + Sync {
    /// The fate of `request`.
    fn decide(&self, request: &RequestInfo) -> Fault;

    /// What must complete before `point` happens, beside the delays; none if nothing. With it, a scheduler can choose
    /// the order of everything. Asked for the effect when the request is sent, for the others when they are due.
    fn gate(&self, point: Point<'_>) -> Option<Gate> {
        let _ = point;
        None
    }

    /// The fate of the next event on a watch of `resource` (the plural) by `caller`. Not asked for bookmarks.
    fn watch_event(&self, caller: &Caller, resource: &str) -> WatchFault {
        let _ = (caller, resource);
        WatchFault::Delay(Duration::ZERO)
    }
}

/// Nothing goes wrong, and nothing takes time.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFaults;

impl Faults for NoFaults {
    fn decide(&self, _: &RequestInfo) -> Fault {
        Fault::default()
    }
}

/// Nothing goes wrong, but requests take time. A write takes effect half-way.
#[derive(Clone, Copy, Debug)]
pub struct Latency {
    /// Of get, list and watch.
    pub read: Duration,
    /// Of everything else.
    pub write: Duration,
}

impl Default for Latency {
    /// 1 ms and 4 ms, about what an idle kube-apiserver takes beside its etcd.
    fn default() -> Self {
        Self { read: Duration::from_millis(1), write: Duration::from_millis(4) }
    }
}

impl Faults for Latency {
    fn decide(&self, request: &RequestInfo) -> Fault {
        let total = if request.is_read() { self.read } else { self.write };
        let before = Duration::from_millis(u64::try_from(total.as_millis() / 2).unwrap_or(u64::MAX));
        Fault { delay_before: before, delay_after: total - before, ..Fault::default() }
    }
}

type Matcher = Box<dyn FnMut(&RequestInfo) -> bool + Send>;

struct Rule {
    matches: Matcher,
    fault: Fault,
    times: usize,
}

/// A list of rules; the first that matches and is not used up decides, else `base` does.
pub struct Script {
    base: Arc<dyn Faults>,
    rules: Mutex<VecDeque<Rule>>,
}

impl Script {
    /// No rules yet over `base`.
    pub fn over(base: Arc<dyn Faults>) -> Self {
        Self { base, rules: Mutex::new(VecDeque::new()) }
    }

    /// No rules yet over [`NoFaults`].
    pub fn new() -> Self {
        Self::over(Arc::new(NoFaults))
    }

    /// The next `times` requests for which `matches` holds get `fault`. Rules may be added while requests are served.
    pub fn add(&self, times: usize, fault: Fault, matches: impl FnMut(&RequestInfo) -> bool + Send + 'static) {
        let rule = Rule { matches: Box::new(matches), fault, times };
        self.rules.lock().push_back(rule);
    }

    /// As [`Script::add`], by verb and resource (with subresource, such as `remediationrequests/status`).
    pub fn on(&self, times: usize, verb: &'static str, resource: &'static str, fault: Fault) {
        self.add(times, fault, move |request| request.verb == verb && request.label() == resource);
    }

    /// Drops all rules.
    pub fn clear(&self) {
        self.rules.lock().clear();
    }
}

impl Default for Script {
    fn default() -> Self {
        Self::new()
    }
}

impl Faults for Script {
    fn decide(&self, request: &RequestInfo) -> Fault {
        let mut rules = self.rules.lock();
        for rule in rules.iter_mut() {
            if rule.times > 0 && (rule.matches)(request) {
                rule.times -= 1;
                return rule.fault.clone();
            }
        }
        drop(rules);
        self.base.decide(request)
    }

    fn gate(&self, point: Point<'_>) -> Option<Gate> {
        self.base.gate(point)
    }

    fn watch_event(&self, caller: &Caller, resource: &str) -> WatchFault {
        self.base.watch_event(caller, resource)
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").finish_non_exhaustive()
    }
}

/// A switch that cuts everybody off, or some users, over other faults.
///
/// Watches under way stay; see `EmbeddedApi::break_watches` and `EmbeddedApi::hold_watches`.
pub struct Down {
    base: Arc<dyn Faults>,
    down: AtomicBool,
    cut_off: Mutex<BTreeSet<String>>,
}

impl Down {
    /// Switched off: `base` decides.
    pub fn over(base: Arc<dyn Faults>) -> Self {
        Self { base, down: AtomicBool::new(false), cut_off: Mutex::default() }
    }

    /// While `down`, no request reaches the server.
    pub fn set(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// While `cut_off`, no request of `user` reaches the server.
    pub fn cut_off(&self, user: &str, cut_off: bool) {
        let mut users = self.cut_off.lock();
        if cut_off {
            users.insert(user.to_owned());
        } else {
            users.remove(user);
        }
    }
}

impl Faults for Down {
    fn decide(&self, request: &RequestInfo) -> Fault {
        let cut_off = self.cut_off.lock().contains(&request.caller.user);
        if cut_off || self.down.load(Ordering::SeqCst) { Fault::lost() } else { self.base.decide(request) }
    }

    fn gate(&self, point: Point<'_>) -> Option<Gate> {
        self.base.gate(point)
    }

    fn watch_event(&self, caller: &Caller, resource: &str) -> WatchFault {
        self.base.watch_event(caller, resource)
    }
}

impl fmt::Debug for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Down").field("down", &self.down).finish_non_exhaustive()
    }
}

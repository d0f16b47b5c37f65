//! Decides the fate of each request and watch event.
//!
//! A fate is drawn from the seed, the caller and the number of its request, not from one sequence for all: leaving a
//! replica or a fault out of a scenario leaves the others' fates as they were, which makes minimising possible.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use parking_lot::Mutex;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::{sync::mpsc::UnboundedSender, time::Instant};

use super::scenario::{Network, Refusal};
use crate::oracles::is_counter_name;
use embedded_apiserver::{Caller, Effect, Fault, Faults, RequestInfo, WatchFault};

/// The peer's user.
pub const PEER: &str = "peer-creator";

/// The network of callers other than replicas, and of all callers after healing.
const CALM: Network = Network {
    latency_min_ms: 1,
    latency_max_ms: 3,
    latency_step_ms: 0,
    slow: 0,
    slow_max_ms: 0,
    slow_answer: 0,
    lost: 0,
    answer_lost: 0,
    refused: 0,
    timed_out: 0,
    lagging: 0,
    late_event: 0,
    lag_max_ms: 0,
    broken_watch: 0,
    event_lag_ms: 0,
};

/// Requests of one caller that may take no time at all, one after the other. Who asks again at once would never see time pass
/// where answers take none: its run would not end, and no oracle would judge it.
const AT_ONCE_MAX: u64 = 1_000;

/// The way between the replicas and the API.
pub struct Wire {
    network: Network,
    seed: u64,
    state: Mutex<State>,
    /// Told of each request of a replica: its pod and the request's number.
    sent: UnboundedSender<(String, u64)>,
}

#[derive(Default)]
struct State {
    healed: bool,
    down: bool,
    cut: BTreeSet<String>,
    refusals: Vec<Refusal>,
    callers: BTreeMap<String, Count>,
}

#[derive(Default)]
struct Count {
    requests: u64,
    events: u64,
    /// When the last request was sent, and how many were at that very moment.
    last: Option<(Instant, u64)>,
}

impl Count {
    /// Counts a request that is sent `now`; tells how many are, with it.
    fn request(&mut self, now: Instant) -> u64 {
        self.requests += 1;
        let before = self.last.map_or(0, |(at, count)| if at == now { count } else { 0 });
        self.last = Some((now, before + 1));
        before + 1
    }
}

impl Wire {
    /// Fates by `network` and `seed`; each request of a replica is told to `sent`.
    pub fn new(network: Network, seed: u64, sent: UnboundedSender<(String, u64)>) -> Self {
        Self { network, seed, state: Mutex::default(), sent }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock())
    }

    /// From now on nothing is lost, refused or slow.
    pub fn heal(&self) {
        self.with(|state| {
            *state = State { healed: true, callers: std::mem::take(&mut state.callers), ..State::default() };
        });
    }

    /// While `down`, nobody reaches the API.
    pub fn set_down(&self, down: bool) {
        self.with(|state| state.down = down && !state.healed);
    }

    /// While `cut`, `user` does not reach the API.
    pub fn set_cut(&self, user: &str, cut: bool) {
        self.with(|state| {
            if cut && !state.healed {
                state.cut.insert(user.to_owned());
            } else {
                state.cut.remove(user);
            }
        });
    }

    /// While it is `on`, admission refuses replicas what `refusal` says.
    pub fn set_refusal(&self, refusal: Refusal, on: bool) {
        self.with(|state| {
            if on && !state.healed {
                state.refusals.push(refusal);
            } else if let Some(at) = state.refusals.iter().position(|other| *other == refusal) {
                state.refusals.remove(at);
            }
        });
    }

    fn refused(&self, request: &RequestInfo) -> Option<embedded_apiserver::Refusal> {
        self.with(|state| state.refusals.iter().find_map(|refusal| refusal.of(request)))
    }

    /// Requests sent so far.
    pub fn requests(&self) -> u64 {
        self.with(|state| state.callers.values().map(|count| count.requests).sum())
    }

    fn rng(&self, user: &str, number: u64, purpose: u64) -> StdRng {
        let mut mixed = self.seed ^ purpose;
        for byte in user.bytes().chain(number.to_le_bytes()) {
            mixed = (mixed ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
        }
        StdRng::seed_from_u64(mixed)
    }
}

const REQUESTS: u64 = 0x7265_7175_6573_7473;
const EVENTS: u64 = 0x6576_656e_7473;

impl Faults for Wire {
    #[allow(clippy::disallowed_methods, reason = "the time of the run, not that of a replica")]
    fn decide(&self, request: &RequestInfo) -> Fault {
        let user = &request.caller.user;
        let (number, at_once, healed, cut) = self.with(|state| {
            let count = state.callers.entry(user.clone()).or_default();
            let at_once = count.request(Instant::now());
            (count.requests, at_once, state.healed, state.down || state.cut.contains(user))
        });
        let mut rng = self.rng(user, number, REQUESTS);
        // A peer's requests fare as those of replicas: what it sends late is most telling.
        let index = replica_index(user).or((user == PEER).then_some(0));
        let Some(index) = index else { return Fate { rng: &mut rng, network: &CALM, index: 0 }.draw() };
        // Nobody may listen any more: the run is over.
        let _ = self.sent.send((user.clone(), number));
        let network = if healed { &CALM } else { &self.network };
        let mut fault = match cut {
            true => Fault::lost(),
            false => Fault { refusal: self.refused(request), ..Fate { rng: &mut rng, network, index }.draw() },
        };
        if fault.before.is_none() && self.with(|state| state.refusals.iter().any(|refusal| refusal.hides_from(request)))
        {
            fault.before = Some(Effect::not_found());
        }
        if at_once > AT_ONCE_MAX {
            fault.delay_before = fault.delay_before.max(Duration::from_millis(1));
        }
        fault
    }

    fn watch_event(&self, caller: &Caller, _resource: &str) -> WatchFault {
        let (number, healed) = self.with(|state| {
            let count = state.callers.entry(caller.user.clone()).or_default();
            count.events += 1;
            (count.events, state.healed)
        });
        if healed || replica_index(&caller.user).is_none() {
            return WatchFault::Delay(Duration::from_millis(1));
        }
        let mut rng = self.rng(&caller.user, number, EVENTS);
        let Network { broken_watch, late_event, lag_max_ms, latency_max_ms, .. } = self.network;
        if rng.random_range(0..1000) < broken_watch {
            return match rng.random_range(0..3) {
                0 => WatchFault::Break,
                1 => WatchFault::End,
                _ => WatchFault::Expire,
            };
        }
        let most = if rng.random_range(0..1000) < late_event { lag_max_ms } else { latency_max_ms };
        WatchFault::Delay(Duration::from_millis(rng.random_range(0..=most)))
    }
}

impl Refusal {
    /// Why it refuses `request`, if it does.
    pub fn of(self, request: &RequestInfo) -> Option<embedded_apiserver::Refusal> {
        use embedded_apiserver::Refusal as Why;
        let creates = request.verb == "create" && request.label() == "remediationrequests";
        let writes_status = request.verb == "patch" && request.label() == "remediationrequests/status";
        match self {
            Self::Quota => creates.then_some(Why::Quota),
            Self::Policy => creates.then_some(Why::Policy),
            Self::StatusNotFound => writes_status.then_some(Why::Missing),
            Self::CounterNotFound | Self::ObjectNotFound => None,
        }
    }

    /// Whether `request` is answered 404, whatever there is.
    fn hides_from(self, request: &RequestInfo) -> bool {
        match self {
            Self::CounterNotFound => {
                matches!(request.verb, "get" | "patch") && is_counter_name(&request.name) && request.label() == "leases"
            }
            Self::ObjectNotFound => request.verb == "get" && request.label() == "remediationrequests",
            Self::Quota | Self::Policy | Self::StatusNotFound => false,
        }
    }
}

/// The index of the replica that is, or was before it got another name, `user`.
pub fn replica_index(user: &str) -> Option<usize> {
    let number = user.strip_prefix("gateway-pod-")?;
    number.split('-').next()?.parse::<usize>().ok()?.checked_sub(1)
}

struct Fate<'a> {
    rng: &'a mut StdRng,
    network: &'a Network,
    index: usize,
}

impl Fate<'_> {
    fn draw(mut self) -> Fault {
        let mut fault = Fault { delay_before: self.latency(), delay_after: self.latency(), ..Fault::default() };
        let Network {
            slow, slow_max_ms, slow_answer, lost, answer_lost, refused, timed_out, lagging, lag_max_ms, ..
        } = *self.network;
        if self.happens(slow) {
            fault.delay_before = Duration::from_millis(self.rng.random_range(0..=slow_max_ms));
        }
        if self.happens(slow_answer) {
            fault.delay_after = Duration::from_millis(self.rng.random_range(0..=slow_max_ms));
        }
        if self.happens(lagging) {
            fault.cache_lag = Duration::from_millis(self.rng.random_range(0..=lag_max_ms));
        }
        if self.happens(lost) {
            fault.before = Some(Effect::Reset);
        } else if self.happens(answer_lost) {
            fault.after = Some(Effect::Reset);
        } else if self.happens(refused) {
            fault.before = Some(match self.rng.random_range(0..3) {
                0 => Effect::throttled(1),
                1 => Effect::internal_error(),
                _ => Effect::unavailable(),
            });
        } else if self.happens(timed_out) {
            fault.after = Some(if self.rng.random() { Effect::timed_out() } else { Effect::internal_error() });
        }
        fault
    }

    fn happens(&mut self, share: u16) -> bool {
        share > 0 && self.rng.random_range(0..1000) < share
    }

    fn latency(&mut self) -> Duration {
        let Network { latency_min_ms, latency_max_ms, latency_step_ms, .. } = *self.network;
        let far = latency_step_ms * self.index as u64;
        Duration::from_millis(far + self.rng.random_range(latency_min_ms..=latency_max_ms.max(latency_min_ms)))
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the time of the run, not that of a replica")]
mod tests {
    use std::sync::Arc;

    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::Api;

    use super::*;
    use crate::{fleet::Fleet, replica::NAMESPACE};

    #[rstest::rstest]
    #[case::answered_at_once(false)]
    #[case::cut_off(true)]
    #[tokio::test(start_paused = true)]
    async fn time_passes_for_who_asks_without_a_pause_even_where_answers_take_none(#[case] cut: bool) {
        let fleet = Fleet::new(1);
        let network = Network { latency_min_ms: 0, latency_max_ms: 0, ..CALM };
        let wire = Arc::new(Wire::new(network, 1, tokio::sync::mpsc::unbounded_channel().0));
        wire.set_cut("gateway-pod-1", cut);
        fleet.api.set_faults(wire);
        let api: Api<ConfigMap> = Api::namespaced(fleet.api.client("gateway-pod-1", NAMESPACE), NAMESPACE);
        let ask = async |times| {
            let began = Instant::now();
            for _ in 0..times {
                let _ = api.get_opt("absent").await;
            }
            began.elapsed()
        };
        assert_eq!(ask(AT_ONCE_MAX).await, Duration::ZERO);
        assert!(ask(AT_ONCE_MAX).await >= Duration::from_millis(1));
    }
}

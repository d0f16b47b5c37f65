//! One run of a schedule: real replicas over a fresh embedded API, moved one choice at a time.
#![allow(clippy::disallowed_methods, reason = "the scheduler owns the clock and starts the senders")]

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use gateway::http::PROMETHEUS;
use kube::Client;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use self::store::StoreDigest;
use super::{
    case::{Arrivals, Case},
    names::Names,
    scheduler::Scheduler,
    seed,
    tap::Tap,
};
use crate::{
    fleet::{EPOCH, Fleet, Skew},
    oracles::Violation,
    replica::{NAMESPACE, Replica, config, pod_name},
    trace::{Mode, Trace},
};
use embedded_apiserver::{Caller, Options};

mod candidates;
mod ending;
mod perform;
mod state;
mod store;

/// Yields without any act of a replica after which nothing will happen: a yield lets all that is ready run.
const QUIET_YIELDS: usize = 3;
/// How long nothing may happen while signals are unanswered: longer than their deadline.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Timers fire early until then: before the view's first probe, which is nobody's request.
const EARLY_UNTIL: Duration = Duration::from_secs(14);

/// One replica's place.
struct Place {
    replica: Option<Arc<Replica>>,
    dead: CancellationToken,
    /// It has nothing to do any more, and its history does not matter any more.
    resting: bool,
}

struct Sending {
    replica: u8,
    sender: Option<JoinHandle<()>>,
}

/// What may still be chosen.
#[derive(Clone, Copy, Hash)]
struct Left {
    faults: u8,
    early: u8,
    actions: u8,
}

pub(super) struct World {
    case: Arc<Case>,
    fleet: Arc<Fleet>,
    scheduler: Scheduler,
    places: Vec<Place>,
    signals: Vec<Sending>,
    answers: Arc<Mutex<Vec<Option<u16>>>>,
    store: Arc<Mutex<StoreDigest>>,
    names: Names,
    left: Left,
    began: Instant,
    stuck: bool,
}

impl World {
    /// Starts the case's replicas, whose views are synchronised, and sends the signals that arrive together. What
    /// happens is recorded as `mode` says.
    pub(super) async fn new(case: &Arc<Case>, mode: Mode) -> Self {
        let began = Instant::now();
        let (api, oracles) = crate::fleet::embedded_api_with(options());
        let store = Arc::new(Mutex::new(StoreDigest::default()));
        let names = Names::default();
        store::digest_commits(&api, &store, &names);
        if let Some(existing) = case.existing {
            api.seed(seed::existing(existing));
        }
        let fleet = Arc::new(Fleet::over(api, oracles, case.seed).with_protocol(case.protocol).with_trace(mode));
        let replicas = case.replicas;
        let scheduler = Scheduler::new(replicas);
        let signals: Vec<Sending> =
            case.signals.iter().map(|replica| Sending { replica: *replica, sender: None }).collect();
        let answers = Arc::new(Mutex::new(vec![None; signals.len()]));
        let places = (0..replicas).map(|_| Place { replica: None, dead: CancellationToken::new(), resting: false });
        let left = Left {
            faults: u8::from(!case.faults.is_empty()),
            early: case.early_timers,
            actions: u8::from(case.action.is_some()),
        };
        let places = places.collect();
        let mut world = Self {
            case: Arc::clone(case),
            fleet,
            scheduler,
            places,
            signals,
            answers,
            store,
            names,
            left,
            began,
            stuck: false,
        };
        for number in 1..=replicas {
            world.start(number).await;
        }
        if case.arrivals == Arrivals::Together {
            for signal in 0..case.signals.len() {
                world.send(signal);
            }
        }
        world.settle().await;
        world
    }

    async fn start(&mut self, number: u8) {
        let dead = CancellationToken::new();
        let name = pod_name(usize::from(number));
        let inner = self.fleet.api.service(Caller::new(&name));
        let (scheduler, names) = (self.scheduler.clone(), self.names.clone());
        let tap = Tap { scheduler, names, inner, replica: number, dead: dead.clone() };
        let mut config = config();
        if let Some(wait_timeout) = self.case.lock_wait_timeout {
            config.lock.wait_timeout = wait_timeout;
        }
        self.scheduler.open(number);
        let client = Client::new(tap, NAMESPACE);
        let replica = self.fleet.start_via(usize::from(number), config, Skew::default(), client).await;
        self.quiesce().await;
        self.scheduler.close(number);
        let place = &mut self.places[usize::from(number) - 1];
        (place.replica, place.dead) = (Some(Arc::new(replica)), dead);
    }

    fn send(&mut self, signal: usize) {
        let Sending { replica: number, sender } = &mut self.signals[signal];
        let Some(replica) = self.places[usize::from(*number) - 1].replica.clone() else { return };
        let (fleet, answers, scheduler) = (Arc::clone(&self.fleet), Arc::clone(&self.answers), self.scheduler.clone());
        *sender = Some(tokio::spawn(async move {
            let (body, fingerprint) = seed::signal();
            let answer = fleet.send(&replica, PROMETHEUS, body, fingerprint).await;
            answers.lock()[signal] = Some(answer.status.as_u16());
            scheduler.act();
        }));
    }

    /// Lets everything run that time does not hold up.
    async fn quiesce(&self) {
        let mut acts = self.scheduler.acts();
        let mut quiet = 0;
        while quiet < QUIET_YIELDS {
            tokio::task::yield_now().await;
            let now = self.scheduler.acts();
            quiet = if now == acts { quiet + 1 } else { 0 };
            acts = now;
        }
    }

    /// [`World::quiesce`], and replicas that have nothing to do any more are left to themselves.
    async fn settle(&mut self) {
        self.quiesce().await;
        let mut changed = false;
        for index in 0..self.places.len() {
            let number = replica_number(index);
            if !self.places[index].resting && self.has_finished(number) {
                self.places[index].resting = true;
                self.scheduler.open(number);
                changed = true;
            }
        }
        if changed {
            self.quiesce().await;
        }
    }

    fn has_finished(&self, number: u8) -> bool {
        let answers = self.answers.lock();
        let place = &self.places[usize::from(number) - 1];
        let mut own = self.signals.iter().zip(answers.iter()).filter(|(signal, _)| signal.replica == number);
        place.replica.is_some() && own.all(|(_, answer)| answer.is_some()) && self.scheduler.rests(number)
    }

    /// What has gone wrong so far.
    pub(super) fn violations(&self) -> Vec<Violation> {
        let mut violations = self.fleet.oracles.violations();
        if self.stuck {
            let message = format!("nothing happens for {} s, and signals are unanswered", TIMEOUT.as_secs());
            violations.push(Violation { oracle: "liveness", version: None, message });
        }
        violations
    }

    /// Virtual time since the beginning.
    pub(super) fn elapsed(&self) -> Duration {
        Instant::now().saturating_duration_since(self.began)
    }

    /// What has happened.
    pub(super) fn trace(&self) -> &Arc<Trace> {
        &self.fleet.trace
    }

    fn all_answered(&self) -> bool {
        self.answers.lock().iter().all(Option::is_some)
    }
}

/// Counted from 1.
fn replica_number(index: usize) -> u8 {
    u8::try_from(index + 1).unwrap_or(u8::MAX)
}

/// A server that answers at once; lists included, so that they take effect when the scheduler says so.
fn options() -> Options {
    static CRD: OnceLock<Value> = OnceLock::new();
    let crd = CRD.get_or_init(crate::fleet::crd).clone();
    Options { crds: vec![crd], consistent_list_wait: Duration::ZERO, epoch: EPOCH, ..Options::default() }
}

//! One run of a schedule: real replicas over a fresh embedded API, moved one choice at a time.
#![allow(clippy::disallowed_methods, reason = "the scheduler owns the clock and starts the senders")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use gateway::{http::PROMETHEUS, remediation::RemediationRequest};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch},
};
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    case::{Action, Arrivals, Case},
    choice::{Candidate, Choice, Item, Touch},
    digest::Digest,
    hub::{Hub, Kind, Verdict},
    link::Link,
    seed,
};
use crate::{
    api::{Caller, EmbeddedApi, Options},
    fleet::{EPOCH, Fleet, Skew},
    oracles::Violation,
    replica::{NAMESPACE, Replica, config, pod_name},
};

/// Yields without any act of a replica after which nothing will happen: a yield lets all that is ready run.
const QUIET_YIELDS: usize = 3;
/// How long nothing may happen while signals are unanswered: longer than their deadline.
const PATIENCE: Duration = Duration::from_secs(60);
/// Timers fire early until then: before the view's first probe, which is nobody's request.
const EARLY_UNTIL: Duration = Duration::from_secs(14);
/// For leases to expire and be collected, claims to be cleared.
const REST: Duration = Duration::from_secs(400);
/// Where nothing was left behind.
const SHORT_REST: Duration = Duration::from_secs(2);

/// What the store holds, as far as it decides on the future.
#[derive(Default)]
struct StoreDigest {
    version: u64,
    creates: u64,
    /// Undelivered events are a suffix of the RemediationRequests' history.
    requests: u128,
    leases: BTreeMap<String, u128>,
}

/// One replica's place.
struct Place {
    replica: Option<Arc<Replica>>,
    dead: CancellationToken,
    /// It has nothing to do any more, and its history does not matter any more.
    resting: bool,
}

/// One signal.
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
    hub: Hub,
    places: Vec<Place>,
    signals: Vec<Sending>,
    answers: Arc<Mutex<Vec<Option<u16>>>>,
    store: Arc<Mutex<StoreDigest>>,
    left: Left,
    began: Instant,
    stuck: bool,
}

impl World {
    /// Starts the case's replicas, whose views are synchronised, and sends the signals that arrive together.
    pub(super) async fn new(case: &Arc<Case>) -> Self {
        let began = Instant::now();
        let (api, oracles) = crate::fleet::embedded_api_with(options());
        let store = Arc::new(Mutex::new(StoreDigest::default()));
        digest_commits(&api, &store);
        if case.predecessor {
            api.seed(seed::predecessor());
        }
        let fleet = Arc::new(Fleet::over(api, oracles, case.seed).with_protocol(case.protocol));
        let replicas = case.replicas;
        let hub = Hub::new(replicas);
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
        let mut world =
            Self { case: Arc::clone(case), fleet, hub, places, signals, answers, store, left, began, stuck: false };
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
        let link = Link { hub: self.hub.clone(), inner, replica: number, dead: dead.clone() };
        let mut config = config();
        if let Some(patience) = self.case.patience {
            config.lock.patience = patience;
        }
        self.hub.open(number);
        let client = Client::new(link, NAMESPACE);
        let replica = self.fleet.start_via(usize::from(number), config, Skew::default(), client).await;
        self.quiesce().await;
        self.hub.close(number);
        let place = &mut self.places[usize::from(number) - 1];
        (place.replica, place.dead) = (Some(Arc::new(replica)), dead);
    }

    fn send(&mut self, signal: usize) {
        let Sending { replica: number, sender } = &mut self.signals[signal];
        let Some(replica) = self.places[usize::from(*number) - 1].replica.clone() else { return };
        let (fleet, answers, hub) = (Arc::clone(&self.fleet), Arc::clone(&self.answers), self.hub.clone());
        *sender = Some(tokio::spawn(async move {
            let (body, fingerprint) = seed::signal();
            let answer = fleet.send(&replica, PROMETHEUS, body, fingerprint).await;
            answers.lock().unwrap_or_else(PoisonError::into_inner)[signal] = Some(answer.status.as_u16());
            hub.act();
        }));
    }

    /// Lets everything run that time does not hold up.
    async fn quiesce(&self) {
        let mut acts = self.hub.acts();
        let mut quiet = 0;
        while quiet < QUIET_YIELDS {
            tokio::task::yield_now().await;
            let now = self.hub.acts();
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
                self.hub.open(number);
                changed = true;
            }
        }
        if changed {
            self.quiesce().await;
        }
    }

    fn has_finished(&self, number: u8) -> bool {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let place = &self.places[usize::from(number) - 1];
        let mut own = self.signals.iter().zip(answers.iter()).filter(|(signal, _)| signal.replica == number);
        place.replica.is_some() && own.all(|(_, answer)| answer.is_some()) && self.hub.rests(number)
    }

    /// What has gone wrong so far.
    pub(super) fn violations(&self) -> Vec<Violation> {
        let mut violations = self.fleet.oracles.violations();
        if self.stuck {
            let message = format!("nothing happens for {} s, and signals are unanswered", PATIENCE.as_secs());
            violations.push(Violation { oracle: "liveness", version: None, message });
        }
        violations
    }

    /// Virtual time since the beginning.
    pub(super) fn elapsed(&self) -> Duration {
        Instant::now().saturating_duration_since(self.began)
    }

    fn all_answered(&self) -> bool {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).iter().all(Option::is_some)
    }

    /// What identifies the state: the future depends on nothing else.
    pub(super) fn digest(&self) -> u128 {
        let mut digest = Digest::new();
        digest.add(&(self.elapsed(), self.store_digest(), self.left, self.stuck));
        for (index, place) in self.places.iter().enumerate() {
            let history = if place.resting { 0 } else { self.hub.history(replica_number(index)) };
            digest.add(&(place.replica.is_some(), place.resting, history));
        }
        digest.add(&*self.answers.lock().unwrap_or_else(PoisonError::into_inner));
        self.hub.each(|kind, item, parked| digest.add(&(kind, item, parked.content, parked.orphan)));
        digest.value()
    }

    fn store_digest(&self) -> u128 {
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        Digest::of(&(store.version, store.creates, store.requests, &store.leases))
    }

    /// What can be chosen now, what has waited longest first; nothing at the end of a schedule.
    pub(super) fn candidates(&self) -> Vec<Candidate> {
        let mut waiting = Vec::new();
        self.hub.each(|kind, item, parked| waiting.push((parked.since, kind, item, parked.access, parked.orphan)));
        waiting.sort_unstable_by_key(|(since, ..)| *since);
        let mut candidates = Vec::new();
        let mut push = |choice, touch| candidates.push(Candidate { choice, touch });
        for (_, kind, item, access, _) in &waiting {
            match kind {
                Kind::Effect => push(Choice::Effect(*item), Touch::Store(item.replica, *access)),
                Kind::Answer => push(Choice::Answer(*item), Touch::Replica(item.replica)),
                Kind::Event => push(Choice::Event(*item), Touch::Replica(item.replica)),
            }
        }
        for (signal, replica) in self.arrivals() {
            push(Choice::Arrive(signal), Touch::Replica(replica));
        }
        for (index, place) in self.places.iter().enumerate() {
            if place.replica.is_none() {
                push(Choice::Restart(replica_number(index)), Touch::All);
            }
        }
        let nothing_waits = candidates.is_empty();
        if nothing_waits && self.all_answered() || self.stuck {
            return Vec::new();
        }
        if nothing_waits || self.left.early > 0 && self.elapsed() < EARLY_UNTIL {
            candidates.push(Candidate { choice: Choice::Time, touch: Touch::All });
        }
        self.push_action(&mut candidates);
        if self.left.faults > 0 {
            for (_, kind, item, _, orphan) in &waiting {
                self.push_faults(*kind, *item, *orphan, &mut candidates);
            }
            self.push_crashes(&mut candidates);
        }
        candidates
    }

    /// Of each replica the first signal that has not arrived: they are all alike.
    fn arrivals(&self) -> Vec<(u8, u8)> {
        let mut arrivals: Vec<(u8, u8)> = Vec::new();
        for (index, signal) in self.signals.iter().enumerate() {
            let is_up = self.places[usize::from(signal.replica) - 1].replica.is_some();
            let is_next = arrivals.iter().all(|(_, replica)| *replica != signal.replica);
            if signal.sender.is_none() && is_up && is_next {
                arrivals.push((replica_number(index), signal.replica));
            }
        }
        arrivals
    }

    fn push_action(&self, candidates: &mut Vec<Candidate>) {
        let choice = match self.case.action {
            Some(Action::DeletePredecessor) => Choice::Delete,
            Some(Action::CompleteActive) if self.active().is_some() => Choice::Complete,
            Some(Action::CompleteActive) | None => return,
        };
        if self.left.actions > 0 {
            let access = super::choice::Access::Write("remediationrequests");
            candidates.push(Candidate { choice, touch: Touch::Store(0, access) });
        }
    }

    fn push_faults(&self, kind: Kind, item: Item, orphan: bool, candidates: &mut Vec<Candidate>) {
        let faults = &self.case.faults;
        let mut push = |choice| candidates.push(Candidate { choice, touch: Touch::Replica(item.replica) });
        match kind {
            Kind::Effect if !orphan => {
                if faults.lost_requests {
                    push(Choice::LoseRequest(item));
                }
                if faults.refusals {
                    push(Choice::Refuse(item));
                }
            }
            Kind::Answer if faults.lost_answers => push(Choice::LoseAnswer(item)),
            _ => {}
        }
    }

    fn push_crashes(&self, candidates: &mut Vec<Candidate>) {
        if !self.case.faults.crashes {
            return;
        }
        for (index, place) in self.places.iter().enumerate() {
            if place.resting || place.replica.is_none() {
                continue;
            }
            let number = replica_number(index);
            let touch = Touch::Replica(number);
            candidates.push(Candidate { choice: Choice::Crash(number), touch });
            let mut sends = false;
            self.hub.each(|kind, item, _| sends |= kind == Kind::Effect && item.replica == number);
            if sends {
                candidates.push(Candidate { choice: Choice::CrashLanding(number), touch });
            }
        }
    }

    /// Makes a choice and lets everything run that follows from it; says what it was, or that it cannot be made.
    pub(super) async fn perform(&mut self, choice: Choice) -> Result<String, String> {
        if !self.candidates().iter().any(|candidate| candidate.choice == choice) {
            return Err(format!("{choice} cannot be chosen here"));
        }
        let label = match choice {
            Choice::Arrive(signal) => {
                let index = usize::from(signal) - 1;
                self.send(index);
                self.hub.observe(self.signals[index].replica, Digest::of(&("arrive", self.elapsed())));
                String::new()
            }
            Choice::Effect(item) => self.decide(Kind::Effect, item, Verdict::Pass),
            Choice::Answer(item) => self.decide(Kind::Answer, item, Verdict::Pass),
            Choice::Event(item) => self.decide(Kind::Event, item, Verdict::Pass),
            Choice::LoseRequest(item) => self.decide(Kind::Effect, item, Verdict::Lose),
            Choice::Refuse(item) => self.decide(Kind::Effect, item, Verdict::Refuse),
            Choice::LoseAnswer(item) => self.decide(Kind::Answer, item, Verdict::Lose),
            Choice::Crash(number) => self.crash(number, false),
            Choice::CrashLanding(number) => self.crash(number, true),
            Choice::Restart(number) => self.restart(number).await,
            Choice::Time => self.pass_time().await,
            Choice::Delete => self.act_as("retention", |api| async move {
                let _ = api.delete(seed::PREDECESSOR, &Default::default()).await;
            }),
            Choice::Complete => self.complete(),
        };
        self.left.faults -= u8::from(choice.is_fault());
        self.left.actions -= u8::from(matches!(choice, Choice::Delete | Choice::Complete));
        self.settle().await;
        Ok(label)
    }

    fn decide(&self, kind: Kind, item: Item, verdict: Verdict) -> String {
        let now = self.elapsed().as_nanos();
        self.hub.decide(kind, item, verdict, now).map(|label| label.to_string()).unwrap_or_default()
    }

    fn crash(&mut self, number: u8, lands: bool) -> String {
        let place = &mut self.places[usize::from(number) - 1];
        place.dead.cancel();
        if let Some(replica) = place.replica.take() {
            replica.crash();
        }
        self.hub.crash(number, lands);
        for signal in &mut self.signals {
            if signal.replica == number {
                // The connection breaks: whoever sent it sends it again later.
                signal.sender.iter().for_each(JoinHandle::abort);
            }
        }
        String::new()
    }

    async fn restart(&mut self, number: u8) -> String {
        self.start(number).await;
        self.hub.restart(number, Digest::of(&("restart", self.elapsed(), self.store_digest())));
        for index in 0..self.signals.len() {
            let unanswered = self.answers.lock().unwrap_or_else(PoisonError::into_inner)[index].is_none();
            if self.signals[index].replica == number && unanswered && self.signals[index].sender.is_some() {
                self.send(index);
            }
        }
        String::new()
    }

    /// Time goes from timer to timer until a replica does something.
    async fn pass_time(&mut self) -> String {
        let mut waits = false;
        self.hub.each(|_, _, _| waits = true);
        let before = self.elapsed();
        let early = waits || !self.arrivals().is_empty() || self.places.iter().any(|place| place.replica.is_none());
        self.left.early -= u8::from(early);
        let acted = tokio::time::timeout(PATIENCE, self.hub.acted()).await.is_ok();
        self.quiesce().await;
        self.stuck = !acted && !early;
        format!("{} ms", (self.elapsed() - before).as_millis())
    }

    fn complete(&self) -> String {
        let Some(name) = self.active() else { return String::new() };
        let label = name.clone();
        self.act_as("remediation-controller", |api| async move {
            let patch = Patch::Merge(json!({ "status": { "overallPhase": "Completed" } }));
            let _ = api.patch_status(&name, &Default::default(), &patch).await;
        });
        label
    }

    /// The name of the RemediationRequest whose phase is not set yet.
    fn active(&self) -> Option<String> {
        let requests = self.fleet.requests();
        let active = requests.iter().find(|request| {
            request["status"]["overallPhase"].is_null() && request["metadata"]["deletionTimestamp"].is_null()
        });
        active.and_then(|request| request["metadata"]["name"].as_str()).map(str::to_owned)
    }

    fn act_as<F: Future<Output = ()> + Send + 'static>(
        &self,
        user: &str,
        act: impl FnOnce(Api<DynamicObject>) -> F,
    ) -> String {
        let resource = ApiResource::erase::<RemediationRequest>(&());
        let api = Api::namespaced_with(self.fleet.api.client(user, NAMESPACE), NAMESPACE, &resource);
        tokio::spawn(act(api));
        String::new()
    }

    /// Lets everything come to rest after the last choice, sends one more signal, and says what does not hold.
    pub(super) async fn finish(&mut self) -> Vec<Violation> {
        let mut violations = Vec::new();
        let mut violated = |oracle, message| violations.push(Violation { oracle, version: None, message });
        let calm =
            self.left.faults == u8::from(!self.case.faults.is_empty()) && self.left.early == self.case.early_timers;
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for status in answers.into_iter().flatten().filter(|status| calm && !matches!(status, 201 | 202)) {
            violated("liveness", format!("a signal is answered {status} although nothing went wrong"));
        }
        self.hub.open_all();
        let quick = calm && !self.case.predecessor && self.case.action.is_none();
        tokio::time::sleep(if quick { SHORT_REST } else { REST }).await;
        if let Some(replica) = self.places.iter().find_map(|place| place.replica.clone()) {
            let (body, fingerprint) = seed::signal();
            let answer = self.fleet.send(&replica, PROMETHEUS, body, fingerprint).await;
            if !matches!(answer.status.as_u16(), 201 | 202) {
                violated("liveness", format!("a signal after everything is answered {}", answer.status));
            }
            tokio::time::sleep(if quick { SHORT_REST } else { REST }).await;
        }
        for request in self.fleet.requests() {
            let finalizers = request["metadata"]["finalizers"].as_array();
            if finalizers.is_some_and(|finalizers| !finalizers.is_empty()) {
                violated("claims", format!("{} is still claimed", request["metadata"]["name"]));
            }
        }
        violations.extend(self.fleet.finish());
        violations
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

/// Keeps the digest of the store as it changes.
fn digest_commits(api: &EmbeddedApi, store: &Arc<Mutex<StoreDigest>>) {
    let store = Arc::clone(store);
    api.on_commit(move |commit| {
        let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
        let content = commit.new.as_ref().map(|object| Digest::of(&object.to_string()));
        store.version = commit.resource_version;
        store.creates += u64::from(commit.old.is_none());
        match (commit.resource.as_str(), content) {
            ("leases", Some(content)) => drop(store.leases.insert(commit.name.clone(), content)),
            ("leases", None) => drop(store.leases.remove(&commit.name)),
            (_, content) => {
                store.requests = Digest::of(&(store.requests, commit.resource_version, &commit.name, content));
            }
        }
    });
}

//! Carries out an [`Attempt`]: finds or creates the RemediationRequest of a signal.

use std::{sync::Arc, time::Duration};

use kube::{
    Api,
    api::{PatchParams, PostParams},
};

use super::{
    attempt::{Action, Attempt, Found, Observation, Past},
    claims,
    core::{Core, doubtful},
    deduplicate::Error,
    lock::Acquisition,
    view::Subscription,
};
use crate::{
    context::Monotonic,
    kubernetes::{self, Operation},
    remediation::{LeaseName, Projected, Record, ResourceVersion, Signal, build},
};

const CREATE: Operation = Operation { verb: "create", resource: "remediationrequests" };
const GET: Operation = Operation { verb: "get", resource: "remediationrequests" };
const PATCH: Operation = Operation { verb: "patch", resource: "remediationrequests" };
/// Steps of one attempt at most: each costs a request or a wait, so a deadline ends it far earlier.
const STEPS_MAX: usize = 10_000;

/// Steps of one attempt that may follow each other without a pause: more than any sound course of events takes.
const HASTE_MAX: u32 = 12;

/// One signal that needs a RemediationRequest.
pub(super) struct Finder<'a> {
    core: &'a Core,
    signal: &'a Signal,
    lease: &'a LeaseName,
    tag: String,
    deadline: Monotonic,
    /// From here on a decision made on the newest read must not be acted on.
    expires: Monotonic,
    /// Of the view: all that is known belongs to it.
    epoch: u64,
    subscription: Subscription,
    seen: Vec<(String, ResourceVersion)>,
    began: Monotonic,
    backoff: Duration,
    claims: u32,
    /// The predecessor as this attempt has claimed it, where nobody had before: no create but this attempt's own can rely
    /// on that claim.
    claimed_first: Option<Arc<Record>>,
    locked: bool,
    /// It waits for the predecessor, whose deletion has begun, to go.
    blocked: bool,
}

impl<'a> Finder<'a> {
    pub(super) fn new(
        core: &'a Core,
        signal: &'a Signal,
        lease: &'a LeaseName,
        tag: &str,
        deadline: Monotonic,
    ) -> Self {
        let began = core.context.monotonic();
        Self {
            core,
            signal,
            lease,
            tag: tag.to_owned(),
            deadline,
            expires: began,
            epoch: core.view.epoch(),
            subscription: core.view.subscribe(&signal.fingerprint),
            seen: Vec::new(),
            began,
            backoff: core.config.lock.initial_backoff,
            claims: 0,
            claimed_first: None,
            locked: false,
            blocked: false,
        }
    }

    /// Finds or creates it, knowing `past` beyond the view. The lock, if it was acquired, is released in the background.
    pub(super) async fn run(mut self, past: Past) -> Result<Found, Error> {
        let attempt = Attempt::new(self.signal.fingerprint.clone(), self.tag.clone(), past);
        let result = self.drive(attempt).await;
        if self.locked {
            self.core.lock.release_in_background(self.lease);
        }
        result
    }

    async fn drive(&mut self, mut attempt: Attempt) -> Result<Found, Error> {
        let core = self.core;
        let mut observation = Observation::Begin;
        let mut haste = 0;
        for _ in 0..STEPS_MAX {
            core.still(self.epoch)?;
            let action = attempt.step(observation, core.context.now());
            tracing::trace!(?action, "attempt");
            if let Action::Done(found) = action {
                return Ok(found);
            }
            if core.context.monotonic() >= self.deadline {
                return Err(self.out_of_time());
            }
            haste = if matches!(action, Action::AwaitLock | Action::AwaitDeletion) { 0 } else { haste + 1 };
            self.slow_down(haste).await;
            observation = self.act(action).await?;
        }
        Err(Error::Deadline)
    }

    /// Answers that contradict each other, or somebody who writes all the time, must not make this attempt ask without end.
    async fn slow_down(&self, haste: u32) {
        let Some(over) = haste.checked_sub(HASTE_MAX) else { return };
        let lock = &self.core.config.lock;
        let pause = lock.initial_backoff.saturating_mul(1 << over.min(16)).min(lock.max_backoff);
        self.core.context.sleep(self.core.context.jitter(pause / 2, pause)).await;
    }

    fn out_of_time(&self) -> Error {
        if !self.blocked {
            return Error::Deadline;
        }
        self.core.metrics.blocked_by_deletion.inc();
        Error::Busy {
            reason: "the previous RemediationRequest of this resource is being deleted",
            retry_after: Duration::from_secs(5),
        }
    }

    async fn act(&mut self, action: Action) -> Result<Observation, Error> {
        match action {
            Action::Read(known) => {
                let fingerprint = &self.signal.fingerprint;
                let before = self.core.context.monotonic();
                let read = self.core.read(fingerprint, known, &self.seen, &self.subscription, self.deadline);
                let snapshot = read.await?;
                self.expires = before + self.core.config.view.attempt_timeout;
                self.seen = snapshot.seen();
                Ok(match snapshot.listed {
                    true => Observation::Listed(snapshot.records),
                    false => Observation::Snapshot(snapshot.records),
                })
            }
            Action::Lock => self.lock().await,
            Action::AwaitLock => Ok(self.await_lock().await),
            Action::AwaitDeletion => {
                self.blocked = true;
                let patience = self.deadline.since(self.core.context.monotonic());
                self.await_change(patience.min(self.core.config.lock.max_backoff)).await;
                Ok(Observation::Waited)
            }
            Action::Claim(predecessor) => self.claim(&predecessor).await,
            Action::Create(name) => self.create(&name).await,
            Action::Get(name) => self.get(&name).await,
            Action::Done(_) => Ok(Observation::Begin),
        }
    }

    async fn lock(&mut self) -> Result<Observation, Error> {
        if self.locked {
            return Ok(Observation::Locked);
        }
        let core = self.core;
        if let Some(refused) = core.refusals.believed(&self.signal.fingerprint) {
            return Err(refused);
        }
        if core.config.lock.patience.is_zero() {
            // No lock at all: the fence alone keeps it true, at the price of more conflicts.
            return Ok(Observation::Impatient);
        }
        let acquired = core.lock.acquire(self.lease, self.deadline).await.map_err(|error| Error::from(&error))?;
        let now = core.context.monotonic();
        let over = now.since(self.began) >= core.config.lock.patience;
        let observation = match acquired {
            Acquisition::Acquired => {
                self.locked = true;
                Observation::Locked
            }
            Acquisition::Contended if over => Observation::Impatient,
            Acquisition::Contended => return Ok(Observation::Contended),
        };
        core.metrics.lock_wait_seconds.observe(now.since(self.began).as_secs_f64());
        Ok(observation)
    }

    async fn await_lock(&mut self) -> Observation {
        let lock = &self.core.config.lock;
        let pause = self.core.context.jitter(self.backoff / 2, self.backoff);
        let left = (self.began + lock.patience).since(self.core.context.monotonic());
        self.backoff = (self.backoff * 2).min(lock.max_backoff);
        self.await_change(pause.min(left).max(Duration::from_millis(1))).await;
        Observation::Waited
    }

    /// Waits until the view says something else of the fingerprint than it did at the last read.
    async fn await_change(&self, patience: Duration) {
        let Core { context, view, .. } = self.core;
        let differs = || view.snapshot(&self.signal.fingerprint).is_some_and(|snapshot| snapshot.seen() != self.seen);
        self.subscription.changed(context, patience, differs).await;
    }

    /// Until when a request of this decision may be sent, or `None` if its time is over.
    fn send_until(&self) -> Option<Monotonic> {
        let until = self.expires.min(self.deadline);
        (self.core.context.monotonic() < until).then_some(until)
    }

    async fn claim(&mut self, predecessor: &Record) -> Result<Observation, Error> {
        let Some(until) = self.send_until() else { return Ok(Observation::Begin) };
        let Core { objects, context, kubernetes, metrics, view, refusals, .. } = self.core;
        let is_first = !predecessor.is_claimed();
        if !is_first
            && self.claims == 0
            && let Some(refused) = refusals.remembered(&self.signal.fingerprint)
        {
            return Err(refused);
        }
        self.claims += 1;
        self.claimed_first = None;
        let patch = claims::patch(predecessor, &format!("{}/{}", self.tag, self.claims));
        let (before, asked) = (context.monotonic(), view.asked(&predecessor.fingerprint));
        let params = PatchParams::default();
        metrics.fence_claims.inc();
        match kubernetes.call(PATCH, until, || objects.patch(&predecessor.name, &params, &patch)).await {
            Ok(object) => {
                let record = self.record(PATCH, object)?;
                self.core.agrees(&asked, &record)?;
                view.mark(record.version, before);
                self.blocked = false;
                self.claimed_first = is_first.then(|| Arc::clone(&record));
                Ok(Observation::Claimed(record))
            }
            Err(kubernetes::Error::Conflict(_)) => Ok(Observation::ClaimConflict),
            Err(kubernetes::Error::NotFound(_)) => {
                view.missed(&asked, &predecessor.name);
                Ok(Observation::ClaimNotFound)
            }
            Err(kubernetes::Error::Invalid(_)) => Ok(Observation::ClaimRefused),
            Err(error) => self.failed(PATCH, &error),
        }
    }

    async fn create(&mut self, name: &str) -> Result<Observation, Error> {
        let Some(until) = self.send_until() else { return Ok(Observation::Begin) };
        self.blocked = false;
        let Core { requests, context, kubernetes, namespace, view, refusals, .. } = self.core;
        let object = build(self.signal, name, namespace, &self.tag, context.now());
        let (before, asked) = (context.monotonic(), view.asked(&self.signal.fingerprint));
        let params = PostParams::default();
        let mut tries = 0;
        let send = || {
            tries += 1;
            requests.create(&params, &object)
        };
        match kubernetes.call(CREATE, until, send).await {
            Ok(created) => {
                refusals.forget(&self.signal.fingerprint);
                let record = Projected::from(created);
                let record = self.record(CREATE, record)?;
                self.core.agrees(&asked, &record)?;
                view.mark(record.version, before);
                Ok(Observation::Created(record))
            }
            Err(kubernetes::Error::AlreadyExists(_)) => Ok(Observation::Exists),
            Err(error) => match refusals.note(&self.signal.fingerprint, &error) {
                Some(refused) => {
                    self.release_after_refusal(tries).await;
                    Err(refused)
                }
                None => self.failed(CREATE, &error),
            },
        }
    }

    /// Releases the claim for a create that was refused, before the lock: the next one is then the first to claim, too.
    /// Only where no create can be under way that relies on it, of others or of an earlier try: else a collector clears it.
    async fn release_after_refusal(&mut self, tries: u32) {
        let Some(claimed) = self.claimed_first.take().filter(|_| tries == 1) else { return };
        if let Err(error) = claims::remove(self.core, &claimed, self.deadline).await {
            tracing::info!(name = claimed.name, %error, "the claim for a refused create is left to a collector");
        }
    }

    async fn get(&self, name: &str) -> Result<Observation, Error> {
        let Some(until) = self.send_until() else { return Ok(Observation::Begin) };
        let asked = self.core.view.asked(&self.signal.fingerprint);
        match get(self.core, &self.core.objects, name, until).await {
            Ok(object) if self.core.view.agrees_with_get(&asked, name, object.as_deref()) => {
                Ok(Observation::Got(object))
            }
            Ok(_) => Err(doubtful()),
            Err(error) => self.failed(GET, &error),
        }
    }

    fn record(&self, operation: Operation, object: Projected) -> Result<Arc<Record>, Error> {
        object.record().map(Arc::new).map_err(|error| self.core.refused(operation, &error.into()))
    }

    /// The time of the decision may be over although the signal's is not: then decide again.
    fn failed(&self, operation: Operation, error: &kubernetes::Error) -> Result<Observation, Error> {
        let signal_has_time = self.core.context.monotonic() < self.deadline;
        match error {
            kubernetes::Error::Deadline if signal_has_time => Ok(Observation::Begin),
            error => Err(self.core.refused(operation, error)),
        }
    }
}

/// Reads the RemediationRequest `name`.
pub(super) async fn get(
    core: &Core,
    objects: &Api<Projected>,
    name: &str,
    until: Monotonic,
) -> Result<Option<Arc<Record>>, kubernetes::Error> {
    let object = core.kubernetes.call(GET, until, || objects.get_opt(name)).await?;
    Ok(object.map(Projected::record).transpose()?.map(Arc::new))
}

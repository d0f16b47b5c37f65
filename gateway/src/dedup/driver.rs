//! Carries out what the machines of [`super::protocol`] say, and tells them what became of it.

use std::{sync::Arc, time::Duration};

use super::{
    core::Core,
    deduplicate::Error,
    history::Asked,
    protocol::{
        Answer, Now,
        attempt::{self, Attempt, Failure, Found, Known, Past, Snapshot},
        count::{Cause, Count, Effect, Event, Outcome},
        lock::Acquisition,
    },
    store::{CREATE, GET, LIST, PATCH, list_version},
    view::{Subscription, readable},
};
use crate::{
    context::Monotonic,
    kubernetes::{self, Operation},
    remediation::{Author, Fingerprint, LeaseName, Record, ResourceVersion, Signal, build},
};

/// Finds or creates the RemediationRequest of `signal` in the name of `tag`, knowing `past` beyond the view, until `deadline` at
/// most. The lock, if it was acquired, is released in the background.
pub(super) async fn find(
    core: &Core,
    signal: &Signal,
    lease: &LeaseName,
    tag: &str,
    past: Past,
    deadline: Monotonic,
) -> Result<Found, Error> {
    let Core { config, context, lock, metrics, .. } = core;
    let times = (context.monotonic(), deadline);
    let mut machine = Attempt::new(signal.fingerprint.clone(), Author::of(tag), past, config, times);
    let result = attempt(core, &mut machine, signal, lease, tag, deadline).await;
    if let Some(waited) = machine.waited_for_lock() {
        metrics.lock_wait_seconds.observe(waited.as_secs_f64());
    }
    if machine.is_locked() {
        lock.release_in_background(lease);
    }
    result
}

async fn attempt(
    core: &Core,
    machine: &mut Attempt,
    signal: &Signal,
    lease: &LeaseName,
    tag: &str,
    deadline: Monotonic,
) -> Result<Found, Error> {
    use attempt::{Effect, Event};
    let Core { store, context, view, metrics, refusals, config, .. } = core;
    let fingerprint = &signal.fingerprint;
    let epoch = view.epoch();
    let mut subscription = view.subscribe(fingerprint);
    let mut operation = GET;
    let mut event = Event::Begin;
    loop {
        let effect = machine.step(event, Now::of(context));
        tracing::trace!(?effect, "attempt");
        // What was known does not hold any more, or nothing may be created.
        if !view.is_trusted(epoch) {
            return Err(doubtful());
        }
        let (before, asked) = (context.monotonic(), view.asked(fingerprint));
        event = match effect {
            Effect::Read(known) => Event::Read(core.read(&mut subscription, known, deadline).await?),
            Effect::Lock => {
                if let Some(refused) = refusals.believed(signal) {
                    return Err(refused);
                }
                Event::Lock(match config.lock.wait_timeout.is_zero() {
                    // No lock at all: the fence alone keeps it true, at the price of more conflicts.
                    true => Acquisition::Contended,
                    false => core.lock.acquire(lease, deadline).await.map_err(|error| Error::from(&error))?,
                })
            }
            Effect::AwaitLock { backoff, left } => {
                let pause = context.jitter(backoff / 2, backoff).min(left).max(Duration::from_millis(1));
                subscription.changed(context, pause).await;
                Event::Waited
            }
            Effect::AwaitDeletion(pause) => {
                subscription.changed(context, pause).await;
                Event::Waited
            }
            Effect::Pause(pause) => {
                context.sleep(context.jitter(pause / 2, pause)).await;
                Event::Waited
            }
            Effect::Claim(predecessor) => {
                let is_first = machine.claims() == 1;
                if predecessor.is_claimed()
                    && is_first
                    && let Some(refused) = refusals.remembered(signal)
                {
                    return Err(refused);
                }
                metrics.fence_claims.inc();
                operation = PATCH;
                let claim = format!("{tag}/{}", machine.claims());
                let claimed = store.claim(&predecessor, &claim, machine.send_until()).await;
                core.written(&asked, before, Some(predecessor.version), &claimed)?;
                if matches!(claimed, Err(kubernetes::Error::NotFound(_))) {
                    view.missed(&asked, &predecessor.name);
                }
                Event::Claimed(claimed)
            }
            Effect::Create(name) => {
                operation = CREATE;
                let object = build(signal, &name, &core.namespace, tag, context.now());
                let (created, in_doubt) = store.create(&object, machine.send_until()).await;
                core.written(&asked, before, None, &created)?;
                match created.as_ref().map_err(|error| refusals.note(signal, error)) {
                    Err(Some(error)) => Event::Refused { error, in_doubt },
                    Err(None) => Event::Created(created),
                    Ok(_) => {
                        refusals.forget(fingerprint);
                        Event::Created(created)
                    }
                }
            }
            Effect::Get(name) => {
                operation = GET;
                let found = store.get(&name, machine.send_until()).await;
                if let Ok(found) = &found
                    && !view.agrees_with_get(&asked, &name, found.as_deref())
                {
                    return Err(doubtful());
                }
                Event::Got(found)
            }
            Effect::Done(Ok(found)) => return Ok(found),
            Effect::Done(Err(Failure::Failed(error))) => return Err(failed(operation, &error)),
            Effect::Done(Err(Failure::Unclaimable(error))) => return Err(failed(PATCH, &error)),
            Effect::Done(Err(Failure::Late { blocked: false })) => return Err(Error::Deadline),
            Effect::Done(Err(Failure::Late { blocked: true })) => {
                metrics.blocked_by_deletion.inc();
                return Err(Error::busy("the previous RemediationRequest of this resource is being deleted", 5));
            }
            Effect::Done(Err(Failure::Refused { error, claimed })) => {
                // Before the lock is released: the next one is then the first to claim, too.
                if let Some(claimed) = claimed
                    && let Err(error) = store.release_claim(&claimed, deadline).await
                {
                    tracing::info!(name = claimed.name, %error, "the claim for a refused create is left to a collector");
                }
                return Err(error);
            }
        };
    }
}

/// Counts a batch on `target`, each request until `deadline` at most.
pub(super) async fn count(core: &Core, machine: &mut Count, target: &Arc<Record>, deadline: Monotonic) -> Outcome {
    let Core { store, context, view, .. } = core;
    let agrees = |asked: &Asked, object: &Answer<Option<Arc<Record>>>| match object {
        Ok(found) => view.agrees_with_get(asked, &target.name, found.as_deref()),
        Err(_) => true,
    };
    let mut event = Event::Begin;
    loop {
        let effect = machine.step(event, Now::of(context));
        tracing::trace!(?effect, "count");
        event = match effect {
            Effect::ReadCounter => Event::Counter(store.counter(&target.uid, deadline).await),
            Effect::ReadObject => {
                let asked = view.asked(&target.fingerprint);
                let object = store.object(&target.name, deadline).await;
                if !agrees(&asked, &object) {
                    return Outcome::Indeterminate(Cause::WentBack);
                }
                Event::Object(object)
            }
            Effect::Write { write, look: false } => {
                Event::Written { counter: store.write(target, &write, deadline).await, object: None }
            }
            Effect::Write { write, look: true } => {
                let asked = view.asked(&target.fingerprint);
                let (write, look) = (store.write(target, &write, deadline), store.object(&target.name, deadline));
                let (counter, object) = futures::join!(write, look);
                if !agrees(&asked, &object) {
                    return Outcome::Indeterminate(Cause::WentBack);
                }
                Event::Written { counter, object: Some(object) }
            }
            Effect::Sleep(pause) => {
                let left = deadline.since(context.monotonic());
                context.sleep(context.jitter(pause, pause * 3 / 2).min(left)).await;
                Event::Slept
            }
            Effect::Done(outcome) => return outcome,
        };
    }
}

impl Core {
    /// What is known of what `subscription` listens to, from a view that is fresh and has come as far as `known`, or from one
    /// consistent list by field selector: never from a full one.
    async fn read(
        &self,
        subscription: &mut Subscription<'_>,
        known: Known,
        deadline: Monotonic,
    ) -> Result<Snapshot, Error> {
        if self.view.is_doubtful() {
            return Err(doubtful());
        }
        let time = self.config.view.catch_up.min(deadline.since(self.context.monotonic()));
        let caught_up = match known {
            Known::UpTo(version) if self.view.version() >= Some(version) => true,
            Known::UpTo(version) => self.view.reached(&self.context, version, time).await,
            Known::Changed => subscription.changed(&self.context, time).await,
        };
        let now = self.context.monotonic();
        let age = self.view.age(now);
        self.metrics.view_age_seconds.set(age.map_or(-1.0, |age| age.as_secs_f64()));
        let fresh = age.is_some_and(|age| age < self.config.view.freshness);
        let (snapshot, version) = match self.view.snapshot(&subscription.fingerprint) {
            Some(known) if caught_up && fresh => known,
            _ => self.list(&subscription.fingerprint, deadline).await?,
        };
        subscription.has_read(&snapshot, version);
        Ok(snapshot)
    }

    async fn list(&self, fingerprint: &Fingerprint, deadline: Monotonic) -> Result<(Snapshot, ResourceVersion), Error> {
        self.metrics.view_fallback_lists.inc();
        let asked = self.view.asked(fingerprint);
        let list = self.store.list(&format!("spec.signalFingerprint={fingerprint}"), deadline).await;
        let list = list.and_then(|list| Ok((list_version(&list.metadata)?, list.items)));
        let (version, items) = list.map_err(|error| failed(LIST, &error))?;
        let records: Vec<Arc<Record>> = items.into_iter().filter_map(readable).map(Arc::new).collect();
        if !self.view.agrees_with_list(&asked, version, &records) {
            return Err(doubtful());
        }
        Ok((Snapshot { records, listed: true }, version))
    }

    /// Notes what a write has made of an object; fails if that does not go with the view. See [`super::view::View::agrees_with_write`].
    fn written(
        &self,
        asked: &Asked,
        before: Monotonic,
        known: Option<ResourceVersion>,
        answer: &Answer<Arc<Record>>,
    ) -> Result<(), Error> {
        match answer {
            Ok(record) if !self.view.agrees_with_write(asked, before, known, record) => Err(doubtful()),
            _ => Ok(()),
        }
    }
}

/// What a signal's failure is put down to: the request to the API server, and what that said. It is logged with the signal.
pub(super) fn failed(Operation { verb, resource }: Operation, error: &kubernetes::Error) -> Error {
    match Error::from(error) {
        Error::Kubernetes(said) => Error::Kubernetes(format!("{verb} {resource}: {said}")),
        other => other,
    }
}

/// What is known of history, or the API server's lists, cannot be relied on at the moment.
fn doubtful() -> Error {
    Error::busy("the history of RemediationRequests went back, or the API servers contradict etcd", 5)
}

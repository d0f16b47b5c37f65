//! Carries out a [`Commit`]: counts one batch of signals on a RemediationRequest.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::{
    commit::{Action, Commit, Count, Observation},
    core::Core,
    deduplicate::Error,
    find::get,
};
use crate::{
    context::Monotonic,
    kubernetes::{self, Operation},
    remediation::{DeduplicationStatus, Fingerprint, Projected, Record, ResourceVersion},
};

const PATCH: Operation = Operation { verb: "patch", resource: "remediationrequests/status" };
const GET: Operation = Operation { verb: "get", resource: "remediationrequests" };
/// Steps of one batch at most: each costs a request or a wait, so a deadline ends it far earlier.
const STEPS_MAX: usize = 10_000;
/// One slow answer among so many others does not lengthen a pause much: the share of the newest round trip in their mean.
const ROUND_TRIP_SHARE: u32 = 8;
/// Before the first round trip was measured.
const ROUND_TRIP_GUESS: Duration = Duration::from_millis(4);
/// Another writer whose turn it is has this long to write: longer than its round trip, or it gets nowhere. One that has
/// crashed holds up each other writer once, since whoever writes next ends its turn.
const TURN_MAX: Duration = Duration::from_millis(250);

/// What became of a batch.
pub(super) enum Outcome {
    /// Counted on `record`, on which `before` had been counted.
    Counted { record: Arc<Record>, before: i32 },
    /// Not counted; the object counts no signals (any more). Its newest version, unless it is gone.
    Elsewhere(Option<Arc<Record>>),
}

/// Counts batches; remembers how long a round trip takes.
pub(super) struct Counter<'a> {
    core: &'a Core,
    /// The smoothed mean of those measured.
    round_trip: Option<Duration>,
}

impl<'a> Counter<'a> {
    pub(super) fn new(core: &'a Core) -> Self {
        Self { core, round_trip: None }
    }

    /// How long further signals may gather before the next commit, so that no replica starves another.
    pub(super) fn linger(&self) -> Duration {
        let round_trip = self.round_trip();
        let pause = self.core.context.jitter(round_trip / 2, round_trip * 3 / 2);
        pause.max(self.core.config.commit.min_linger)
    }

    fn round_trip(&self) -> Duration {
        self.round_trip.unwrap_or(ROUND_TRIP_GUESS)
    }

    /// Counts `size` signals on `target`, the newest of them received at `last_seen`.
    pub(super) async fn count(
        &mut self,
        target: Arc<Record>,
        size: usize,
        last_seen: Timestamp,
        deadline: Monotonic,
    ) -> Result<Outcome, Error> {
        let core = self.core;
        let fingerprint = target.fingerprint.clone();
        let uid = target.uid.clone();
        let size = i32::try_from(size).unwrap_or(i32::MAX);
        core.metrics.commit_batch_size.observe(f64::from(size));
        let mut commit = Commit::new(target, &core.writer, core.next_sequence(), size, last_seen);
        let mut doubts = 0;
        let mut observation = Observation::Begin;
        for _ in 0..STEPS_MAX {
            let action = commit.step(observation, core.context.now());
            tracing::trace!(?action, "commit");
            observation = match action {
                Action::Counted { record, before } => {
                    core.report_crd(false);
                    return Ok(Outcome::Counted { record, before });
                }
                Action::Elsewhere { newest } => return Ok(Outcome::Elsewhere(newest)),
                Action::Unsettled => return Err(unsettled()),
                Action::FieldMissing => return Err(self.field_missing()),
                _ if core.context.monotonic() >= deadline => return Err(unsettled()),
                Action::Patch(count) => self.patch(&count, &fingerprint, &uid, &mut doubts, deadline).await?,
                Action::Refresh { name, uid, than } => self.refresh(&name, &fingerprint, &uid, than, deadline).await?,
                Action::Obituary { uid } => Observation::Remembered(self.obituary(&fingerprint, &uid, deadline).await),
                Action::AskForTurn { name } => self.ask_for_turn(&name, &uid, deadline).await,
                Action::GiveWay { uid, than } => {
                    Observation::GaveWay(self.give_way(&fingerprint, &uid, than, deadline).await)
                }
            };
        }
        Err(unsettled())
    }

    async fn patch(
        &mut self,
        count: &Count,
        fingerprint: &Fingerprint,
        uid: &str,
        doubts: &mut u32,
        deadline: Monotonic,
    ) -> Result<Observation, Error> {
        let Core { objects, context, kubernetes, view, .. } = self.core;
        let patch = Patch::Merge(body(count));
        let (before, asked) = (context.monotonic(), view.asked(fingerprint));
        let params = PatchParams::default();
        let answer = kubernetes.once(PATCH, deadline, objects.patch_status(&count.name, &params, &patch)).await;
        match answer {
            Ok(object) => {
                let newest = context.monotonic().since(before);
                let mean = self.round_trip.unwrap_or(newest);
                self.round_trip = Some((mean * (ROUND_TRIP_SHARE - 1) + newest) / ROUND_TRIP_SHARE);
                let record = object.record().map_err(|error| kubernetes::Error::Unexpected(error.to_string()));
                let record = record.map_err(|error| self.core.refused(PATCH, &error))?;
                self.core.agrees(&asked, &record)?;
                view.mark(record.version, before);
                Ok(Observation::Patched(Arc::new(record)))
            }
            Err(kubernetes::Error::Conflict(_)) => {
                self.core.metrics.commit_conflicts.inc();
                Ok(Observation::Conflict)
            }
            Err(kubernetes::Error::NotFound(_)) => {
                view.missed(&asked, &count.name);
                Ok(Observation::NotFound)
            }
            Err(kubernetes::Error::Throttled { retry_after, .. }) => {
                let pause = retry_after.max(self.core.config.processing.retry.initial_backoff);
                self.pause(pause, deadline).await?;
                Ok(Observation::BackedOff(view.by_uid(uid)))
            }
            Err(error) if error.is_ambiguous() => self.doubt(&error, doubts, deadline).await,
            Err(error) => Err(self.core.refused(PATCH, &error)),
        }
    }

    /// Goes on after an answer that leaves open whether the patch took effect, a bounded number of times.
    async fn doubt(
        &self,
        error: &kubernetes::Error,
        doubts: &mut u32,
        deadline: Monotonic,
    ) -> Result<Observation, Error> {
        let retry = &self.core.config.processing.retry;
        *doubts += 1;
        if *doubts >= retry.max_attempts {
            return Err(self.core.refused(PATCH, error));
        }
        tracing::warn!(%error, "it is not known whether signals were counted: looking");
        if *doubts > 1 {
            let backoff = retry.initial_backoff.saturating_mul(2_u32.saturating_pow(*doubts)).min(retry.max_backoff);
            self.pause(backoff, deadline).await?;
        }
        Ok(Observation::Ambiguous)
    }

    async fn pause(&self, pause: Duration, deadline: Monotonic) -> Result<(), Error> {
        let context = &self.core.context;
        let pause = context.jitter(pause, pause + pause / 2);
        if context.monotonic() + pause >= deadline {
            return Err(Error::Busy { reason: "the Kubernetes API is overloaded", retry_after: pause });
        }
        context.sleep(pause).await;
        Ok(())
    }

    /// The object in a version newer than `than`: from the view if it has one, else from the API.
    async fn refresh(
        &self,
        name: &str,
        fingerprint: &Fingerprint,
        uid: &str,
        than: ResourceVersion,
        deadline: Monotonic,
    ) -> Result<Observation, Error> {
        if let Some(record) = self.core.view.by_uid(uid).filter(|record| record.version > than) {
            return Ok(Observation::Got(Some(record)));
        }
        let asked = self.core.view.asked(fingerprint);
        match get(self.core, &self.core.objects, name, deadline).await {
            Ok(object) => {
                match &object {
                    Some(record) => self.core.agrees(&asked, record)?,
                    None => self.core.view.missed(&asked, name),
                }
                Ok(Observation::Got(object))
            }
            Err(error) => Err(self.core.refused(GET, &error)),
        }
    }

    /// Writes that this writer waits for its turn, whatever the object's version: the others' patches under way conflict
    /// with that, and then they know. If it fails, the batch goes on without.
    async fn ask_for_turn(&self, name: &str, uid: &str, deadline: Monotonic) -> Observation {
        let Core { objects, kubernetes, writer, view, .. } = self.core;
        let patch = Patch::Merge(json!({ "status": { "deduplication": { "turn": writer } } }));
        let params = PatchParams::default();
        let answer = kubernetes.once(PATCH, deadline, objects.patch_status(name, &params, &patch)).await;
        match answer.map(Projected::record) {
            Ok(Ok(record)) => Observation::Got(Some(Arc::new(record))),
            _ => Observation::BackedOff(view.by_uid(uid)),
        }
    }

    /// Waits until the view has a version newer than `than` that is nobody's turn; the newest one it has then.
    async fn give_way(
        &self,
        fingerprint: &Fingerprint,
        uid: &str,
        than: ResourceVersion,
        deadline: Monotonic,
    ) -> Option<Arc<Record>> {
        let Core { context, view, .. } = self.core;
        let newest = || view.by_uid(uid).filter(|record| record.version > than);
        let is_over = || newest().is_some_and(|record| record.counted.as_ref().is_none_or(|c| c.turn.is_none()));
        let until = deadline.min(context.monotonic() + TURN_MAX);
        let subscription = view.subscribe(fingerprint);
        while !is_over() && context.monotonic() < until {
            subscription.changed(context, until.since(context.monotonic()), is_over).await;
        }
        newest()
    }

    /// The last state of a deleted object, once the view has seen it go.
    async fn obituary(&self, fingerprint: &Fingerprint, uid: &str, deadline: Monotonic) -> Option<Arc<Record>> {
        let Core { context, view, .. } = self.core;
        let subscription = view.subscribe(fingerprint);
        while view.deleted(uid).is_none() && context.monotonic() < deadline {
            let patience = deadline.since(context.monotonic());
            subscription.changed(context, patience, || view.deleted(uid).is_some()).await;
        }
        view.deleted(uid)
    }

    fn field_missing(&self) -> Error {
        let message = "the CRD remediationrequests.kubernaut.ai in the cluster does not keep \
                       status.deduplication.writers: apply gateway/deploy/crd";
        tracing::error!("{message}");
        self.core.report_crd(true);
        Error::Kubernetes(message.to_owned())
    }
}

fn unsettled() -> Error {
    Error::Busy { reason: "the signal's count could not be settled in time", retry_after: Duration::from_secs(1) }
}

/// A merge patch of the status, valid on one version only.
fn body(count: &Count) -> Value {
    let deduplication = DeduplicationStatus {
        first_seen_at: Some(Time(count.first_seen)),
        last_seen_at: Some(Time(count.last_seen)),
        occurrence_count: count.occurrences,
        writers: count.writers.clone(),
        turn: None,
    };
    let mut body = json!({
        "metadata": { "resourceVersion": count.version.to_string() },
        "status": { "deduplication": deduplication },
    });
    if count.ends_turn {
        body["status"]["deduplication"]["turn"] = Value::Null;
    }
    body
}

//! Counts a batch, and answers those in it.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use jiff::Timestamp;
use tracing::{Instrument as _, Span};

use super::{
    super::{
        deduplicate::{Accepted, Error, Outcome},
        driver,
        inbox::Pending,
        protocol::{
            count::{self, Batch, Cause, Count},
            projection::Counted,
        },
    },
    Worker,
};
use crate::{
    remediation::{Counter, Record, TargetResource},
    trace::{self, Kind},
};

impl Worker {
    pub(super) fn answer_created(&mut self, record: &Arc<Record>) {
        let Some(creator) = self.waiting.pop_front() else { return };
        let received = creator.signal.received_time;
        let core = &self.shared.core;
        core.metrics.crds_created.with_label_values(&[creator.signal.source.as_str(), "created"]).inc();
        let (alert, TargetResource { kind, name, namespace, .. }) = (&creator.signal.name, &creator.signal.target);
        creator.span.in_scope(|| {
            tracing::info!(
                name = record.name,
                fingerprint = %record.fingerprint,
                alert,
                namespace,
                resource = format!("{kind}/{name}"),
                "RemediationRequest created"
            );
        });
        let accepted = self.accepted(record, Outcome::Created, 1, received, received);
        creator.answer(Ok(accepted));
        // The first status tells of it, at once unless more is being counted.
        let now = core.context.monotonic();
        self.note(record, Counted { total: 1, first_seen: received, last_seen: received }, now);
    }

    fn accepted(
        &self,
        record: &Record,
        outcome: Outcome,
        occurrence: u64,
        first_occurrence: Timestamp,
        last_occurrence: Timestamp,
    ) -> Accepted {
        let namespace = self.shared.core.namespace.clone();
        let (name, uid) = (record.name.to_string(), Some(record.uid.to_string()));
        let occurrence_count = i32::try_from(occurrence).unwrap_or(i32::MAX);
        Accepted { outcome, name, namespace, uid, occurrence_count, first_occurrence, last_occurrence }
    }

    /// Counts on `target` what waits.
    pub(super) async fn count(&mut self, target: Arc<Record>) {
        let core = &self.shared.core;
        let batch = std::mem::take(&mut self.waiting);
        let now = core.context.monotonic();
        let size = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let newest = batch.iter().map(|pending| pending.signal.received_time).max();
        let Some(deadline) = batch.iter().map(|pending| pending.deadline).max() else { return };
        core.metrics.commit_batch_size.observe(size as f64);
        let own = core.registers.of(&target);
        let newest = newest.unwrap_or_else(|| core.context.now());
        let first_sequence = core.next_sequences();
        let mut machine = Count::new(
            Arc::clone(&target),
            core.store.boot().clone(),
            own,
            Batch { size, newest, deadline, first_sequence },
            core.config.processing.retry.clone(),
        );
        // The one request is for all of them; what is logged on the way has the id of the first.
        let span = batch.front().map_or_else(Span::none, |pending| pending.span.clone());
        let counting = trace::together(batch.iter().map(|pending| &pending.scope), Kind::Internal, || "count".into());
        if size > 1 {
            counting.scope().note(|notes| notes.int("gateway.batch.signals", i64::try_from(size).unwrap_or(i64::MAX)));
        }
        let counted = driver::count(core, &mut machine, &target, deadline).instrument(span.clone());
        let outcome = counting.scope().clone().within(counted).await;
        drop(counting);
        core.registers.remember(&target.uid, machine.own());
        self.pace.counted(now, core.context.monotonic(), core.config.commit.min_linger);
        match outcome {
            count::Outcome::Counted { record, counter } => self.counted(batch, record, &counter),
            count::Outcome::TargetClosed { newest, taken_back } => {
                if taken_back {
                    core.metrics.counts_taken_back.inc();
                }
                for pending in batch.into_iter().rev() {
                    self.waiting.push_front(pending);
                }
                match newest {
                    Some(newest) => self.past.floor = self.past.floor.max(newest.version),
                    None => self.past.gone = Some(target.uid.clone()),
                }
            }
            count::Outcome::Late => self.fail(batch, &Error::Deadline),
            count::Outcome::Refused(error) => {
                self.fail(batch, &driver::failed(driver::COUNT, &error));
            }
            count::Outcome::Indeterminate(cause) => {
                core.metrics.counts_indeterminate.with_label_values(&[cause.as_str()]).inc();
                if cause == Cause::Tampered {
                    span.in_scope(|| {
                        tracing::error!(name = target.name, "the counter was changed or removed by another hand");
                    });
                }
                let reason = "the signal's count could not be settled in time";
                self.fail(batch, &Error::Busy { reason, retry_after: Duration::from_secs(1) });
            }
        }
    }

    fn counted(&mut self, batch: VecDeque<Box<Pending>>, record: Arc<Record>, counter: &Counter) {
        let core = &self.shared.core;
        let counted = Counted::of(counter, &record, core.context.now());
        let Counted { total, first_seen, last_seen } = counted;
        let mut occurrence = total.saturating_sub(u64::try_from(batch.len()).unwrap_or(u64::MAX));
        for pending in batch {
            occurrence = occurrence.saturating_add(1);
            core.metrics.signals_deduplicated.with_label_values(&[pending.signal.source.as_str()]).inc();
            pending.answer(Ok(self.accepted(&record, Outcome::Deduplicated, occurrence, first_seen, last_seen)));
        }
        let soon = self.soon();
        self.note(&record, counted, soon);
        self.past.floor = self.past.floor.max(record.version);
        self.known = Some(record);
    }
}

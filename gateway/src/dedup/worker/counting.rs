//! Counts a batch, and answers those in it.

use std::{collections::VecDeque, sync::Arc};

use tracing::Instrument as _;

use super::{
    super::{
        deduplicate::{Error, Outcome},
        driver,
        inbox::Pending,
        protocol::{
            count::{self, Batch, Cause, Count},
            projection::{Counted, Due},
        },
        store::leases,
    },
    Worker, fail,
};
use crate::{
    context::Monotonic,
    remediation::{Counter, Record},
    trace::{self, Kind},
};

impl Worker {
    /// Counts on `target` what waits.
    pub(super) async fn count(&mut self, target: Arc<Record>) {
        let core = &self.core;
        let batch = std::mem::take(&mut self.waiting);
        let now = core.context.monotonic();
        let size = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let newest = batch.iter().map(|pending| pending.signal.received_time).max();
        let deadline = batch.iter().map(|pending| pending.deadline).max();
        let (Some(first), Some(newest), Some(deadline)) = (batch.front(), newest, deadline) else { return };
        // The one request is for all of them; what is logged on the way has the id of the first.
        let span = first.span.clone();
        core.metrics.commit_batch_size.observe(size as f64);
        let own = core.registers.of(&target);
        let first_sequence = core.next_sequences();
        let mut machine = Count::new(
            Arc::clone(&target),
            core.store.boot().clone(),
            own,
            Batch { size, newest, deadline, first_sequence },
            core.config.processing.retry.clone(),
        );
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
            count::Outcome::Counted { record, counter } => self.counted(batch, record, &counter, now),
            count::Outcome::TargetClosed { newest, taken_back } => {
                if taken_back {
                    core.metrics.counts_taken_back.inc();
                }
                self.pace.came_to_nothing(core.context.monotonic(), &core.config.lock);
                self.waiting = batch;
                match newest {
                    Some(newest) => self.past.floor = self.past.floor.max(newest.version),
                    None => self.past.gone = Some(target.uid.clone()),
                }
            }
            count::Outcome::Late => fail(batch, &Error::Deadline),
            count::Outcome::Refused(error) => {
                fail(batch, &driver::failed(leases::PATCH, &error));
            }
            count::Outcome::Indeterminate(cause) => {
                core.metrics.counts_indeterminate.with_label_values(&[cause.as_str()]).inc();
                if cause == Cause::Tampered {
                    span.in_scope(|| {
                        tracing::error!(
                            name = target.name,
                            "the counter was changed, or removed by another client or with its RemediationRequest"
                        );
                    });
                }
                fail(batch, &Error::busy("the signal's count could not be settled in time", 1));
            }
        }
    }

    fn counted(&mut self, batch: VecDeque<Box<Pending>>, record: Arc<Record>, counter: &Counter, known: Monotonic) {
        let core = &self.core;
        let counted = Counted::of(counter, &record, core.context.now());
        self.pace.got_on();
        let mut total = counted.total.saturating_sub(u64::try_from(batch.len()).unwrap_or(u64::MAX));
        for pending in batch {
            total = total.saturating_add(1);
            core.metrics.signals_deduplicated.with_label_values(&[pending.signal.source.as_str()]).inc();
            pending.answer(Ok(self.accepted(&record, Outcome::Deduplicated, Counted { total, ..counted })));
        }
        let soon = self.soon();
        self.note(Due { record: Arc::clone(&record), counted, known }, soon);
        self.past.floor = self.past.floor.max(record.version);
        self.known = Some(record);
    }
}

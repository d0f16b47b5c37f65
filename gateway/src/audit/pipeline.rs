//! From the callers' hands into batches, and out of the process at its end.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};
use tracing::Level;

use super::{counts::Counts, encoded::Encoded, error::Error, event::Event, sender::Sender};
use crate::{
    config::{Buffer, DataStorage},
    context::{Context, Monotonic},
    log_limit::LogLimit,
    metrics::Metrics,
    outbox::{self, Outbox},
};

/// Bytes of events that are not settled yet, beside their number: 10,000 ordinary ones, and a small part of a pod's memory.
const BYTES_MAX: usize = 16 << 20;

/// Where audit events go; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    way: Option<Way>,
}

#[derive(Clone, Debug)]
struct Way {
    events: mpsc::Sender<Encoded>,
    /// One permit for each byte.
    room: Arc<Semaphore>,
    counts: Counts,
    log: LogLimit,
}

impl Recorder {
    /// Forgets every event, and counts none.
    pub const fn disabled() -> Self {
        Self { way: None }
    }

    /// Whether events are kept: if not, none need be made.
    pub const fn is_enabled(&self) -> bool {
        self.way.is_some()
    }

    /// Takes `event` over; if there is no room for it, it is dropped, counted and logged. Never waits.
    pub fn record(&self, event: Event) {
        let Some(way) = &self.way else { return };
        // Counted before it can be taken out, so that the gauge never goes below zero.
        way.counts.queued();
        let encoded = Encoded::new(&event, &way.room);
        if encoded.is_none_or(|encoded| way.events.try_send(encoded).is_err()) {
            way.counts.taken(1);
            way.counts.settled("dropped", 1);
            if way.log.admits("audit_dropped", Level::WARN) {
                tracing::warn!(
                    reason = "audit_dropped",
                    "an audit event was dropped: as many as datastorage.buffer.bufferSize, or {} MiB of them, wait for DataStorage",
                    BYTES_MAX >> 20
                );
            }
        }
    }
}

/// The audit trail of one gateway instance, between its start and its shutdown.
#[derive(Debug, Default)]
pub struct Pipeline {
    recorder: Recorder,
    outbox: Option<Outbox>,
}

/// Starts the task that sends events to `settings.url`; events are forgotten if there is none.
///
/// # Errors
/// If there can be no client for that address.
pub fn start(settings: &DataStorage, context: &Context, metrics: &Metrics, log: LogLimit) -> Result<Pipeline, Error> {
    let Some(url) = &settings.url else { return Ok(Pipeline::default()) };
    let counts = Counts::new(metrics);
    let sender = Sender::new(url, settings, context.clone(), counts.clone())?;
    let Buffer { buffer_size, batch_size, flush_interval, .. } = settings.buffer;
    let (events, mut queue, outbox) = outbox::queue(buffer_size, context);
    let room = Arc::new(Semaphore::new(BYTES_MAX));
    let recorder = Recorder { way: Some(Way { events, room, counts: counts.clone(), log }) };
    outbox.start(async move {
        while let Some(batch) = queue.batch(batch_size, flush_interval).await {
            counts.taken(batch.len());
            sender.send(batch, &queue).await;
        }
    });
    Ok(Pipeline { recorder, outbox: Some(outbox) })
}

impl Pipeline {
    /// Where to put events.
    pub fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    /// Takes no more events, and sends what is left, until `deadline` at most; what is left then is counted as dropped.
    pub async fn shutdown(&self, deadline: Monotonic) {
        let (Some(outbox), Some(way)) = (&self.outbox, &self.recorder.way) else { return };
        if !outbox.shut_down(deadline).await {
            let left = way.counts.abandon();
            tracing::warn!(
                events = left,
                "audit events were dropped: DataStorage did not accept them before the shutdown"
            );
        }
    }
}

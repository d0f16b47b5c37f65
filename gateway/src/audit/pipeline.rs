//! From the callers' hands into batches, and out of the process at its end.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::{counts::Counts, encoded::Encoded, error::Error, event::Event, sender::Sender};
use crate::{
    config::{Buffer, DataStorage},
    context::{Context, Monotonic},
    metrics::Metrics,
};

/// Bytes of events that are not settled yet, beside their number: 10,000 ordinary ones, and a small part of a pod's memory.
const BYTES_MAX: usize = 16 << 20;

/// Where audit events go; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    queue: Option<Queue>,
}

#[derive(Clone, Debug)]
struct Queue {
    events: mpsc::Sender<Encoded>,
    /// One permit for each byte.
    room: Arc<Semaphore>,
    counts: Counts,
}

impl Recorder {
    /// Forgets every event, and counts none.
    pub const fn disabled() -> Self {
        Self { queue: None }
    }

    /// Whether events are kept: if not, none need be made.
    pub const fn is_enabled(&self) -> bool {
        self.queue.is_some()
    }

    /// Takes `event` over; if there is no room for it, it is dropped and counted. Never waits.
    pub fn record(&self, event: Event) {
        let Some(queue) = &self.queue else { return };
        // Counted before it can be taken out, so that the gauge never goes below zero.
        queue.counts.queued();
        let encoded = Encoded::new(&event, &queue.room);
        if encoded.is_none_or(|encoded| queue.events.try_send(encoded).is_err()) {
            queue.counts.taken(1);
            queue.counts.settled("dropped", 1);
        }
    }
}

/// The audit trail of one gateway instance, between its start and its shutdown.
#[derive(Debug)]
pub struct Pipeline {
    recorder: Recorder,
    context: Context,
    /// Cancelled: no new events, and the rest is sent without waiting for batches to fill.
    stop: CancellationToken,
    /// Cancelled: the rest is not sent any more.
    abort: CancellationToken,
    /// Cancelled by the task's end.
    done: CancellationToken,
}

/// Starts the task that sends events to `settings.url`; events are forgotten if there is none.
///
/// # Errors
/// If there can be no client for that address.
pub fn start(settings: &DataStorage, context: &Context, metrics: &Metrics) -> Result<Pipeline, Error> {
    let mut pipeline = Pipeline {
        recorder: Recorder::disabled(),
        context: context.clone(),
        stop: CancellationToken::new(),
        abort: CancellationToken::new(),
        done: CancellationToken::new(),
    };
    let Some(url) = &settings.url else {
        pipeline.done.cancel();
        return Ok(pipeline);
    };
    let counts = Counts::new(metrics);
    let sender = Sender::new(url, settings, context.clone(), counts.clone())?;
    let (events, queue) = mpsc::channel(settings.buffer.buffer_size.max(1));
    let room = Arc::new(Semaphore::new(BYTES_MAX));
    pipeline.recorder = Recorder { queue: Some(Queue { events, room, counts: counts.clone() }) };
    let worker = Worker {
        queue,
        sender,
        counts,
        buffer: settings.buffer.clone(),
        context: context.clone(),
        stop: pipeline.stop.clone(),
    };
    let (abort, done) = (pipeline.abort.clone(), pipeline.done.clone().drop_guard());
    context.spawn(async move {
        abort.run_until_cancelled_owned(worker.run()).await;
        drop(done);
    });
    Ok(pipeline)
}

impl Pipeline {
    /// Where to put events.
    pub fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    /// Takes no more events, and sends what is left, until `deadline` at most; what is left then is counted as dropped.
    pub async fn shutdown(&self, deadline: Monotonic) {
        self.stop.cancel();
        if self.context.timeout_at(deadline, self.done.cancelled()).await.is_ok() {
            return;
        }
        self.abort.cancel();
        self.done.cancelled().await;
        if let Some(queue) = &self.recorder.queue {
            let left = queue.counts.abandon();
            tracing::warn!(
                events = left,
                "audit events were dropped: DataStorage did not take them before the shutdown"
            );
        }
    }
}

/// The task that takes events out of the queue.
struct Worker {
    queue: mpsc::Receiver<Encoded>,
    sender: Sender,
    counts: Counts,
    buffer: Buffer,
    context: Context,
    stop: CancellationToken,
}

impl Worker {
    async fn run(mut self) {
        while let Some(first) = self.next().await {
            let batch = self.fill(first).await;
            self.counts.taken(batch.len());
            self.sender.send(batch).await;
        }
    }

    /// The next event; none once the pipeline was stopped and the queue is empty.
    async fn next(&mut self) -> Option<Encoded> {
        if let Some(next) = self.stop.run_until_cancelled(self.queue.recv()).await {
            return next;
        }
        self.queue.close();
        self.queue.recv().await
    }

    /// The batch that begins with `first`: full, or as old as the flush interval, or all there is after a stop.
    async fn fill(&mut self, first: Encoded) -> Vec<Encoded> {
        let flush = self.context.monotonic() + self.buffer.flush_interval;
        let context = self.context.clone();
        let mut batch = vec![first];
        while batch.len() < self.buffer.batch_size {
            match context.timeout_at(flush, self.next()).await {
                Ok(Some(event)) => batch.push(event),
                Ok(None) | Err(_) => break,
            }
        }
        batch
    }
}

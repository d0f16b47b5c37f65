//! From the sink of spans into batches, and out of the process at its end.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{batch::Origin, counts::Counts, error::Error, sender::Sender};
use crate::{
    config::Tracing,
    context::{Context, Monotonic},
    log_limit::LogLimit,
    metrics::Metrics,
    trace::{Sink, SpanData},
};

/// Spans of one request to the collector.
const BATCH: usize = 512;
/// The longest a span waits for its batch to fill.
const LINGER: Duration = Duration::from_secs(1);

/// The way of spans to the collector, between its start and its shutdown.
#[derive(Debug)]
pub struct Pipeline {
    context: Context,
    counts: Counts,
    /// Cancelled: no new spans, and the rest is sent without waiting for batches to fill.
    stop: CancellationToken,
    /// Cancelled: the rest is not sent any more.
    abort: CancellationToken,
    /// Cancelled by the task's end.
    done: CancellationToken,
}

/// Starts the task that sends spans to `endpoint`; returns where to put them, too.
///
/// # Errors
/// If there can be no client for that address.
pub fn start(
    endpoint: &Url,
    settings: &Tracing,
    origin: Origin,
    context: &Context,
    metrics: &Metrics,
    log: LogLimit,
) -> Result<(Sink, Pipeline), Error> {
    let counts = Counts::new(metrics);
    let sender = Sender::new(endpoint, settings, context.clone(), counts.clone(), log)?;
    let (spans, queue) = mpsc::channel(settings.queue_size.max(1));
    let (stop, abort, done) = (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
    let worker = Worker { queue, sender, origin, context: context.clone(), stop: stop.clone() };
    let (aborted, guard) = (abort.clone(), done.clone().drop_guard());
    context.spawn(async move {
        aborted.run_until_cancelled_owned(worker.run()).await;
        drop(guard);
    });
    let pipeline = Pipeline { context: context.clone(), counts: counts.clone(), stop, abort, done };
    let sink = Box::new(move |span| {
        counts.queued();
        if spans.try_send(span).is_err() {
            counts.settled("dropped", 1);
        }
    });
    Ok((sink, pipeline))
}

impl Pipeline {
    /// Takes no more spans, and sends what is left, until `deadline` at most; what is left then is counted as dropped.
    pub async fn shutdown(&self, deadline: Monotonic) {
        self.stop.cancel();
        if self.context.timeout_at(deadline, self.done.cancelled()).await.is_ok() {
            return;
        }
        self.abort.cancel();
        self.done.cancelled().await;
        let spans = self.counts.abandon();
        tracing::warn!(spans, "spans were dropped: tracing.endpoint did not take them before the shutdown");
    }
}

/// The task that takes spans out of the queue.
struct Worker {
    queue: mpsc::Receiver<SpanData>,
    sender: Sender,
    origin: Origin,
    context: Context,
    stop: CancellationToken,
}

impl Worker {
    async fn run(mut self) {
        while let Some(first) = self.next().await {
            let batch = self.fill(first).await;
            let spans = batch.len();
            self.sender.send(self.origin.encode(batch), spans).await;
        }
    }

    /// The next span; none once the pipeline was stopped and the queue is empty.
    async fn next(&mut self) -> Option<SpanData> {
        if let Some(next) = self.stop.run_until_cancelled(self.queue.recv()).await {
            return next;
        }
        self.queue.close();
        self.queue.recv().await
    }

    /// The batch that begins with `first`: full, or old enough, or all there is after a stop.
    async fn fill(&mut self, first: SpanData) -> Vec<SpanData> {
        let flush = self.context.monotonic() + LINGER;
        let context = self.context.clone();
        let mut batch = vec![first];
        while batch.len() < BATCH {
            match context.timeout_at(flush, self.next()).await {
                Ok(Some(span)) => batch.push(span),
                Ok(None) | Err(_) => break,
            }
        }
        batch
    }
}

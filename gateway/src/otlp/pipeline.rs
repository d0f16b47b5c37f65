//! From the sink of spans into batches, and out of the process at its end.

use std::time::Duration;

use url::Url;

use super::{batch::Origin, error::Error, sender::Sender};
use crate::{
    config::Tracing,
    context::{Context, Monotonic},
    log_limit::LogLimit,
    metrics::Metrics,
    outbox::{self, Counts, Outbox},
    trace::Sink,
};

/// Spans of one request to the collector.
const BATCH: usize = 512;
/// The longest a span waits for its batch to fill.
const LINGER: Duration = Duration::from_secs(1);

/// The way of spans to the collector, between its start and its shutdown.
#[derive(Debug)]
pub struct Pipeline {
    outbox: Outbox,
    counts: Counts,
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
    let counts = Counts::new(&metrics.trace_spans);
    let sender = Sender::new(endpoint, settings, context.clone(), counts.clone(), log)?;
    let (spans, mut queue, outbox) = outbox::queue(settings.queue_size, context);
    outbox.start(async move {
        while let Some(batch) = queue.batch(BATCH, LINGER).await {
            let spans = batch.len();
            sender.send(origin.encode(batch), spans).await;
        }
    });
    let pipeline = Pipeline { outbox, counts: counts.clone() };
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
        if !self.outbox.shut_down(deadline).await {
            let spans = self.counts.abandon();
            tracing::warn!(spans, "spans were dropped: tracing.endpoint did not accept them before the shutdown");
        }
    }
}

//! From the sink of spans into batches, and out of the process at its end.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Level;
use url::Url;

use super::{batch::Origin, error::Error, sender::Sender};
use crate::{
    config::Tracing,
    context::{Context, Monotonic},
    log_limit::LogLimit,
    metrics::Metrics,
    outbox::{self, Counts, Outbox},
    trace::{Sink, SpanData},
};

/// Spans of one request to the collector.
const BATCH: usize = 512;
/// Bytes of spans that are not sent yet, beside their number: twice what the default queue holds of ordinary ones.
const BYTES_MAX: usize = 8 << 20;
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
    let sender = Sender::new(endpoint, settings, context.clone(), counts.clone(), log.clone())?;
    let (spans, mut queue, outbox) = outbox::queue(settings.queue_size, context);
    outbox.start(async move {
        while let Some(batch) = queue.batch(BATCH, LINGER).await {
            let (batch, room): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
            let spans = batch.len();
            sender.send(origin.encode(batch), spans).await;
            drop::<Vec<OwnedSemaphorePermit>>(room);
        }
    });
    let pipeline = Pipeline { outbox, counts: counts.clone() };
    let room = Arc::new(Semaphore::new(BYTES_MAX));
    let sink = Box::new(move |span: SpanData| {
        counts.queued();
        let bytes = u32::try_from(span.bytes()).unwrap_or(u32::MAX);
        let permit = Arc::clone(&room).try_acquire_many_owned(bytes);
        if permit.is_err() || permit.is_ok_and(|permit| spans.try_send((span, permit)).is_err()) {
            counts.settled("dropped", 1);
            if log.admits("spans_dropped", Level::WARN) {
                tracing::warn!(
                    reason = "spans_dropped",
                    "a span was dropped: as many as tracing.queueSize, or {} MiB of them, wait for tracing.endpoint",
                    BYTES_MAX >> 20
                );
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Kind, Notes, SpanContext, SpanId, TraceId};

    fn large(context: SpanContext) -> SpanData {
        let mut notes = Notes::default();
        for _ in 0..128 {
            notes.link(context);
        }
        notes.text("text", "t".repeat(512));
        let name = "POST".into();
        SpanData {
            context,
            state: None,
            parent: None,
            is_parent_remote: false,
            name,
            kind: Kind::Internal,
            start: 0,
            end: 0,
            notes,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn spans_that_wait_are_bounded_in_bytes_too_and_their_room_is_given_back() {
        let (context, metrics) = (Context::system(), Metrics::new().unwrap());
        let settings = Tracing { queue_size: 100_000, ..Tracing::default() };
        let origin = Origin { pod: "a".to_owned(), namespace: "b".to_owned(), pod_uid: None, cluster: String::new() };
        let endpoint = "http://127.0.0.1:9".parse().unwrap();
        let log = LogLimit::new(context.clone());
        let (sink, pipeline) = start(&endpoint, &settings, origin, &context, &metrics, log).unwrap();
        let count = |outcome: &str| metrics.trace_spans.with_label_values(&[outcome]).get();
        let id = SpanContext { trace_id: TraceId(1), span_id: SpanId(1), is_sampled: true };
        let each = large(id).bytes();
        for _ in 0..10_000 {
            sink(large(id));
        }
        let kept = 10_000 - usize::try_from(count("dropped")).unwrap();
        assert!(kept * each <= BYTES_MAX && (kept + 1) * each > BYTES_MAX, "{kept} of {each} bytes");
        while count("failed") < kept as u64 {
            context.sleep(Duration::from_secs(1)).await;
        }
        sink(large(id));
        assert_eq!(count("dropped"), 10_000 - kept as u64);
        pipeline.shutdown(context.monotonic() + Duration::from_secs(60)).await;
    }
}

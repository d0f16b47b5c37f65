//! What leaves the gateway in the background: queues that tasks of their own empty, and their orderly end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use prometheus::IntCounterVec;
use reqwest::{Client, ClientBuilder, Response, redirect};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    context::{Context, Monotonic},
    crypto,
};

/// Bytes of an answer that are read: more than any collector has to say.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Pauses between tries, once the outbox is shut down.
const HASTE: Duration = Duration::from_millis(500);

/// The values of the label `outcome` of [`Counts`].
const OUTCOMES: [&str; 4] = ["sent", "rejected", "failed", "dropped"];

/// The task that empties a queue, between its start and its shutdown; cheap to clone.
#[derive(Clone, Debug)]
pub struct Outbox {
    context: Context,
    /// Cancelled: nothing new is taken, and nothing is waited for but what is sent.
    stop: CancellationToken,
    /// Cancelled: the rest is not sent any more.
    abort: CancellationToken,
    /// Cancelled by the task's end.
    done: CancellationToken,
}

/// What waits to be sent.
#[derive(Debug)]
pub struct Queue<T> {
    items: mpsc::Receiver<T>,
    context: Context,
    stop: CancellationToken,
}

/// A queue of `capacity` items at most, one at least; [`Outbox::start`] starts the task that empties it.
pub fn queue<T>(capacity: usize, context: &Context) -> (mpsc::Sender<T>, Queue<T>, Outbox) {
    let (sender, items) = mpsc::channel(capacity.max(1));
    let outbox = Outbox {
        context: context.clone(),
        stop: CancellationToken::new(),
        abort: CancellationToken::new(),
        done: CancellationToken::new(),
    };
    (sender, Queue { items, context: context.clone(), stop: outbox.stop.clone() }, outbox)
}

impl Outbox {
    /// Starts `work`, which ends when its queue does.
    pub fn start(&self, work: impl Future<Output = ()> + Send + 'static) {
        let (abort, done) = (self.abort.clone(), self.done.clone().drop_guard());
        self.context.spawn(async move {
            abort.run_until_cancelled_owned(work).await;
            drop(done);
        });
    }

    /// Takes nothing new, and sends what is left, until `deadline` at most; false if something was left then.
    pub async fn shut_down(&self, deadline: Monotonic) -> bool {
        self.stop.cancel();
        if self.context.timeout_at(deadline, self.done.cancelled()).await.is_ok() {
            return true;
        }
        self.abort.cancel();
        self.done.cancelled().await;
        false
    }
}

impl<T> Queue<T> {
    /// The next item; none once the outbox was shut down and nothing is left.
    pub async fn next(&mut self) -> Option<T> {
        if let Some(next) = self.stop.run_until_cancelled(self.items.recv()).await {
            return next;
        }
        self.items.close();
        self.items.recv().await
    }

    /// The next `size` items, or those that have come `linger` after the first, or all there are after a shutdown.
    pub async fn batch(&mut self, size: usize, linger: Duration) -> Option<Vec<T>> {
        let mut batch = vec![self.next().await?];
        let context = self.context.clone();
        let flush = context.monotonic() + linger;
        while batch.len() < size {
            match context.timeout_at(flush, self.next()).await {
                Ok(Some(item)) => batch.push(item),
                Ok(None) | Err(_) => break,
            }
        }
        Some(batch)
    }

    /// Waits, unless the outbox is shut down.
    pub async fn pause(&self, duration: Duration) {
        self.stop.run_until_cancelled(self.context.sleep(duration)).await;
    }

    /// Waits before another try; half a second at most once the outbox is shut down: its end does not wait for long.
    pub async fn back_off(&self, duration: Duration) {
        if self.stop.run_until_cancelled(self.context.sleep(duration)).await.is_none() {
            self.context.sleep(duration.min(HASTE)).await;
        }
    }

    /// How many items wait.
    pub fn waiting(&self) -> usize {
        self.items.len()
    }
}

/// Where each item is: on its way, or settled.
#[derive(Clone, Debug)]
pub struct Counts {
    settled: IntCounterVec,
    pending: Arc<AtomicUsize>,
}

impl Counts {
    /// Items that are settled are counted in `settled`, by the label `outcome`.
    pub fn new(settled: &IntCounterVec) -> Self {
        // Exposed from the start: a rate over a counter that begins at 1 misses the first loss.
        for outcome in OUTCOMES {
            settled.with_label_values(&[outcome]);
        }
        Self { settled: settled.clone(), pending: Arc::default() }
    }

    /// An item is on its way.
    pub fn queued(&self) {
        self.pending.fetch_add(1, Ordering::Relaxed);
    }

    /// `count` items have come to their end, by `outcome`.
    pub fn settled(&self, outcome: &str, count: usize) {
        self.pending.fetch_sub(count, Ordering::Relaxed);
        self.settled.with_label_values(&[outcome]).inc_by(count as u64);
    }

    /// What is not settled never will be; how many that are.
    pub fn abandon(&self) -> usize {
        let left = self.pending.swap(0, Ordering::Relaxed);
        self.settled.with_label_values(&["dropped"]).inc_by(left as u64);
        left
    }
}

/// The beginning of an answer.
///
/// # Errors
/// If the connection breaks.
pub async fn beginning(response: &mut Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut text = Vec::new();
    while let Some(part) = response.chunk().await? {
        text.extend_from_slice(part.get(..ANSWER_BYTES_MAX - text.len()).unwrap_or(&part));
        if text.len() >= ANSWER_BYTES_MAX {
            break;
        }
    }
    Ok(text)
}

/// A client for `url` that follows no redirects.
pub fn client(url: &Url) -> ClientBuilder {
    // Whichever provider is there already will do; without any, the client could not be built.
    crypto::install_default();
    let client = Client::builder().redirect(redirect::Policy::none());
    if url.scheme() == "http" {
        // Nobody to verify. In an image without certificates of authorities the client could not be built otherwise.
        return client.tls_certs_only([]);
    }
    client
}

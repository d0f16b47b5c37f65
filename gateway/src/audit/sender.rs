//! One batch to DataStorage: retries, and the search for the event that spoils it.

use std::time::Duration;

use bytes::Bytes;
use reqwest::{
    Client, StatusCode,
    header::{CONTENT_TYPE, HeaderMap},
};
use url::Url;

use super::{
    counts::Counts,
    encoded::{About, Encoded},
    error::Error,
};
use crate::{
    config::{DataStorage, masked_text},
    context::Context,
    kubernetes::{refusal, with_causes},
    outbox::{self, Queue},
    retry_after::{pause, retry_after},
    trace::{self, Kind},
};

const PATH: [&str; 5] = ["api", "v1", "audit", "events", "batch"];
/// The longest pause before a batch is sent again, `Retry-After` included: the queue fills meanwhile.
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// A service in the same cluster answers a connect within this, or is not there.
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(5);
/// Halving this often takes the largest batch that the configuration admits (a million) down to single events.
const SPLITS_MAX: usize = 20;

/// Sends batches, one after the other.
pub(super) struct Sender {
    client: Client,
    url: Url,
    context: Context,
    counts: Counts,
    max_retries: u32,
    first_backoff: Duration,
}

/// What one try came to.
enum Answer {
    Accepted,
    /// DataStorage does not want this content; another try would not change that.
    Refused(String),
    /// It is not about the content, and will not pass by itself: a wrong address, or missing permission.
    Unusable(String),
    /// It may pass: no connection, overload, a restart.
    Unavailable {
        reason: String,
        retry_after: Option<Duration>,
    },
}

/// What became of a batch.
enum Delivery {
    Sent,
    Refused(String),
    Failed(String),
}

/// A client for DataStorage at `base`, and where it sends to.
///
/// # Errors
/// If there can be none, as a start would find.
pub(crate) fn client(base: &Url, settings: &DataStorage) -> Result<(Client, Url), Error> {
    let mut url = base.clone();
    url.path_segments_mut().map_err(|()| Error::Url(base.clone()))?.pop_if_empty().extend(PATH);
    let client = outbox::client(&url)
        .timeout(settings.timeout)
        .connect_timeout(settings.timeout.min(CONNECT_TIMEOUT_MAX))
        .build()?;
    Ok((client, url))
}

impl Sender {
    pub(super) fn new(base: &Url, settings: &DataStorage, context: Context, counts: Counts) -> Result<Self, Error> {
        let (client, url) = client(base, settings)?;
        Ok(Self {
            client,
            url,
            context,
            counts,
            max_retries: settings.buffer.max_retries,
            first_backoff: settings.buffer.flush_interval.min(BACKOFF_MAX),
        })
    }

    /// Sends `batch`; every event of it is settled in the end. A batch that is refused is halved, so that an event that
    /// DataStorage does not want costs none of its neighbours.
    pub(super) async fn send(&self, batch: Vec<Encoded>, queue: &Queue<Encoded>) {
        let mut todo = vec![(batch, 0)];
        while let Some((mut batch, splits)) = todo.pop() {
            let count = batch.len();
            match self.deliver(&batch, queue).await {
                Delivery::Sent => self.counts.settled("sent", count),
                Delivery::Refused(_) if count > 1 && splits < SPLITS_MAX => {
                    let second = batch.split_off(count / 2);
                    todo.push((second, splits + 1));
                    todo.push((batch, splits + 1));
                }
                Delivery::Refused(reason) => {
                    let About { event_type, correlation_id } = batch.first().map(Encoded::about).unwrap_or_default();
                    tracing::error!(event_type, correlation_id, reason, "DataStorage rejected an audit event");
                    self.counts.settled("rejected", count);
                }
                Delivery::Failed(reason) => {
                    tracing::warn!(
                        events = count,
                        reason,
                        "audit events were lost: DataStorage failed or did not respond"
                    );
                    self.counts.settled("failed", count);
                }
            }
        }
    }

    async fn deliver(&self, events: &[Encoded], queue: &Queue<Encoded>) -> Delivery {
        let batch = Bytes::from(Encoded::array(events));
        let mut backoff = self.first_backoff;
        for tries_left in (0..=self.max_retries).rev() {
            let (reason, retry_after) = match self.once_traced(batch.clone(), events).await {
                Answer::Accepted => return Delivery::Sent,
                Answer::Refused(reason) => return Delivery::Refused(reason),
                Answer::Unusable(reason) => return Delivery::Failed(reason),
                Answer::Unavailable { reason, retry_after } => (reason, retry_after),
            };
            if tries_left == 0 {
                return Delivery::Failed(reason);
            }
            let asked = retry_after.map(|asked| asked.min(BACKOFF_MAX));
            let pause = pause(&self.context, backoff, asked, BACKOFF_MAX);
            tracing::debug!(reason, ?pause, tries_left, "DataStorage is unavailable");
            queue.back_off(pause).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
        Delivery::Failed("no retry was left".to_owned())
    }

    /// Within the trace of the first event that has one, linked with the others'.
    async fn once_traced(&self, batch: Bytes, events: &[Encoded]) -> Answer {
        let scopes = events.iter().map(|event| &event.scope);
        let span = trace::together(scopes, Kind::Client, || "POST audit events".into());
        span.scope().note(|notes| {
            notes.text("http.request.method", "POST");
            notes.text("url.full", masked_text(self.url.as_str()));
            notes.text("server.address", self.url.host_str().unwrap_or_default().to_owned());
            notes.int("server.port", self.url.port_or_known_default().unwrap_or_default());
        });
        let mut headers = HeaderMap::new();
        span.scope().inject(&mut headers);
        let (answer, status) = self.once(batch, headers).await;
        span.scope().note(|notes| {
            if let Some(status) = status {
                notes.int("http.response.status_code", status.as_u16());
            }
            match &answer {
                Answer::Accepted => {}
                Answer::Refused(why) | Answer::Unusable(why) | Answer::Unavailable { reason: why, .. } => {
                    notes.text(
                        "error.type",
                        status.map_or_else(|| "unreachable".to_owned(), |s| s.as_u16().to_string()),
                    );
                    notes.fail(why.clone());
                }
            }
        });
        answer
    }

    async fn once(&self, batch: Bytes, headers: HeaderMap) -> (Answer, Option<StatusCode>) {
        let request = self.client.post(self.url.clone()).headers(headers).header(CONTENT_TYPE, "application/json");
        let request = request.body(batch);
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => return (Answer::Unavailable { reason: with_causes(&error), retry_after: None }, None),
        };
        let status = response.status();
        if status.is_success() {
            return (Answer::Accepted, Some(status));
        }
        let retry_after = retry_after(response.headers());
        let reason = refusal(status, &outbox::beginning(&mut response).await.unwrap_or_default());
        let answer = match status {
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Answer::Unavailable { reason, retry_after },
            _ if status.is_server_error() => Answer::Unavailable { reason, retry_after },
            // These are about who asks and where, never about an event: halving would only multiply the requests.
            StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED => Answer::Unusable(reason),
            _ if status.is_client_error() => Answer::Refused(reason),
            _ => Answer::Unusable(reason),
        };
        (answer, Some(status))
    }
}

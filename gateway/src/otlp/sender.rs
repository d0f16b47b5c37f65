//! One batch to the collector, for a bounded time.

use std::{io, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use prost::Message as _;
use reqwest::{Certificate, Client};
use tracing::Level;
use url::Url;

use super::{
    error::Error,
    message::{ExportTraceServiceResponse, PartialSuccess},
};
use crate::{
    config::{self, Tracing},
    context::{Context, Monotonic},
    kubernetes::{excerpt, refusal, with_causes},
    log_limit::LogLimit,
    outbox::{self, Counts},
    retry_after::{pause, retry_after},
};

/// Before the second try; doubles.
const PAUSE: Duration = Duration::from_millis(250);
/// For the last try, of the time that a batch has.
const MARGIN: Duration = Duration::from_millis(100);
const PATH: [&str; 2] = ["v1", "traces"];

/// The client for `endpoint` with what `settings` say of it.
///
/// # Errors
/// If the certificates or headers of `settings` cannot be used.
pub(crate) fn client(endpoint: &Url, settings: &Tracing) -> Result<Client, Error> {
    let mut headers = HeaderMap::new();
    for (name, value) in &settings.headers {
        let (name, mut value) = HeaderName::try_from(name.as_str())
            .ok()
            .zip(HeaderValue::from_str(value).ok())
            .ok_or_else(|| Error::Header(name.clone()))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    let mut client = outbox::client(endpoint)
        .default_headers(headers)
        .user_agent(concat!("signal-gateway/", env!("CARGO_PKG_VERSION")))
        .timeout(settings.timeout);
    if let Some(file) = settings.ca_file.as_ref().filter(|_| endpoint.scheme() != "http") {
        let unreadable = |source| Error::CaFile { file: file.clone(), source };
        let authorities = Certificate::from_pem_bundle(config::read_file(file).map_err(unreadable)?.as_bytes())?;
        if authorities.is_empty() {
            return Err(unreadable(io::Error::other("there is no certificate in it")));
        }
        client = client.tls_certs_only(authorities);
    }
    Ok(client.build()?)
}

/// Sends batches, one after the other.
pub(super) struct Sender {
    client: Client,
    url: Url,
    timeout: Duration,
    context: Context,
    counts: Counts,
    log: LogLimit,
}

/// What one try came to.
enum Answer {
    /// The collector has it, but for so many spans.
    Accepted { rejected: usize, why: String },
    /// It will not take it.
    Refused(String),
    /// It may pass.
    Unavailable { why: String, retry_after: Option<Duration> },
}

impl Sender {
    pub(super) fn new(
        endpoint: &Url,
        settings: &Tracing,
        context: Context,
        counts: Counts,
        log: LogLimit,
    ) -> Result<Self, Error> {
        let client = client(endpoint, settings)?;
        Ok(Self { client, url: address(endpoint), timeout: settings.timeout, context, counts, log })
    }

    /// Sends `batch`, of `spans`; each of them is settled in the end.
    pub(super) async fn send(&self, batch: Vec<u8>, spans: usize) {
        match self.deliver(batch.into()).await {
            Ok((rejected, why)) => {
                let rejected = rejected.min(spans);
                self.counts.settled("sent", spans - rejected);
                if rejected > 0 {
                    self.counts.settled("rejected", rejected);
                    self.warn("spans_rejected", rejected, &why);
                }
            }
            Err(why) => {
                self.counts.settled("failed", spans);
                self.warn("spans_failed", spans, &why);
            }
        }
    }

    fn warn(&self, reason: &'static str, spans: usize, why: &str) {
        if self.log.admits(reason, Level::WARN) {
            tracing::warn!(reason, spans, why, "spans were lost: tracing.endpoint did not accept them");
        }
    }

    /// How many the collector rejects, and why; or why it has none.
    async fn deliver(&self, batch: Bytes) -> Result<(usize, String), String> {
        let deadline = self.context.monotonic() + self.timeout;
        let mut backoff = PAUSE;
        loop {
            let (why, retry_after) = match self.once(batch.clone(), deadline).await {
                Answer::Accepted { rejected, why } => return Ok((rejected, why)),
                Answer::Refused(why) => return Err(why),
                Answer::Unavailable { why, retry_after } => (why, retry_after),
            };
            // One that asks for more than is left is not tried again, and must not overflow.
            let asked = retry_after.map(|asked| asked.min(self.timeout));
            let left = deadline.since(self.context.monotonic()).saturating_sub(MARGIN);
            let pause = pause(&self.context, backoff, asked, left);
            if self.context.monotonic() + pause >= deadline {
                return Err(why);
            }
            self.context.sleep(pause).await;
            backoff *= 2;
        }
    }

    async fn once(&self, batch: Bytes, deadline: Monotonic) -> Answer {
        let tried = self.context.timeout_at(deadline, async {
            let mut response = self.client.post(self.url.clone()).body(batch).send().await?;
            let text = outbox::beginning(&mut response).await?;
            Ok::<_, reqwest::Error>((response, text))
        });
        let (response, text) = match tried.await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                return Answer::Unavailable { why: with_causes(&error.without_url()), retry_after: None };
            }
            Err(elapsed) => return Answer::Refused(elapsed.to_string()),
        };
        let status = response.status();
        match status {
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => {
                Answer::Unavailable { why: refusal(status, &text), retry_after: retry_after(response.headers()) }
            }
            _ if !status.is_success() => Answer::Refused(refusal(status, &text)),
            _ => match ExportTraceServiceResponse::decode(text.as_slice()) {
                Ok(ExportTraceServiceResponse { partial_success }) => {
                    let PartialSuccess { rejected_spans, error_message } = partial_success.unwrap_or_default();
                    let rejected = usize::try_from(rejected_spans).unwrap_or_default();
                    Answer::Accepted { rejected, why: excerpt(&error_message) }
                }
                Err(_) => Answer::Refused(format!("status {status}, but the response is not OTLP protobuf")),
            },
        }
    }
}

/// `endpoint` is the base address, as everywhere in OpenTelemetry, or already that of traces.
fn address(endpoint: &Url) -> Url {
    let mut url = endpoint.clone();
    if !url.path().trim_end_matches('/').ends_with("/v1/traces")
        && let Ok(mut path) = url.path_segments_mut()
    {
        path.pop_if_empty().extend(PATH);
    }
    url
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("http://collector:4318", "http://collector:4318/v1/traces")]
    #[case("http://collector:4318/", "http://collector:4318/v1/traces")]
    #[case("https://tenant.example/otlp", "https://tenant.example/otlp/v1/traces")]
    #[case("https://tenant.example/otlp/v1/traces", "https://tenant.example/otlp/v1/traces")]
    fn the_path_of_traces_is_added_to_a_base_address(#[case] endpoint: &str, #[case] url: &str) {
        assert_eq!(address(&endpoint.parse().unwrap()).as_str(), url);
    }
}

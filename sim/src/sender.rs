//! Posts webhooks over HTTP.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;

/// A webhook without a response by then will get none.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Until a Service's endpoints are updated, some connections go to pods that are gone, which nothing refuses.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// What came of one post.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// HTTP status; 0 stands for no answer.
    pub(crate) status: u16,
    /// The body, if it is JSON.
    pub(crate) body: Value,
    /// From sending the webhook.
    pub(crate) took: Duration,
}

/// Posts webhooks; cheap to clone.
#[derive(Clone)]
pub(crate) struct Sender {
    client: reqwest::Client,
    token: Option<String>,
}

impl Sender {
    /// Keeps connections for further posts.
    pub(crate) fn new() -> Result<Self, reqwest::Error> {
        Ok(Self { client: builder().build()?, token: None })
    }

    /// Shows `token`, if there is one, and opens a connection for each post, so that a Service spreads them.
    pub(crate) fn through_service(token: Option<String>) -> Result<Self, reqwest::Error> {
        let client = builder().connect_timeout(CONNECT_TIMEOUT).pool_max_idle_per_host(0).build()?;
        Ok(Self { client, token })
    }

    #[allow(clippy::disallowed_methods, reason = "load is sent in real time")]
    pub(crate) async fn post(&self, url: &str, body: Bytes) -> Answer {
        let began = Instant::now();
        let mut request = self.client.post(url).header("content-type", "application/json").body(body);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let Ok(answer) = request.send().await else { return Answer { took: began.elapsed(), ..Answer::default() } };
        let status = answer.status().as_u16();
        let body = answer.bytes().await.unwrap_or_default();
        Answer { status, body: serde_json::from_slice(&body).unwrap_or_default(), took: began.elapsed() }
    }
}

/// Without the system's certificate authorities, which plain HTTP needs not and empty images have not.
fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder().timeout(ANSWER_TIMEOUT).tls_certs_only([])
}

//! Requests, and their answers as far as clients see them.

use std::{collections::BTreeMap, time::Duration};

use embedded_apiserver::{Caller, EmbeddedApi};
use futures::StreamExt;
use http::{Request, Response};
use http_body_util::BodyExt;
use kube::{Client, client::Body};
use serde_json::{Value, json};

/// A request, to be sent to any server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    pub(crate) method: String,
    /// With the query.
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// Empty for the administrator.
    pub(crate) user: String,
}

impl Call {
    /// A request without a body.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { method: "GET".to_owned(), path: path.into(), ..Self::default() }
    }

    /// A request with a JSON body.
    pub(crate) fn send(method: &str, path: impl Into<String>, body: &Value) -> Self {
        let headers = BTreeMap::from([("content-type".to_owned(), "application/json".to_owned())]);
        let body = body.to_string().into_bytes();
        Self { method: method.to_owned(), path: path.into(), headers, body, user: String::new() }
    }

    fn request(&self) -> Request<Body> {
        let mut request = Request::builder().method(self.method.as_str()).uri(self.path.as_str());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Body::from(self.body.clone())).unwrap()
    }
}

/// One of the two servers.
#[derive(Clone)]
pub(crate) enum Server {
    Embedded(EmbeddedApi),
    /// As an administrator, who may impersonate everybody.
    Real(Client),
}

impl Server {
    async fn respond(&self, call: &Call) -> kube::Result<Response<Body>> {
        let mut request = call.request();
        match self {
            Self::Embedded(api) => {
                let caller = match call.user.strip_prefix("system:serviceaccount:").and_then(|id| id.split_once(':')) {
                    Some((namespace, name)) => Caller::service_account(namespace, name),
                    None if call.user.is_empty() => Caller::admin(),
                    None => Caller::new(&call.user),
                };
                Client::new(api.service(caller), "default").send(request).await
            }
            Self::Real(client) => {
                if !call.user.is_empty() {
                    request.headers_mut().insert("impersonate-user", call.user.parse().unwrap());
                }
                client.send(request).await
            }
        }
    }

    /// The answer: `code`, `type`, `warnings` if there are any, and `body`, an array of events if it was a stream of them.
    pub(crate) async fn answer(&self, call: &Call) -> Value {
        let response = match self.respond(call).await {
            Ok(response) => response,
            Err(error) => return json!({"error": error.to_string()}),
        };
        let (head, body) = response.into_parts();
        let of = |name: &str| {
            let values = head.headers.get_all(name).iter();
            values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect::<Vec<_>>()
        };
        let mut answer = json!({"code": head.status.as_u16(), "type": of("content-type").join(", ")});
        for name in ["warning", "retry-after"] {
            if !of(name).is_empty() {
                answer[name] = of(name).into();
            }
        }
        let bytes = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        answer["body"] = document(&bytes);
        answer
    }

    /// The body of an answer that must be JSON and succeed.
    pub(crate) async fn expect(&self, call: &Call) -> Value {
        let answer = self.answer(call).await;
        assert!(answer["code"].as_u64().is_some_and(|code| code < 300), "{call:?}: {answer}");
        answer["body"].clone()
    }

    /// The events of a watch: `count` of them, waited for at most for `timeout`, and what else comes within `grace`.
    pub(crate) async fn events(&self, call: &Call, count: usize, timeout: Duration, grace: Duration) -> Vec<Value> {
        let response = match self.respond(call).await {
            Ok(response) => response,
            Err(error) => return vec![json!({"error": error.to_string()})],
        };
        let mut frames = response.into_body().into_data_stream();
        let (mut bytes, mut events) = (Vec::new(), Vec::new());
        loop {
            let wait = if events.len() < count { timeout } else { grace };
            match tokio::time::timeout(wait, frames.next()).await {
                Ok(Some(Ok(frame))) => bytes.extend_from_slice(&frame),
                _ => return events,
            }
            while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = bytes.drain(..=end).collect();
                events.push(serde_json::from_slice(&line).unwrap_or_default());
            }
        }
    }
}

/// JSON, JSON lines or text.
fn document(bytes: &[u8]) -> Value {
    if let Ok(value) = serde_json::from_slice::<Value>(bytes) {
        // A stream of one event is JSON as well.
        return if value.get("object").is_some() { json!([value]) } else { value };
    }
    let text = String::from_utf8_lossy(bytes);
    let lines: Option<Vec<Value>> = text.lines().map(|line| serde_json::from_str(line).ok()).collect();
    lines.map_or_else(|| text.clone().into_owned().into(), Value::from)
}

//! Requests to the embedded Kubernetes API, a line each: method, path with query, media type, body. No panic, and an answer that
//! is JSON.
use std::time::Duration;

use bytes::Bytes;
use embedded_apiserver::Caller;
use harness::fleet::{EPOCH, embedded_api};
use http::{Method, Request, Uri};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tower::ServiceExt;

/// Requests of one input at most.
const REQUESTS_MAX: usize = 8;

pub(crate) fn check(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let (api, _) = embedded_api(EPOCH);
        for line in text.lines().take(REQUESTS_MAX) {
            let mut parts = line.splitn(4, ' ');
            let mut part = || parts.next().unwrap_or_default();
            let (method, uri, media_type, body) = (part(), part(), part(), part());
            let (Ok(method), Ok(uri)) = (method.parse::<Method>(), uri.parse::<Uri>()) else { return };
            let request = Request::builder().method(method).uri(uri).header("content-type", media_type);
            let Ok(request) = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))) else { return };
            let Ok(answer) = api.service(Caller::new("fuzz")).oneshot(request).await else { continue };
            let is_json = answer.headers().get("content-type").is_some_and(|kind| kind == "application/json");
            // Watches go on.
            let body = tokio::time::timeout(Duration::from_secs(5), answer.into_body().collect()).await;
            if let (true, Ok(Ok(body))) = (is_json, body) {
                let body = body.to_bytes();
                let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
                lines.for_each(|line| drop(serde_json::from_slice::<Value>(line).expect("JSON")));
            }
        }
    });
}

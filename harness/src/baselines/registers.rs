//! `registers`: counting on the RemediationRequest itself, one register for each writer.

use std::time::Duration;

use futures::{FutureExt, future::BoxFuture, lock::Mutex};
use gateway::{
    context::Monotonic,
    dedup::{Accepted, Deduplicate, Error, Outcome},
    kubernetes::{self, Operation},
    remediation::{RemediationRequest, Signal},
    runtime::Parts,
};
use http::Request;
use kube::{Client, Resource};
use serde_json::{Value, json};

use super::{
    find::{Found, find_or_create},
    store::Store,
};
use crate::oracles::{counted_on, occurrences};

const GET: Operation = Operation { verb: "get", resource: "remediationrequests" };
const PATCH: Operation = Operation { verb: "patch", resource: "remediationrequests" };
const PREFIX: &str = "count.gateway.kubernaut.ai";
/// Looks and patches for one signal at most; a deadline ends it earlier.
const STEPS_MAX: usize = 1000;
const PAUSE: Duration = Duration::from_millis(5);

/// Each writer has an annotation of its own on the object, and changes it by a JSON patch that tests the value before:
/// writers never conflict with each other, and whether a patch took effect is read from the register.
///
/// Defects: replacing the annotations loses what was counted; and since these writers never conflict, they starve a client
/// that reads, works and writes back with the version it read.
pub struct Registers {
    store: Store,
    client: Client,
    url: String,
    boot: String,
    /// Of the newest patch. One signal at a time.
    sequence: Mutex<u64>,
}

impl Registers {
    pub(super) fn new(parts: &Parts) -> Self {
        let Parts { identity, context, kubernetes, .. } = parts;
        Self {
            store: Store::new(parts),
            client: kubernetes.client(),
            url: RemediationRequest::url_path(&(), Some(&identity.pod_namespace)),
            boot: format!("{:016x}", context.random()),
            sequence: Mutex::new(0),
        }
    }

    async fn count(&self, Found { name, outcome }: Found, deadline: Monotonic) -> Result<Accepted, Error> {
        let Store { kubernetes, context, .. } = &self.store;
        let mut sequence = self.sequence.lock().await;
        let size = u64::from(outcome == Outcome::Deduplicated);
        let own = format!("{PREFIX}/{}", self.boot);
        // What the register becomes by the patch that was sent last.
        let mut sent: Option<String> = None;
        for _ in 0..STEPS_MAX {
            let object: Value = kubernetes
                .call(GET, deadline, || self.client.request(self.read(&name)))
                .await
                .map_err(|error| Error::from(&error))?;
            let register = object["metadata"]["annotations"][own.as_str()].as_str();
            if sent.is_some() && register == sent.as_deref() {
                return Ok(self.accepted(&name, outcome, &object));
            }
            let before: u64 = register.and_then(|text| text.split(';').next()?.parse().ok()).unwrap_or(0);
            *sequence += 1;
            let value = format!("{};{};{}", before + size, *sequence, context.now());
            let patch = self.patch(&name, &steps(&object, &self.boot, register, &value));
            sent = Some(value);
            match kubernetes.once(PATCH, deadline, self.client.request::<Value>(patch)).await {
                Ok(object) => return Ok(self.accepted(&name, outcome, &object)),
                Err(kubernetes::Error::Invalid(_) | kubernetes::Error::Conflict(_)) => {}
                Err(error) if error.is_ambiguous() => {}
                Err(error) => return Err(Error::from(&error)),
            }
            context.sleep(context.jitter(PAUSE, PAUSE * 3)).await;
        }
        Err(Error::Deadline)
    }

    fn read(&self, name: &str) -> Request<Vec<u8>> {
        request("GET", &format!("{}/{name}", self.url), Vec::new())
    }

    fn patch(&self, name: &str, steps: &Value) -> Request<Vec<u8>> {
        request("PATCH", &format!("{}/{name}", self.url), steps.to_string().into_bytes())
    }

    fn accepted(&self, name: &str, outcome: Outcome, object: &Value) -> Accepted {
        let counted = i32::try_from(counted_on(object)).unwrap_or(i32::MAX);
        self.store.accepted(name, outcome, (counted, self.store.context.now()))
    }
}

fn request(method: &str, url: &str, body: Vec<u8>) -> Request<Vec<u8>> {
    let builder = Request::builder().method(method).uri(url).header("content-type", "application/json-patch+json");
    builder.body(body).unwrap_or_default()
}

/// Sets the register to `value` where it is `before`; the first to count says what was counted before.
fn steps(object: &Value, boot: &str, before: Option<&str>, value: &str) -> Value {
    let annotations = &object["metadata"]["annotations"];
    let path = |key: &str| format!("/metadata/annotations/{PREFIX}~1{key}");
    let mut steps = Vec::new();
    if !annotations.is_object() {
        steps.push(json!({ "op": "add", "path": "/metadata/annotations", "value": {} }));
    }
    if annotations[format!("{PREFIX}/base")].is_null() {
        steps.push(json!({ "op": "add", "path": path("base"), "value": occurrences(object).to_string() }));
    }
    if let Some(before) = before {
        steps.push(json!({ "op": "test", "path": path(boot), "value": before }));
    }
    steps.push(json!({ "op": "add", "path": path(boot), "value": value }));
    steps.into()
}

impl Deduplicate for Registers {
    fn ingest(&self, signal: Signal, deadline: Monotonic) -> BoxFuture<'_, Result<Accepted, Error>> {
        async move {
            let found = find_or_create(&self.store, &signal, deadline).await?;
            self.count(found, deadline).await
        }
        .boxed()
    }
}

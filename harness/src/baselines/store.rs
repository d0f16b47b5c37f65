//! RemediationRequests as the baselines read, create and count them: no view, every answer from the API server.

use std::time::Duration;

use gateway::{
    context::{Context, Monotonic},
    dedup::{Accepted, Error, Outcome},
    kubernetes::{self, Kubernetes, Operation},
    remediation::{Fingerprint, Projected, Record, RemediationRequest, Signal, build},
    runtime::Parts,
};
use jiff::Timestamp;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, ListParams, PostParams},
};
use serde_json::json;

const LIST: Operation = Operation { verb: "list", resource: "remediationrequests" };
const GET: Operation = Operation { verb: "get", resource: "remediationrequests" };
const CREATE: Operation = Operation { verb: "create", resource: "remediationrequests" };
const UPDATE_STATUS: Operation = Operation { verb: "update", resource: "remediationrequests/status" };

/// How often, and after which pauses, a count is tried again after a conflict.
#[derive(Clone, Copy, Debug)]
struct Retries {
    tries: usize,
    /// Before the first repetition.
    pause: Duration,
    factor: u32,
    /// No pause is longer.
    pause_max: Duration,
}

impl Retries {
    /// `retry.DefaultBackoff` of client-go's util/retry, which the Go service's status updater uses: 4 tries with
    /// 10, 50 and 250 ms between them, and up to a tenth more.
    const GO: Self = Self { tries: 4, pause: Duration::from_millis(10), factor: 5, pause_max: Duration::from_secs(1) };
    /// Until the signal's own deadline.
    const UNTIL_DEADLINE: Self =
        Self { tries: usize::MAX, pause: Duration::from_millis(5), factor: 2, pause_max: Duration::from_millis(200) };
}

/// What became of a create.
pub(super) enum Created {
    /// It is ours.
    Ours,
    /// There is one of that name.
    Exists,
}

/// The RemediationRequests of the pod's namespace; cheap to clone.
#[derive(Clone)]
pub(super) struct Store {
    pub(super) kubernetes: Kubernetes,
    pub(super) context: Context,
    requests: Api<RemediationRequest>,
    records: Api<Projected>,
    /// Whole objects, so that an update keeps what others wrote.
    objects: Api<DynamicObject>,
    namespace: String,
    pod: String,
}

impl Store {
    pub(super) fn new(parts: &Parts) -> Self {
        let Parts { identity, context, kubernetes, .. } = parts;
        let (client, namespace) = (kubernetes.client(), identity.pod_namespace.as_str());
        let resource = ApiResource::erase::<RemediationRequest>(&());
        Self {
            requests: Api::namespaced(client.clone(), namespace),
            records: Api::namespaced(client.clone(), namespace),
            objects: Api::namespaced_with(client, namespace, &resource),
            namespace: namespace.to_owned(),
            pod: identity.pod_name.clone(),
            kubernetes: kubernetes.clone(),
            context: context.clone(),
        }
    }

    /// All RemediationRequests of `fingerprint`, as of now: one consistent list by field selector.
    pub(super) async fn list(&self, fingerprint: &Fingerprint, deadline: Monotonic) -> Result<Vec<Record>, Error> {
        let params = ListParams::default().fields(&format!("spec.signalFingerprint={fingerprint}"));
        let list = self.kubernetes.once(LIST, deadline, self.records.list(&params)).await;
        let list = list.map_err(|error| Error::from(&error))?;
        Ok(list.items.into_iter().filter_map(|object| object.record().ok()).collect())
    }

    /// The one that a signal is a duplicate of now, if there is one.
    pub(super) async fn active(&self, fingerprint: &Fingerprint, deadline: Monotonic) -> Result<Option<Record>, Error> {
        let records = self.list(fingerprint, deadline).await?;
        let now = self.context.now();
        Ok(records.into_iter().find(|record| record.counts_signals(now)))
    }

    /// The RemediationRequest `name`, if there is one.
    pub(super) async fn get(&self, name: &str, deadline: Monotonic) -> Result<Option<Record>, Error> {
        let object = self.kubernetes.once(GET, deadline, self.records.get_opt(name)).await;
        let object = object.map_err(|error| Error::from(&error))?;
        Ok(object.and_then(|object| object.record().ok()))
    }

    /// Creates the RemediationRequest of `signal`, again after 429, 503 and 504, under the same name.
    pub(super) async fn create(&self, signal: &Signal, name: &str, deadline: Monotonic) -> Result<Created, Error> {
        self.create_as(signal, name, &self.pod, deadline).await
    }

    /// As [`Store::create`]; the object says that `tag` created it.
    pub(super) async fn create_as(
        &self,
        signal: &Signal,
        name: &str,
        tag: &str,
        deadline: Monotonic,
    ) -> Result<Created, Error> {
        let object = build(signal, name, &self.namespace, tag, self.context.now());
        let params = PostParams::default();
        match self.kubernetes.call(CREATE, deadline, || self.requests.create(&params, &object)).await {
            Ok(_) => Ok(Created::Ours),
            Err(kubernetes::Error::AlreadyExists(_)) => Ok(Created::Exists),
            Err(error) => Err(Error::from(&error)),
        }
    }

    /// Counts one signal on `name` and acknowledges it, **whether or not that succeeded**: a count that fails is logged
    /// and dropped, as the Go service does.
    pub(super) async fn count(&self, name: &str, outcome: Outcome, deadline: Monotonic) -> Accepted {
        let counted = self.count_with_retries(name, Retries::GO, deadline).await.unwrap_or_else(|error| {
            tracing::info!(name, %error, "a count is dropped");
            (1, self.context.now())
        });
        self.accepted(name, outcome, counted)
    }

    /// Counts one signal on `name`, again until `deadline`, and acknowledges it if that succeeded: what a baseline does
    /// whose weakness lies elsewhere.
    pub(super) async fn count_or_fail(
        &self,
        name: &str,
        outcome: Outcome,
        deadline: Monotonic,
    ) -> Result<Accepted, Error> {
        let counted = self.count_with_retries(name, Retries::UNTIL_DEADLINE, deadline).await;
        counted.map(|counted| self.accepted(name, outcome, counted)).map_err(|error| Error::from(&error))
    }

    pub(super) fn accepted(
        &self,
        name: &str,
        outcome: Outcome,
        (occurrence_count, first): (i32, Timestamp),
    ) -> Accepted {
        Accepted {
            uid: None,
            outcome,
            name: name.to_owned(),
            namespace: self.namespace.clone(),
            occurrence_count,
            first_occurrence: first,
            last_occurrence: self.context.now(),
        }
    }

    async fn count_with_retries(
        &self,
        name: &str,
        retries: Retries,
        deadline: Monotonic,
    ) -> Result<(i32, Timestamp), kubernetes::Error> {
        let mut pause = retries.pause;
        let mut tries = 1;
        loop {
            match self.count_once(name, deadline).await {
                Err(kubernetes::Error::Conflict(_)) if tries < retries.tries => {}
                result => return result,
            }
            self.context.sleep(self.context.jitter(pause, pause + pause / 10)).await;
            pause = (pause * retries.factor).min(retries.pause_max);
            tries += 1;
        }
    }

    /// Reads the object, adds one (or begins with one), and writes its whole status in the version read.
    async fn count_once(&self, name: &str, deadline: Monotonic) -> Result<(i32, Timestamp), kubernetes::Error> {
        let mut object = self.kubernetes.once(GET, deadline, self.objects.get(name)).await?;
        let now = self.context.now();
        let before = &object.data["status"]["deduplication"];
        let counted = before["occurrenceCount"].as_i64().unwrap_or(0);
        let first = before["firstSeenAt"].as_str().and_then(|text| text.parse().ok()).unwrap_or(now);
        let counted = i32::try_from(counted).unwrap_or(i32::MAX).saturating_add(1);
        // Merged, so that fields this protocol does not know stay.
        let status = &mut object.data["status"]["deduplication"];
        status["occurrenceCount"] = json!(counted);
        status["firstSeenAt"] = json!(first);
        status["lastSeenAt"] = json!(now);
        let params = PostParams::default();
        let update = self.objects.replace_status(name, &params, &object);
        self.kubernetes.once(UPDATE_STATUS, deadline, update).await?;
        Ok((counted, first))
    }
}

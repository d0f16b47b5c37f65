//! A Kubernetes Event on each RemediationRequest that this instance creates, for those who ask `kubectl describe`.
//!
//! People read it and nothing relies on it: no signal waits for it, it is tried once, and what cannot be written is dropped
//! and counted in `gateway_remediation_events_total{outcome}`. Its name is derived from the RemediationRequest's, so there is
//! one at most. kube-runtime's recorder is not used: it has no timeout, and reads the machine's clock past [`Context`].

use std::time::Duration;

use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::api::{Api, ObjectMeta, PostParams, Resource as _};
use tokio::sync::mpsc;
use tracing::Level;

use crate::{
    context::{Context, Monotonic},
    dedup::{Accepted, Outcome},
    kubernetes::{self, Kubernetes, Operation},
    log_limit::LogLimit,
    metrics::Metrics,
    outbox::{self, Outbox, Queue},
    remediation::{RemediationRequest, Signal, TargetResource},
};

const CREATE: Operation = Operation { verb: "create", resource: "events" };
const CONTROLLER: &str = "kubernaut.ai/gateway";
/// Events that wait; a storm of new incidents is told by the RemediationRequests themselves.
const QUEUE: usize = 256;
/// Between two events: ten a second at most.
const PAUSE: Duration = Duration::from_millis(100);
/// For one event to be written.
const TIMEOUT: Duration = Duration::from_secs(5);
/// What Kubernetes admits in `reportingInstance`.
const INSTANCE_CHARS_MAX: usize = 128;
/// The values of the label `outcome`.
const OUTCOMES: [&str; 4] = ["sent", "forbidden", "failed", "dropped"];

/// What an event tells of a signal.
pub struct Subject {
    alert: String,
    severity: String,
    target: TargetResource,
}

struct Created {
    subject: Subject,
    accepted: Accepted,
    uid: String,
}

/// Takes events over, between its start and its shutdown; cheap to clone.
#[derive(Clone)]
pub struct Announcer {
    queue: mpsc::Sender<Created>,
    metrics: Metrics,
    log: LogLimit,
    outbox: Outbox,
}

/// Starts the task that writes events in `namespace` in the name of `pod`.
pub fn start(
    kubernetes: Kubernetes,
    (namespace, pod): (&str, &str),
    context: &Context,
    metrics: &Metrics,
    log: LogLimit,
) -> Announcer {
    // Exposed from the start: a rate over a counter that begins at 1 misses the first loss.
    for outcome in OUTCOMES {
        metrics.remediation_events.with_label_values(&[outcome]);
    }
    let (sender, queue, outbox) = outbox::queue(QUEUE, context);
    let worker = Worker {
        queue,
        api: Api::namespaced(kubernetes.client(), namespace),
        kubernetes,
        instance: pod.chars().take(INSTANCE_CHARS_MAX).collect(),
        context: context.clone(),
        metrics: metrics.clone(),
        log: log.clone(),
        under_way: false,
    };
    outbox.start(worker.run());
    Announcer { queue: sender, metrics: metrics.clone(), log, outbox }
}

impl Announcer {
    /// What an event on the RemediationRequest of `signal` would tell.
    pub fn subject(signal: &Signal) -> Subject {
        Subject { alert: signal.name.clone(), severity: signal.severity.clone(), target: signal.target.clone() }
    }

    /// Has an event written if a RemediationRequest was created; if there is no room for it, it is dropped, counted and
    /// logged. Never waits.
    pub fn accepted(&self, subject: Subject, accepted: &Accepted) {
        let (Outcome::Created, Some(uid)) = (accepted.outcome, &accepted.uid) else { return };
        let created = Created { subject, accepted: accepted.clone(), uid: uid.clone() };
        if self.queue.try_send(created).is_err() {
            self.metrics.remediation_events.with_label_values(&["dropped"]).inc();
            if self.log.admits("event_dropped", Level::WARN) {
                let name = &accepted.name;
                tracing::warn!(
                    reason = "event_dropped",
                    name,
                    "no Event is written on a RemediationRequest: {QUEUE} others wait for the Kubernetes API"
                );
            }
        }
    }

    /// Takes no more events, and writes what is left, until `deadline` at most.
    pub async fn shut_down(&self, deadline: Monotonic) {
        self.outbox.shut_down(deadline).await;
    }
}

/// The task that takes events out of the queue.
struct Worker {
    queue: Queue<Created>,
    api: Api<Event>,
    kubernetes: Kubernetes,
    instance: String,
    context: Context,
    metrics: Metrics,
    log: LogLimit,
    /// Whether one that was taken out of the queue has come to no end yet.
    under_way: bool,
}

impl Worker {
    async fn run(mut self) {
        while let Some(created) = self.queue.next().await {
            self.under_way = true;
            self.write(&created).await;
            self.under_way = false;
            self.queue.pause(PAUSE).await;
        }
    }

    async fn write(&self, created: &Created) {
        let event = event(created, &self.instance, MicroTime(self.context.now()));
        let deadline = self.context.monotonic() + TIMEOUT;
        let params = PostParams::default();
        let outcome = match self.kubernetes.aside(CREATE, deadline, self.api.create(&params, &event)).await {
            // There already: an answer was lost.
            Ok(_) | Err(kubernetes::Error::AlreadyExists(_)) => "sent",
            Err(error) => {
                let forbidden = matches!(error, kubernetes::Error::Forbidden(_));
                if self.log.admits("event", Level::WARN) {
                    let name = &created.accepted.name;
                    tracing::warn!(reason = "event", name, %error, "no Event was written on a RemediationRequest");
                }
                if forbidden { "forbidden" } else { "failed" }
            }
        };
        self.metrics.remediation_events.with_label_values(&[outcome]).inc();
    }
}

impl Drop for Worker {
    /// Nothing is left but where it was given up.
    fn drop(&mut self) {
        let left = self.queue.waiting() as u64 + u64::from(self.under_way);
        self.metrics.remediation_events.with_label_values(&["dropped"]).inc_by(left);
        if left > 0 {
            tracing::warn!(left, "Events on RemediationRequests were not written before the shutdown");
        }
    }
}

fn event(Created { subject, accepted, uid }: &Created, instance: &str, now: MicroTime) -> Event {
    let Subject { alert, severity, target } = subject;
    let filled = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let place = if target.namespace.is_empty() { String::new() } else { format!(" in {}", target.namespace) };
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{}.created", accepted.name)),
            namespace: Some(accepted.namespace.clone()),
            ..ObjectMeta::default()
        },
        type_: Some("Normal".to_owned()),
        reason: Some("RemediationRequestCreated".to_owned()),
        action: Some("Create".to_owned()),
        note: Some(format!("{alert} ({severity}) is firing for {} {}{place}", target.kind, target.name)),
        event_time: Some(now),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(instance.to_owned()),
        regarding: Some(ObjectReference {
            api_version: Some(RemediationRequest::api_version(&()).into_owned()),
            kind: Some(RemediationRequest::kind(&()).into_owned()),
            name: Some(accepted.name.clone()),
            namespace: Some(accepted.namespace.clone()),
            uid: Some(uid.clone()),
            ..ObjectReference::default()
        }),
        related: Some(ObjectReference {
            api_version: filled(&target.api_version),
            kind: filled(&target.kind),
            name: filled(&target.name),
            namespace: filled(&target.namespace),
            ..ObjectReference::default()
        }),
        ..Event::default()
    }
}

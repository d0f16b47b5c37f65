//! From a body to what became of each alert or event in it.

use std::sync::Arc;

use bytes::Bytes;
use futures::{
    FutureExt, StreamExt,
    future::{self, BoxFuture},
    stream::{self, BoxStream},
};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    handler::{Item, SignalHandler},
    memory::Memory,
    unprocessed::{About, Unprocessed},
};
use crate::{
    audit::{Event, Recorder},
    context::{Context, Monotonic},
    dedup::{self, Deduplicate, Outcome},
    events::Announcer,
    log_limit::LogLimit,
    metrics::Metrics,
    remediation::{Signal, Source},
    signal::{
        LiveRules, Parsed, Rejection, ResolveError, Resolver, UnresolvedSignal,
        alertmanager::{self, Received},
        event, reason,
    },
    trace::{Kind, Notes, Scope},
};

/// Alerts of one webhook worked on at once: those of one fingerprint are counted together, so this bounds the look-ups
/// of owners that one webhook can cause at a time.
const CONCURRENT_ALERTS: usize = 64;
/// What reading an alert takes of the budget that tokio gives a task, 128 each time that it is its turn: a task that has used it up
/// lets others go on. Webhooks of bad alerts have nothing else to wait for, and there may be as many of them as there are places.
/// (`yield_now` does not do: between alerts that are done, the stream is asked again at once.)
const BUDGET: usize = 8;
/// Bytes of text that cost one more unit of the budget.
const BUDGET_BYTES: usize = 128;
/// The whole budget of a turn.
const BUDGET_MAX: usize = 128;

/// Rejected alerts of one webhook that are told why: what a thousand are told, of each webhook at work, would take more memory than
/// their text.
const EXPLAINED_MAX: usize = 64;

/// Severities that are labels of metrics; any other one is `other`, so that senders cannot make up label values.
const SEVERITIES: [&str; 12] =
    ["critical", "error", "fatal", "high", "info", "low", "medium", "none", "notice", "page", "unknown", "warning"];

/// Handles the bodies of one gateway instance.
pub struct Intake {
    context: Context,
    metrics: Metrics,
    rules: LiveRules,
    resolver: Resolver,
    dedup: Arc<dyn Deduplicate>,
    audit: Recorder,
    events: Option<Announcer>,
    unprocessed: Unprocessed,
    memory: Memory,
}

/// A signal whose turn it is, and the memory that is held until it is done; or what has become of an alert or event that is none.
type Turn = Result<(Box<UnresolvedSignal>, OwnedSemaphorePermit), Item>;

impl Intake {
    /// What is received is read by `rules` and goes to `resolver`, then to `dedup`; what became of it goes to `audit`, and, if
    /// it is not processed, into the log as far as `log` allows. Bodies come in `places` requests at once.
    #[allow(clippy::too_many_arguments, reason = "its parts, put together in one place")]
    pub fn new(
        context: Context,
        metrics: Metrics,
        rules: LiveRules,
        resolver: Resolver,
        dedup: Arc<dyn Deduplicate>,
        audit: Recorder,
        log: LogLimit,
        places: usize,
    ) -> Self {
        let unprocessed = Unprocessed::new(metrics.clone(), log);
        Self { context, metrics, rules, resolver, dedup, audit, events: None, unprocessed, memory: Memory::new(places) }
    }

    /// Has an Event written on each RemediationRequest that a signal creates.
    pub fn announce(self, events: Option<Announcer>) -> Self {
        Self { events, ..self }
    }

    /// Reads the envelope of a webhook, and has its alerts worked on: each is parsed when it is its turn.
    async fn webhook(&self, body: &[u8], deadline: Monotonic) -> Result<Vec<Item>, Rejection> {
        // The whole webhook is read by the same ones.
        let rules = self.rules.current();
        let webhook = alertmanager::open(body, self.context.now(), &rules)?;
        if webhook.truncated_alerts > 0 {
            self.metrics.alerts_truncated.inc_by(webhook.truncated_alerts);
            self.unprocessed.truncated(webhook.truncated_alerts);
        }
        let webhook = &webhook;
        let turns = self.turns(webhook, deadline);
        // As they end: those behind one that waits for long must not wait for it.
        let items = turns.enumerate().map(|(place, turn)| self.item(turn, deadline).map(move |item| (place, item)));
        let mut rejected = 0;
        let items = items.buffer_unordered(CONCURRENT_ALERTS).map(|(place, mut item)| {
            if let Item::Rejected(rejection) = &mut item {
                rejected += 1;
                abridge(rejection, rejected);
            }
            (place, item)
        });
        let mut items: Vec<(usize, Item)> = items.collect().await;
        items.sort_unstable_by_key(|(place, _)| *place);
        Ok(items.into_iter().map(|(_, item)| item).collect())
    }

    fn turns<'a>(&'a self, webhook: &'a Received<'a>, deadline: Monotonic) -> BoxStream<'a, Turn> {
        let turns = stream::iter(&webhook.alerts).then(move |text| async move {
            for _ in 0..(BUDGET + text.len() / BUDGET_BYTES).min(BUDGET_MAX) {
                tokio::task::coop::consume_budget().await;
            }
            self.turn(text.len(), deadline, || webhook.read(text)).await
        });
        turns.boxed()
    }

    async fn event(&self, body: &[u8], deadline: Monotonic) -> Vec<Item> {
        // A malformed event is the one item of its body.
        let parse = || event::parse(body, self.context.now(), &self.rules.current());
        let turn = self.turn(body.len(), deadline, parse).await;
        vec![self.item(turn, deadline).await]
    }

    /// Waits for the memory that `bytes` of text take, then parses them; ignored or rejected alerts are finished at once.
    async fn turn(&self, bytes: usize, deadline: Monotonic, parse: impl FnOnce() -> Result<Parsed, Rejection>) -> Turn {
        let Some(memory) = self.memory.reserve(bytes, &self.context, deadline).await else {
            self.unprocessed.late();
            return Err(Item::Failed(dedup::Error::Deadline));
        };
        match parse() {
            Ok(Parsed::Signal(unresolved)) => Ok((unresolved, memory)),
            Ok(Parsed::Ignored(why)) => {
                self.unprocessed.ignored(&why);
                Err(Item::Ignored { message: why.to_string() })
            }
            Err(rejection) => {
                self.unprocessed.rejected("an alert or event", &rejection);
                Err(Item::Rejected(rejection))
            }
        }
    }

    /// The future of a signal is large; a thousand bad alerts need none.
    fn item(&self, turn: Turn, deadline: Monotonic) -> BoxFuture<'_, Item> {
        match turn {
            Ok((unresolved, memory)) => async move {
                let item = self.process(*unresolved, deadline).await;
                drop(memory);
                item
            }
            .boxed(),
            Err(item) => future::ready(item).boxed(),
        }
    }

    async fn process(&self, unresolved: UnresolvedSignal, deadline: Monotonic) -> Item {
        let span = Scope::current().child(Kind::Internal, || "signal".into());
        span.scope().note(|notes| note_signal(notes, unresolved.as_sent()));
        let item = span.scope().clone().within(self.process_in_span(unresolved, deadline)).await;
        span.scope().note(|notes| note_item(notes, &item));
        item
    }

    async fn process_in_span(&self, unresolved: UnresolvedSignal, deadline: Monotonic) -> Item {
        let sent = unresolved.as_sent();
        let severity = SEVERITIES.iter().find(|known| sent.severity.eq_ignore_ascii_case(known));
        let severity = severity.copied().unwrap_or("other");
        self.metrics.signals_received.with_label_values(&[sent.source.as_str(), severity]).inc();
        let about = About::new(sent);
        let signal = match self.resolver.resolve(unresolved, deadline).await {
            Ok(signal) => signal,
            Err(ResolveError::OutOfScope { message }) => {
                self.unprocessed.out_of_scope(&about, &message);
                return Item::OutOfScope { message };
            }
            Err(ResolveError::Kubernetes { object, source }) => {
                let About { alert, .. } = about;
                tracing::error!(alert, object, error = %source, "could not look up the owner or scope of a resource");
                let error = dedup::Error::from(&source);
                self.unprocessed.failed(&error);
                return Item::Failed(error);
            }
        };
        let fingerprint = signal.fingerprint.clone();
        Scope::current().note(|notes| note_resolved(notes, &signal));
        let audited = self.audit.is_enabled().then(|| signal.clone());
        let announced = self.events.as_ref().map(|events| (events, Announcer::subject(&signal)));
        let result = self.dedup.ingest(signal, deadline).await.inspect_err(|error| self.unprocessed.failed(error));
        if let (Some((events, subject)), Ok(accepted)) = (announced, &result) {
            events.accepted(subject, accepted);
        }
        if let Some(signal) = audited {
            for event in Event::of_result(self.context.now(), &signal, &result) {
                self.audit.record(event);
            }
        }
        let About { alert, namespace, resource } = about;
        match result {
            Ok(accepted) => Item::Accepted(accepted, fingerprint),
            // Sent again it would be refused again, and its neighbours counted again each time.
            Err(dedup::Error::Refused { reason, is_final: true, .. }) => {
                let rejection = Rejection::new(reason::REFUSED, reason).named(alert);
                self.unprocessed.rejected("an alert or event", &rejection);
                Item::Rejected(rejection)
            }
            Err(error) => {
                tracing::warn!(alert, namespace, resource, %error, "a signal was not accepted");
                Item::Failed(error)
            }
        }
    }
}

/// What a sender is told of its webhook's alert that is the `rejected`th to be rejected, and no more than that.
fn abridge(rejection: &mut Rejection, rejected: usize) {
    rejection.name = None;
    if rejected > EXPLAINED_MAX {
        rejection.message = format!("{}; only the first {EXPLAINED_MAX} are explained", rejection.reason);
    }
}

fn note_signal(notes: &mut Notes, signal: &Signal) {
    notes.text("gateway.signal.source", signal.source.as_str());
    notes.text("gateway.signal.name", signal.name.clone());
}

fn note_resolved(notes: &mut Notes, Signal { target, fingerprint, .. }: &Signal) {
    notes.text("gateway.fingerprint", fingerprint.to_string());
    notes.text("gateway.target.kind", target.kind.clone());
    notes.text("gateway.target.name", target.name.clone());
    notes.text("k8s.namespace.name", target.namespace.clone());
}

fn note_item(notes: &mut Notes, item: &Item) {
    let outcome = match item {
        Item::Accepted(accepted, _) => {
            notes.text("gateway.remediation_request.name", accepted.name.clone());
            notes.int("gateway.occurrence", accepted.occurrence_count);
            match accepted.outcome {
                Outcome::Created => "created",
                Outcome::Deduplicated => "deduplicated",
            }
        }
        Item::Rejected(Rejection { message, .. }) => {
            notes.fail(message.clone());
            "rejected"
        }
        Item::OutOfScope { .. } => "out_of_scope",
        Item::Ignored { .. } => "ignored",
        Item::Failed(error) => {
            notes.fail(error.to_string());
            "failed"
        }
    };
    notes.text("gateway.outcome", outcome);
}

impl SignalHandler for Intake {
    fn handle(&self, source: Source, body: Bytes, deadline: Monotonic) -> BoxFuture<'_, Result<Vec<Item>, Rejection>> {
        async move {
            match source {
                Source::Prometheus => self.webhook(&body, deadline).await,
                Source::KubernetesEvents => Ok(self.event(&body, deadline).await),
            }
            .inspect_err(|why| self.unprocessed.rejected("a body", why))
        }
        .boxed()
    }
}

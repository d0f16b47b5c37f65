//! What is logged while a test runs on its thread.

use std::{
    fmt::{Debug, Write as _},
    sync::{Arc, LazyLock, Mutex},
};

use tracing::{
    Dispatch, Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::{DefaultGuard, Interest},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt as _},
    registry::{LookupSpan, SpanRef},
};

/// One event of this project's own crates.
#[derive(Clone, Debug)]
pub struct Line {
    /// How grave it is.
    pub level: Level,
    /// Message and fields.
    pub text: String,
    /// Fields of the innermost span around it.
    pub span: String,
}

/// The events since [`Logs::capture`].
#[derive(Clone, Default)]
pub struct Logs {
    lines: Arc<Mutex<Vec<Line>>>,
}

impl Logs {
    /// Captures this thread's events until the guard is dropped: on a current-thread runtime, those of all its tasks.
    pub fn capture() -> (Self, DefaultGuard) {
        LazyLock::force(&OTHER_THREADS);
        let logs = Self::default();
        let subscriber = tracing_subscriber::registry().with(logs.clone());
        let guard = tracing::subscriber::set_default(subscriber);
        (logs, guard)
    }

    /// All events so far.
    pub fn lines(&self) -> Vec<Line> {
        self.lines.lock().unwrap().clone()
    }

    /// Events of any level that say `text`.
    pub fn saying(&self, text: &str) -> Vec<Line> {
        self.lines().into_iter().filter(|line| line.text.contains(text)).collect()
    }

    /// Error events that say `text`.
    pub fn errors(&self, text: &str) -> Vec<Line> {
        let wanted = |line: &Line| line.level == Level::ERROR && line.text.contains(text);
        self.lines().into_iter().filter(wanted).collect()
    }
}

/// The fields of a span.
struct Fields(Text);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Logs {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut text = Text::default();
        attributes.record(&mut text);
        span.extensions_mut().insert(Fields(text));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(Fields(text)) = span.extensions_mut().get_mut() {
            values.record(text);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        if metadata.target().starts_with("gateway") {
            let mut text = Text::default();
            event.record(&mut text);
            let span = context.event_span(event);
            let fields = |span: SpanRef<'_, S>| span.extensions().get().map(|Fields(text)| text.0.clone());
            let span = span.and_then(fields).unwrap_or_default();
            self.lines.lock().unwrap().push(Line { level: *metadata.level(), text: text.0, span });
        }
    }
}

/// Never current, and never dropped. With one subscriber alone, an event that a thread without any is the first to come by
/// is switched off for all threads, and missing from [`Logs`]; with two, each thread asks its own, each time.
static OTHER_THREADS: LazyLock<Dispatch> =
    LazyLock::new(|| Dispatch::new(tracing_subscriber::registry().with(Undecided)));

struct Undecided;

impl<S: Subscriber> Layer<S> for Undecided {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }
}

#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let name = field.name();
        let separator = if self.0.is_empty() { "" } else { " " };
        let _ = match name {
            "message" => write!(self.0, "{separator}{value:?}"),
            _ => write!(self.0, "{separator}{name}={value:?}"),
        };
    }
}

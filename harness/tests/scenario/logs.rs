//! What is logged while a test runs on its thread.

use std::{
    fmt::{Debug, Write as _},
    sync::{Arc, Mutex},
};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    subscriber::DefaultGuard,
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt as _},
};

/// One event of this project's own crates.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// How grave it is.
    pub(crate) level: Level,
    /// Message and fields.
    pub(crate) text: String,
}

/// The events since [`Logs::capture`].
#[derive(Clone, Default)]
pub(crate) struct Logs {
    lines: Arc<Mutex<Vec<Line>>>,
}

impl Logs {
    /// Captures this thread's events until the guard is dropped: on a current-thread runtime, those of all its tasks.
    pub(crate) fn capture() -> (Self, DefaultGuard) {
        let logs = Self::default();
        let subscriber = tracing_subscriber::registry().with(logs.clone());
        let guard = tracing::subscriber::set_default(subscriber);
        (logs, guard)
    }

    /// All events so far.
    pub(crate) fn lines(&self) -> Vec<Line> {
        self.lines.lock().unwrap().clone()
    }

    /// Error events that say `text`.
    pub(crate) fn errors(&self, text: &str) -> Vec<Line> {
        let wanted = |line: &Line| line.level == Level::ERROR && line.text.contains(text);
        self.lines().into_iter().filter(wanted).collect()
    }
}

impl<S: Subscriber> Layer<S> for Logs {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if metadata.target().starts_with("gateway") {
            let mut text = Text::default();
            event.record(&mut text);
            self.lines.lock().unwrap().push(Line { level: *metadata.level(), text: text.0 });
        }
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

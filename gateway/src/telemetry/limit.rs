//! Limits repeated warnings and errors: a fixed number of each per minute; the rest are counted and summarised in one line.
//!
//! Whoever sends bad alerts, and an API server that is down, cause a line for each alert. [`LogLimit`](crate::log_limit) knows
//! reasons, and limits what senders are known to cause; this is behind it, for every line of whatever crate, by the place in the
//! code that it comes from. What is logged at `info` is one line for each thing done, and is left alone.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use parking_lot::Mutex;
use prometheus::IntCounter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::{Layer, layer};

use crate::context::{Context, Monotonic};

/// Lines of one place in a [`WINDOW`].
const LINES: u32 = 60;
/// After it, the next lines are let through.
const WINDOW: Duration = Duration::from_secs(60);

/// Lets lines through or not; cheap to clone.
#[derive(Clone)]
pub(super) struct Limit {
    inner: Arc<Inner>,
}

struct Inner {
    context: Context,
    /// By place; there are only so many in the code.
    windows: Mutex<BTreeMap<Place, Window>>,
    counter: OnceLock<IntCounter>,
}

type Place = (&'static str, &'static str, u32);

struct Window {
    began: Monotonic,
    written: u32,
    left_out: u64,
}

impl Limit {
    pub(super) fn new(context: Context) -> Self {
        Self { inner: Arc::new(Inner { context, windows: Mutex::default(), counter: OnceLock::new() }) }
    }

    /// Lines that are left out are counted in `counter`.
    pub(super) fn count_in(&self, counter: &IntCounter) {
        let _ = self.inner.counter.set(counter.clone());
    }

    /// Tells what was left out, once in a while, until the process ends.
    pub(super) async fn sum_up_forever(self) {
        loop {
            self.inner.context.sleep(WINDOW).await;
            self.sum_up();
        }
    }

    /// Tells what was left out so far.
    pub(super) fn sum_up(&self) {
        let now = self.inner.context.monotonic();
        let mut told = Vec::new();
        self.inner.windows.lock().retain(|place, window| {
            if window.left_out > 0 {
                told.push((*place, std::mem::take(&mut window.left_out)));
            }
            now.since(window.began) < WINDOW
        });
        for ((target, file, line), more) in told {
            tracing::warn!(
                of = target,
                at = format!("{file}:{line}"),
                more,
                "{more} more warnings like this were left out"
            );
        }
    }

    fn admits(&self, metadata: &'static Metadata<'static>) -> bool {
        if *metadata.level() > Level::WARN {
            return true;
        }
        let place = (metadata.target(), metadata.file().unwrap_or_default(), metadata.line().unwrap_or_default());
        let now = self.inner.context.monotonic();
        let mut windows = self.inner.windows.lock();
        let window = windows.entry(place).or_insert(Window { began: now, written: 0, left_out: 0 });
        if now.since(window.began) >= WINDOW {
            (window.began, window.written) = (now, 0);
        }
        if window.written < LINES {
            window.written += 1;
            return true;
        }
        window.left_out += 1;
        if let Some(counter) = self.inner.counter.get() {
            counter.inc();
        }
        false
    }
}

impl<S: Subscriber> Layer<S> for Limit {
    fn event_enabled(&self, event: &Event<'_>, _: layer::Context<'_, S>) -> bool {
        self.admits(event.metadata())
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::{filter::LevelFilter, layer::SubscriberExt as _};

    use super::*;

    /// Counts lines.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<String>>>);

    impl<S: Subscriber> Layer<S> for Lines {
        fn on_event(&self, event: &Event<'_>, _: layer::Context<'_, S>) {
            struct Message(String);
            impl tracing::field::Visit for Message {
                fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                    if field.name() == "message" {
                        self.0 = format!("{value:?}");
                    }
                }
            }
            let mut message = Message(String::new());
            event.record(&mut message);
            self.0.lock().push(message.0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn warnings_of_one_place_are_limited_and_what_was_left_out_is_counted_and_told() {
        let (limit, lines) = (Limit::new(Context::system()), Lines::default());
        let left_out = IntCounter::new("left_out", "left out").unwrap();
        limit.count_in(&left_out);
        let subscriber = tracing_subscriber::registry().with(limit.clone()).with(lines.clone());
        let _guard = tracing::subscriber::set_default(subscriber);
        let written = |text: &str| lines.0.lock().iter().filter(|line| line.as_str() == text).count();
        let (flood, info) = (|| tracing::warn!("flood"), || tracing::info!("created"));
        for _ in 0..1000 {
            flood();
            info();
        }
        tracing::error!("another place");
        assert_eq!((written("flood"), written("created"), written("another place")), (60, 1000, 1));
        assert_eq!(left_out.get(), 940);
        limit.sum_up();
        assert_eq!(written("940 more warnings like this were left out"), 1);
        limit.inner.context.sleep(WINDOW + Duration::from_secs(1)).await;
        flood();
        limit.sum_up();
        assert_eq!(written("flood"), 61);
        assert_eq!(lines.0.lock().iter().filter(|line| line.contains("left out")).count(), 1, "told once");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_left_out_is_told_to_those_who_see_warnings_only() {
        let (limit, lines) = (Limit::new(Context::system()), Lines::default());
        let subscriber = tracing_subscriber::registry().with(LevelFilter::WARN).with(limit.clone()).with(lines.clone());
        let _guard = tracing::subscriber::set_default(subscriber);
        let flood = || tracing::warn!("flood");
        for _ in 0..=LINES {
            flood();
        }
        limit.sum_up();
        assert_eq!(lines.0.lock().last().map(String::as_str), Some("1 more warnings like this were left out"));
    }
}

//! Log output of the process: JSON lines or text on standard output, which is where Kubernetes collects a pod's logs.
//!
//! `logging.level` alone decides what is logged: `RUST_LOG` is ignored, so that the configuration is complete. Logging never
//! blocks on a slow reader, lines have a bounded length, and repeated warnings are limited; lines that are lost or left out
//! are counted in `gateway_log_lines_lost_total`.

mod limit;
mod line;
mod writer;

use std::{
    env,
    ffi::OsStr,
    fs::File,
    io::{self, IsTerminal as _},
    os::fd::AsFd as _,
    panic,
    sync::Arc,
    time::Duration,
};

use tracing_subscriber::{EnvFilter, Layer as _, layer::SubscriberExt as _, reload, util::SubscriberInitExt as _};

use self::{limit::Limit, writer::Writer};
use crate::{
    config::{InvalidFilter, LogFormat, Logging},
    context::Context,
    metrics::{LOST_LINES, Metrics},
};

/// How long the end of the process waits for the reader of its log.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter cannot be read.
    #[error("logging.level: {0}")]
    Filter(#[from] InvalidFilter),
    /// The process has a subscriber already.
    #[error("logging: {0}")]
    Init(#[from] tracing_subscriber::util::TryInitError),
    /// The filter cannot be replaced.
    #[error("logging.level: {0}")]
    Reload(#[from] reload::Error),
    /// Standard output is closed, or there can be no thread that writes to it.
    #[error("logging: {0}; is standard output open?")]
    Output(#[from] io::Error),
}

/// The log of the process: when it is dropped, what is not written yet is, within a second at most.
pub struct Telemetry {
    writer: Writer,
    limit: Limit,
    level: Level,
}

/// Decides what is logged; cheap to clone.
#[derive(Clone)]
pub struct Level {
    replace: Arc<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>,
}

impl Level {
    /// From now on, what `logging` says is logged.
    ///
    /// # Errors
    /// If the filter is bad.
    pub fn set(&self, logging: &Logging) -> Result<(), Error> {
        Ok((self.replace)(logging.filter()?)?)
    }
}

/// Sends the process's events to standard output, as `logging` says, a panic's message included.
///
/// # Errors
/// If the filter is bad, or logging was started before.
pub fn init(logging: &Logging, context: &Context) -> Result<Telemetry, Error> {
    let filter = logging.filter()?;
    let writer = Writer::start(File::from(io::stdout().as_fd().try_clone_to_owned()?))?;
    let limit = Limit::new(context.clone());
    let lines = tracing_subscriber::fmt::layer().with_writer(writer.clone());
    let lines = match logging.format {
        // The innermost span names the request; the list of all would only repeat it.
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
        LogFormat::Human => lines.with_ansi(is_coloured(env::var_os("NO_COLOR").as_deref())).boxed(),
    };
    let (filter, handle) = reload::Layer::new(filter);
    tracing_subscriber::registry().with(lines).with(limit.clone()).with(filter).try_init()?;
    let level = Level { replace: Arc::new(move |filter| handle.reload(filter)) };
    // Standard error may stand still as well.
    panic::set_hook(Box::new(|info| tracing::error!(panic = %info, "a task panicked")));
    context.spawn(limit.clone().sum_up_forever());
    Ok(Telemetry { writer, limit, level })
}

/// Whether lines for people have colours: on a terminal, unless `no_color` asks for none (no-color.org).
fn is_coloured(no_color: Option<&OsStr>) -> bool {
    no_color.is_none_or(OsStr::is_empty) && io::stdout().is_terminal()
}

impl Telemetry {
    /// Decides what is logged.
    pub fn level(&self) -> Level {
        self.level.clone()
    }

    /// Counts in `metrics` what is lost.
    pub fn count_in(&self, metrics: &Metrics) {
        let [slow_reader, too_many] = LOST_LINES.map(|reason| metrics.log_lines_lost.with_label_values(&[reason]));
        self.writer.count_in(&slow_reader);
        self.limit.count_in(&too_many);
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.limit.sum_up();
        self.writer.flush(FLUSH_TIMEOUT);
    }
}

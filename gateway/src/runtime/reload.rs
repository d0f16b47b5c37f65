//! A changed configuration file, taken over as far as a running gateway can.
//!
//! The file is read every few seconds and compared: kubelets replace a ConfigMap's volume by a symbolic link, editors rename
//! files, and none of that is seen in the same way by inotify. SIGHUP has it read at once.

use std::{
    path::{Path, PathBuf},
    pin::pin,
    time::Duration,
};

use futures::future::{Either, select};
use tokio::sync::mpsc;

use super::{certificates::unusable_files, start::named};
use crate::{
    audit::{Event, Recorder},
    config::{Change, Config, Identity, Update, read_text},
    context::Context,
    metrics::Metrics,
};

/// A kubelet takes up to a minute to bring a changed ConfigMap into a volume; a few seconds on top are soon enough.
const CHECK_INTERVAL: Duration = Duration::from_secs(10);
/// A file that somebody is writing is seen in pieces: it must have stayed as it is for so long.
const SETTLE: Duration = Duration::from_secs(1);

/// Has the parts of the gateway follow a configuration.
pub(super) type Apply = Box<dyn Fn(&Update) -> Result<(), String> + Send>;

/// Follows the configuration file of one gateway.
pub(super) struct Reload {
    pub(super) file: Option<PathBuf>,
    /// Whether it can be read again: a pipe cannot.
    pub(super) is_followed: bool,
    /// What was in it when it was last loaded, or why it could not be read.
    pub(super) seen: Result<String, String>,
    /// Why that is not in effect.
    pub(super) failure: Option<String>,
    /// `GATEWAY__…` of the process, which override the file.
    pub(super) env: Vec<(String, String)>,
    /// The configuration in effect.
    pub(super) running: Config,
    pub(super) identity: Identity,
    pub(super) context: Context,
    pub(super) metrics: Metrics,
    pub(super) audit: Recorder,
    pub(super) apply: Apply,
}

/// What is in `file` now, or why it cannot be read.
pub(super) fn look(file: Option<&Path>) -> Result<String, String> {
    file.map_or_else(|| Ok(String::new()), |file| read_text(file).map_err(|error| error.to_string()))
}

impl Reload {
    /// Loads the file again when it has changed, and whenever `told` to.
    pub(super) async fn run(mut self, mut told: mpsc::Receiver<()>) {
        let context = self.context.clone();
        if !self.is_followed {
            while told.recv().await.is_some() {
                tracing::warn!(
                    file = named(self.file.as_deref()),
                    "cannot reload the configuration: it was not read from a file"
                );
            }
            return;
        }
        loop {
            match select(pin!(told.recv()), pin!(context.sleep(CHECK_INTERVAL))).await {
                Either::Left((Some(()), _)) => self.now(),
                // Nobody is left to tell it.
                Either::Left((None, sleep)) => {
                    sleep.await;
                    self.if_changed().await;
                }
                Either::Right(_) => self.if_changed().await,
            }
        }
    }

    async fn if_changed(&mut self) {
        let found = look(self.file.as_deref());
        // What failed may have failed for want of another file, which has come meanwhile.
        if found == self.seen && self.failure.is_none() {
            return;
        }
        self.context.sleep(SETTLE).await;
        if look(self.file.as_deref()) == found {
            self.seen = found;
            self.load();
        }
    }

    fn now(&mut self) {
        self.seen = look(self.file.as_deref());
        self.load();
    }

    fn load(&mut self) {
        let file = named(self.file.as_deref());
        let text = match &self.seen {
            Ok(text) => text,
            Err(error) => return self.failed(&file, &error.clone()),
        };
        let new = match Config::parse(self.file.as_deref(), text, self.env.iter().cloned()) {
            Ok(new) => new,
            Err(error) => return self.failed(&file, &error.to_string()),
        };
        let update = Update::between(&self.running, &new);
        if !update.needs_restart.is_empty() {
            // Whoever restarts it then should find it start.
            let unusable = unusable_files(&new);
            if !unusable.is_empty() {
                return self.failed(&file, &unusable.join("\n"));
            }
        }
        // The line must be seen whether the new level hides it or the old one did.
        let before = tracing::enabled!(tracing::Level::INFO);
        if before {
            tell(&file, &update.changed);
        }
        if let Err(error) = (self.apply)(&update) {
            return self.failed(&file, &error);
        }
        if !before {
            tell(&file, &update.changed);
        }
        if !update.needs_restart.is_empty() {
            tracing::warn!(
                file,
                keys = update.needs_restart.join(", "),
                "a configuration change needs a restart to take effect: `kubectl rollout restart`"
            );
        }
        if !update.changed.is_empty() {
            let event =
                Event::config_reloaded(self.context.now(), &self.identity, &update.changed, &update.needs_restart);
            self.audit.record(event);
        }
        self.failure = None;
        self.running = update.config;
        self.metrics.config_loaded(self.context.now());
    }

    /// Says so once for as long as it fails in the same way.
    fn failed(&mut self, file: &str, error: &str) {
        self.metrics.config_last_reload_successful.set(0);
        let error = error.replace('\n', "; ");
        if self.failure.as_deref() != Some(error.as_str()) {
            tracing::error!(file, error, "the new configuration is not valid: the old one stays in effect");
            self.audit.record(Event::config_refused(self.context.now(), &self.identity, &error));
        }
        self.failure = Some(error);
    }
}

fn tell(file: &str, changed: &[Change]) {
    let changed: Vec<String> = changed.iter().map(Change::to_string).collect();
    let changed = if changed.is_empty() { "nothing".to_owned() } else { changed.join("; ") };
    tracing::info!(file, changed, "configuration reloaded");
}

#[cfg(test)]
mod tests;

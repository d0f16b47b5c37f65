//! A replica's view of the RemediationRequests: an [`Index`] shared between the watch that feeds it and the signals
//! that ask it.
//!
//! It is a consistent prefix of history, possibly old, and its age is known: a signal decides on it while it is younger
//! than `view.freshness`, and asks the API server otherwise (protocol: the view).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use kube::ResourceExt as _;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::{
    history::Suspects,
    index::{Change, Index},
    protocol::attempt::Snapshot,
    versions::Versions,
};
use crate::{
    context::{Context, Monotonic},
    metrics::Metrics,
    remediation::{Fingerprint, Projected, Record, ResourceVersion},
};

mod trust;

pub(super) struct View {
    index: Mutex<Index>,
    /// Woken on every change of their fingerprint.
    subscribers: Mutex<BTreeMap<Fingerprint, (Arc<Notify>, usize)>>,
    /// Woken on every new version, in the order in which they wait: a `watch` channel would draw lots.
    moved: Notify,
    suspects: Mutex<Suspects>,
    /// Woken on every new suspect.
    suspected: Notify,
    /// Whether the API servers' lists contradict etcd.
    doubt: watch::Sender<bool>,
    versions: Arc<Versions>,
    metrics: Metrics,
}

impl View {
    pub(super) fn new(metrics: Metrics, versions: Arc<Versions>) -> Self {
        Self {
            index: Mutex::default(),
            subscribers: Mutex::default(),
            moved: Notify::new(),
            suspects: Mutex::default(),
            suspected: Notify::new(),
            doubt: watch::Sender::new(false),
            versions,
            metrics,
        }
    }

    /// Changes the index, then tells those who wait; the epoch that it is in since.
    pub(super) fn update(&self, change: impl FnOnce(&mut Index) -> Change) -> u64 {
        let (change, epoch, moved) = {
            let mut index = self.index.lock();
            let before = (index.epoch(), index.version());
            let change = change(&mut index);
            self.metrics.view_objects.set(i64::try_from(index.len()).unwrap_or(i64::MAX));
            (change, index.epoch(), (index.epoch(), index.version()) != before)
        };
        if change.rewound {
            self.metrics.history_rewound.inc();
            tracing::error!(
                "the history of RemediationRequests went back: was etcd restored from a backup? \
                 Everything known is dropped and listed again"
            );
        }
        for (fingerprint, names) in &change.twins {
            self.metrics.twins_detected.inc();
            tracing::error!(%fingerprint, ?names, "more than one active RemediationRequest: a foreign creator, or a stop beyond the stated bounds");
        }
        for (trace, name) in &change.others {
            self.versions.note(*trace, name);
        }
        let subscribers = self.subscribers.lock();
        for fingerprint in &change.fingerprints {
            if let Some((notify, _)) = subscribers.get(fingerprint) {
                notify.notify_waiters();
            }
        }
        drop(subscribers);
        if moved {
            self.moved.notify_waiters();
        }
        epoch
    }

    /// See [`Index::mark`].
    pub(super) fn mark(&self, version: ResourceVersion, before: Monotonic) {
        self.index.lock().mark(version, before);
    }

    pub(super) fn version(&self) -> Option<ResourceVersion> {
        self.index.lock().version()
    }

    /// What the view knows of `fingerprint`, and the version of history that it has come to; `None` before the first list.
    pub(super) fn snapshot(&self, fingerprint: &Fingerprint) -> Option<(Snapshot, ResourceVersion)> {
        let index = self.index.lock();
        let version = index.version()?;
        Some((Snapshot { records: index.of(fingerprint), listed: false }, version))
    }

    /// What the view knows of `fingerprint`; nothing before the first list.
    pub(super) fn of(&self, fingerprint: &Fingerprint) -> Vec<Arc<Record>> {
        self.index.lock().of(fingerprint)
    }

    pub(super) fn by_uid(&self, uid: &str) -> Option<Arc<Record>> {
        self.index.lock().by_uid(uid)
    }

    /// Whether the view has come past `record`, and that is gone.
    pub(super) fn knows_gone(&self, record: &Record) -> bool {
        let index = self.index.lock();
        index.version() >= Some(record.version) && index.by_uid(&record.uid).is_none()
    }

    /// See [`Index::take_raised`].
    pub(super) fn take_raised(&self) -> BTreeMap<Box<str>, u64> {
        self.index.lock().take_raised()
    }

    /// What changed last.
    pub(super) fn newest(&self) -> Option<Arc<Record>> {
        self.index.lock().newest()
    }

    /// All that carry a claim.
    pub(super) fn claimed(&self) -> Vec<Arc<Record>> {
        self.index.lock().all().filter(|record| record.is_claimed()).cloned().collect()
    }

    /// How old the view is at `now`, if it has been synchronised at all.
    pub(super) fn age(&self, now: Monotonic) -> Option<Duration> {
        let as_of = self.index.lock().as_of()?;
        Some(now.since(as_of))
    }

    /// Begins to listen for changes of `fingerprint`.
    pub(super) fn subscribe(&self, fingerprint: &Fingerprint) -> Subscription<'_> {
        let mut subscribers = self.subscribers.lock();
        let (notify, count) = subscribers.entry(fingerprint.clone()).or_default();
        *count += 1;
        let notify = Arc::clone(notify);
        let (fingerprint, seen_at) = (fingerprint.clone(), ResourceVersion::default());
        Subscription { view: self, fingerprint, notify, seen: Vec::new(), seen_at }
    }

    /// How many fingerprints are listened to.
    #[cfg(test)]
    pub(super) fn listened_to(&self) -> usize {
        self.subscribers.lock().len()
    }

    /// Waits for the first list.
    pub(super) async fn synced(&self) {
        until(&self.moved, || self.version().is_some()).await;
    }

    /// Waits until the view has reached `version`, for `timeout` at most; tells whether it has.
    pub(super) async fn reached(&self, context: &Context, version: ResourceVersion, timeout: Duration) -> bool {
        context.timeout(timeout, until(&self.moved, || self.version() >= Some(version))).await.is_ok()
    }

    /// Waits until all that was known in `epoch` is dropped.
    pub(super) async fn dropped(&self, epoch: u64) {
        until(&self.moved, || self.epoch() != epoch).await;
    }
}

/// Waits until `is_there`, looking whenever `changed` is notified. It listens before it looks, so that no change falls between
/// the two.
async fn until(changed: &Notify, is_there: impl Fn() -> bool) {
    loop {
        let notified = changed.notified();
        if is_there() {
            return;
        }
        notified.await;
    }
}

/// Listens for changes of one fingerprint until dropped.
pub(super) struct Subscription<'a> {
    view: &'a View,
    pub(super) fingerprint: Fingerprint,
    notify: Arc<Notify>,
    /// Identity and version of each record at the last read.
    seen: Vec<(Box<str>, ResourceVersion)>,
    /// The version of history that it showed: the view may not have come so far yet.
    seen_at: ResourceVersion,
}

impl Subscription<'_> {
    /// Notes what was read, as of `version`.
    pub(super) fn has_read(&mut self, snapshot: &Snapshot, version: ResourceVersion) {
        (self.seen, self.seen_at) = (snapshot.seen(), version);
    }

    /// Whether the view has come past what was read last, and says something else. One that is behind says something else as
    /// well, for as long as it lags: whoever took that for a change would ask the API server again without a pause.
    fn has_news(&self) -> bool {
        let snapshot = self.view.snapshot(&self.fingerprint);
        snapshot.is_some_and(|(snapshot, version)| version > self.seen_at && snapshot.seen() != self.seen)
    }

    /// Waits until the view says something newer than what was read last, for `time` at most; tells whether it does.
    pub(super) async fn changed(&self, context: &Context, time: Duration) -> bool {
        context.timeout(time, until(&self.notify, || self.has_news())).await.is_ok()
    }
}

impl Drop for Subscription<'_> {
    fn drop(&mut self) {
        let mut subscribers = self.view.subscribers.lock();
        if let Some((_, count)) = subscribers.get_mut(&self.fingerprint) {
            *count -= 1;
            if *count == 0 {
                subscribers.remove(&self.fingerprint);
            }
        }
    }
}

/// The object's record; one that cannot be read is left out, with a log line.
pub(super) fn readable(object: Projected) -> Option<Record> {
    let name = object.name_any();
    object
        .record()
        .inspect_err(|error| tracing::warn!(%name, %error, "a RemediationRequest is left out of the view"))
        .ok()
}

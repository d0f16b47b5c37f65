//! Keeps a [`View`](super::view::View) fed: list, then watch, then watch on from where that ended in its own time. After any other end it lists
//! again: whatever broke the watch may have taken history back, and a watch from a version that was passed again would be
//! accepted without what is missing.
//!
//! By hand on `Api::watch`, because kube-runtime's watcher hides bookmarks and versions, which tell the view's age.

use std::{pin::pin, sync::Arc, time::Duration};

use futures::{
    StreamExt,
    future::{self, Either},
};
use kube::api::{ListParams, WatchEvent, WatchParams};

use super::{
    core::Core,
    store::{list_version, version},
    view::readable,
};
use crate::{
    kubernetes::{Error, classify, turn_page},
    remediation::{Projected, ResourceVersion},
};

/// Objects per page of a list: keeps one answer well below what the API server and a connection hold at once.
const PAGE: u32 = 500;
/// Pages of one list at most: two million objects, far beyond what etcd holds.
const PAGES_MAX: usize = 4000;
/// For one page, or for a watch's first byte.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// A watch that says nothing for this long after its own end is dead.
const WATCH_GRACE: Duration = Duration::from_secs(5);
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// As [`BACKOFF_MAX`], where lists succeed and are in vain, since what is watched from them fails at once: each of them reads
/// everything there is.
const BACKOFF_IN_VAIN_MAX: Duration = Duration::from_secs(30);
/// By how much pages become smaller when one is too long.
const PAGE_STEP: u32 = 8;

/// What broke a watch, or the list before it.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Api(#[from] Error),
    #[error("the watch ended after {0:?}, before its own time")]
    Ended(Duration),
}

/// Feeds the view until the instance ends.
pub(super) struct Feed(pub(super) Arc<Core>);

impl Feed {
    pub(super) async fn run(self) {
        let mut backoff = BACKOFF_MIN;
        loop {
            let (mut backoff_max, mut asked) = (BACKOFF_MAX, Duration::ZERO);
            let listed = self.list().await;
            // Watches that have lasted show that the server is well again, however they ended. A list does not, however long it
            // took: history may be gone again by the time that it is watched from.
            let began = self.0.context.monotonic();
            let followed = match listed {
                Ok((listed, epoch)) => self.follow(listed, epoch).await,
                Err(error) => Err(error.into()),
            };
            if let Err(error) = followed {
                self.report(&error);
                match error {
                    Failure::Ended(_) | Failure::Api(Error::Gone(_) | Error::TooLong(_)) => {
                        backoff_max = BACKOFF_IN_VAIN_MAX;
                    }
                    Failure::Api(Error::Throttled { retry_after, .. }) => asked = retry_after,
                    Failure::Api(_) => {}
                }
            }
            if self.0.context.monotonic().since(began) > BACKOFF_MAX {
                backoff = BACKOFF_MIN;
            }
            let asked = self.0.context.jitter(asked, asked * 3 / 2);
            self.0.context.sleep(self.0.context.jitter(backoff / 2, backoff).max(asked)).await;
            backoff = (backoff * 2).min(backoff_max);
        }
    }

    /// Watches from the version `listed` on, for as long as each watch ends in its own time and the view is not dropped, as after
    /// `epoch`.
    async fn follow(&self, listed: ResourceVersion, epoch: u64) -> Result<(), Failure> {
        loop {
            let from = self.0.view.version().unwrap_or(listed).max(listed);
            let (watch, dropped) = (pin!(self.watch(from)), pin!(self.0.view.dropped(epoch)));
            match future::select(watch, dropped).await {
                Either::Left((ended, _)) => ended?,
                Either::Right(_) => return Ok(()),
            }
        }
    }

    fn report(&self, error: &Failure) {
        let reason = match error {
            Failure::Ended(_) => "ended",
            Failure::Api(error) => match error {
                Error::Gone(_) => "gone",
                Error::Forbidden(_) => "forbidden",
                Error::NotFound(_) => "not_found",
                Error::Deadline => "timeout",
                Error::Unreachable(_) | Error::NotSent => "unreachable",
                Error::Throttled { .. } => "throttled",
                Error::TooLong(_) => "too_long",
                _ => "error",
            },
        };
        self.0.metrics.view_restarts.with_label_values(&[reason]).inc();
        match error {
            Failure::Api(Error::NotFound(_)) => {
                tracing::error!("the CRD remediationrequests.kubernaut.ai is not installed: apply gateway/deploy/crd");
            }
            Failure::Api(Error::Forbidden(_)) => {
                tracing::error!(%error, "the view needs list and watch on remediationrequests: check the gateway's roles");
            }
            _ => tracing::warn!(%error, "restarting the watch of RemediationRequests"),
        }
    }

    /// The version listed, and the view's epoch with it.
    async fn list(&self) -> Result<(ResourceVersion, u64), Error> {
        let before = self.0.context.monotonic();
        let mut params = ListParams::default().limit(PAGE);
        let mut records = Vec::new();
        for _ in 0..PAGES_MAX {
            let deadline = self.0.context.monotonic() + REQUEST_TIMEOUT;
            let page = match self.0.store.page(&params, deadline).await {
                // Objects may be larger than ours are.
                Err(Error::TooLong(_)) if params.limit > Some(1) => {
                    params.limit = params.limit.map(|limit| (limit / PAGE_STEP).max(1));
                    continue;
                }
                page => page?,
            };
            let version = list_version(&page.metadata)?;
            records.extend(page.items.into_iter().filter_map(readable));
            if !turn_page(&mut params, &page.metadata) {
                let epoch = self.0.view.update(|index| {
                    let change = index.replace(records, version);
                    index.mark(version, before);
                    change
                });
                return Ok((version, epoch));
            }
        }
        Err(Error::Unexpected(format!("a list of more than {PAGES_MAX} pages")))
    }

    /// Ends without error when the server ends the watch in its own time.
    async fn watch(&self, from: ResourceVersion) -> Result<(), Failure> {
        let timeout = self.0.config.view.watch_timeout;
        // Replicas that started together should not watch again together.
        let timeout = self.0.context.jitter(timeout - timeout / 4, timeout);
        let secs = u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX).max(1);
        // With bookmarks, by default.
        let params = WatchParams { timeout: Some(secs), ..WatchParams::default() };
        let before = self.0.context.monotonic();
        let deadline = before + REQUEST_TIMEOUT;
        let events = self.0.store.watch(&params, from, deadline).await?;
        let mut events = pin!(events);
        let end = self.0.context.monotonic() + timeout + WATCH_GRACE;
        while let Some(event) = self.0.context.timeout_at(end, events.next()).await.map_err(|_| Error::Deadline)? {
            self.apply(event.map_err(classify)?)?;
        }
        let lasted = self.0.context.monotonic().since(before);
        if lasted < Duration::from_secs(u64::from(secs)) {
            return Err(Failure::Ended(lasted));
        }
        Ok(())
    }

    fn apply(&self, event: WatchEvent<Projected>) -> Result<(), Error> {
        match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                if let Some(record) = readable(object) {
                    self.0.view.update(|index| index.apply(record));
                }
            }
            WatchEvent::Deleted(object) => {
                if let Some(record) = readable(object) {
                    self.0.view.update(|index| index.delete(&record));
                }
            }
            WatchEvent::Bookmark(bookmark) => {
                let version = version(Some(&bookmark.metadata.resource_version))?;
                self.0.view.update(|index| index.bookmark(version));
            }
            WatchEvent::Error(status) => return Err(classify(kube::Error::Api(status))),
        }
        Ok(())
    }

    /// Proves the view's age where no write of our own does: a consistent read tells how far history has gone, and the
    /// view is as young as that read once it has got there.
    pub(super) async fn probe(self) {
        let interval = self.0.config.view.probe_interval;
        loop {
            self.0.context.sleep(self.0.context.jitter(interval / 2, interval)).await;
            let before = self.0.context.monotonic();
            if self.0.view.age(before).is_none_or(|age| age < interval / 2) {
                continue;
            }
            let (epoch, stood) = (self.0.view.epoch(), self.0.view.version());
            let page = self.0.store.page(&ListParams::default().limit(1), before + REQUEST_TIMEOUT).await;
            match page.and_then(|page| list_version(&page.metadata)) {
                Ok(version) if self.0.view.heard(epoch, stood, version) => self.0.view.mark(version, before),
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "the view's age could not be proved"),
            }
            if let Err(error) = self.sample().await {
                tracing::debug!(%error, "the view could not be compared with etcd");
            }
        }
    }

    /// Compares what changed last with etcd, which a list may not show: the first that is missing from an older backup.
    async fn sample(&self) -> Result<(), Error> {
        let Some(newest) = self.0.view.newest() else { return Ok(()) };
        let asked = self.0.view.asked(&newest.fingerprint);
        let deadline = self.0.context.monotonic() + REQUEST_TIMEOUT;
        let found = self.0.store.object(&newest.name, deadline).await?;
        self.0.view.agrees_with_get(&asked, &newest.name, found.as_deref());
        Ok(())
    }
}

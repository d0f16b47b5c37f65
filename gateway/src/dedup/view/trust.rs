//! Whether a view can be relied on: it goes with what GETs, writes and consistent lists say, or it is dropped.

use std::sync::Arc;

use tokio::sync::watch;

use super::{View, until};
use crate::{
    context::Monotonic,
    dedup::history::{Asked, Consequence, Finding},
    remediation::{Fingerprint, Record, ResourceVersion},
};

impl View {
    /// Where the view stands now, to be compared with the answer to a request that is sent after it.
    pub(in crate::dedup) fn asked(&self, fingerprint: &Fingerprint) -> Asked {
        self.index.lock().asked(fingerprint)
    }

    /// Grows whenever the view is dropped: what was known before is to be forgotten.
    pub(in crate::dedup) fn epoch(&self) -> u64 {
        self.index.lock().epoch()
    }

    /// Whether what was known in `epoch` still holds and anything may be created on it.
    pub(in crate::dedup) fn is_trusted(&self, epoch: u64) -> bool {
        self.epoch() == epoch && !self.is_doubtful()
    }

    /// Whether an object that a GET or a write has shown continues what was known when it was `asked` for. If not, the view
    /// is dropped, and nothing may be concluded from the answer.
    pub(in crate::dedup) fn agrees(&self, asked: &Asked, record: &Record) -> bool {
        let continued = asked.is_continued_by(record);
        if !continued {
            self.suspect(&record.name, &asked.fingerprint);
        }
        self.still_holds(continued, asked.epoch) && !self.is_doubtful()
    }

    /// As [`View::agrees`], for what a write of our own, sent at `before`, has made of an object that was `known` in this version.
    /// It proves the view's age, unless nothing was stored: a version of long ago tells nothing of that.
    pub(in crate::dedup) fn agrees_with_write(
        &self,
        asked: &Asked,
        before: Monotonic,
        known: Option<ResourceVersion>,
        written: &Record,
    ) -> bool {
        let agrees = self.agrees(asked, written);
        if agrees && Some(written.version) != known {
            self.mark(written.version, before);
        }
        agrees
    }

    /// As [`View::agrees`], for what a GET of `name` has shown: nothing where there is no such object.
    pub(in crate::dedup) fn agrees_with_get(&self, asked: &Asked, name: &str, found: Option<&Record>) -> bool {
        match found {
            Some(record) => self.agrees(asked, record),
            None => {
                self.missed(asked, name);
                true
            }
        }
    }

    /// As [`View::agrees`], for a consistent list of all objects of a fingerprint.
    pub(in crate::dedup) fn agrees_with_list(
        &self,
        asked: &Asked,
        version: ResourceVersion,
        records: &[Arc<Record>],
    ) -> bool {
        self.still_holds(asked.is_continued_by_list(version, records), asked.epoch) && !self.is_doubtful()
    }

    /// Notes the version of a consistent list that was asked for when the view stood at `asked`.
    pub(in crate::dedup) fn heard(&self, epoch: u64, asked: Option<ResourceVersion>, version: ResourceVersion) -> bool {
        self.still_holds(asked <= Some(version), epoch)
    }

    /// Notes that `name` was not found. If the view knew it, it is looked whether the view learns that, too.
    pub(in crate::dedup) fn missed(&self, asked: &Asked, name: &str) {
        if asked.known.iter().any(|record| *record.name == *name) {
            self.suspect(name, &asked.fingerprint);
        }
    }

    /// Drops what was known in `epoch` unless an answer has `continued` it; tells whether it still holds.
    fn still_holds(&self, continued: bool, epoch: u64) -> bool {
        if !continued && !self.is_doubtful() {
            self.drop_since(epoch);
        }
        continued && self.epoch() == epoch
    }

    /// Drops what was known in `epoch`, unless that has happened.
    fn drop_since(&self, epoch: u64) {
        self.update(|index| if index.epoch() == epoch { index.rewind() } else { Default::default() });
    }

    fn suspect(&self, name: &str, fingerprint: &Fingerprint) {
        self.suspects.lock().add(name, fingerprint);
        self.suspected.notify_waiters();
    }

    /// Waits for a suspect.
    pub(in crate::dedup) async fn suspected(&self) {
        until(&self.suspected, || !self.suspects.lock().is_empty()).await;
    }

    /// Names and fingerprints of objects of which view and etcd were seen to disagree.
    pub(in crate::dedup) fn all_suspects(&self) -> Vec<(String, Fingerprint)> {
        self.suspects.lock().all()
    }

    /// Draws the consequence of a look at `name`, made in `epoch`.
    pub(in crate::dedup) fn judge(&self, name: &str, finding: Finding, epoch: u64) {
        let consequence = self.suspects.lock().judge(name, finding);
        match consequence {
            Consequence::Nothing => {}
            Consequence::DropView => self.drop_since(epoch),
            Consequence::Doubt => {
                self.doubt.send_replace(true);
                self.drop_since(epoch);
                tracing::error!(
                    %name,
                    "lists of the API servers contradict etcd, which was restored from a backup beneath them: \
                     restart the API servers; nothing is created until then"
                );
            }
            Consequence::Believe => {
                self.doubt.send_replace(false);
                self.drop_since(epoch);
                tracing::info!("lists of the API servers agree with etcd again");
            }
        }
    }

    /// Whether lists of the API servers contradict etcd.
    pub(in crate::dedup) fn is_doubtful(&self) -> bool {
        *self.doubt.borrow()
    }

    /// Tells when [`View::is_doubtful`] changes.
    pub(in crate::dedup) fn doubt(&self) -> watch::Receiver<bool> {
        self.doubt.subscribe()
    }
}

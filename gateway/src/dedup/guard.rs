//! Looks whether etcd, the API servers' lists and the view agree on objects of which they were seen to disagree.

use std::{sync::Arc, time::Duration};

use super::{
    bounds::REQUEST_TIMEOUT,
    core::Core,
    history::{Finding, State, state},
    store::list_version,
};
use crate::{
    kubernetes::Error,
    remediation::{Fingerprint, Projected},
};

/// What the view is about to learn by itself contradicts nothing.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two looks whether the API servers are right again.
const PAUSE_IN_DOUBT: Duration = Duration::from_secs(5);

/// Looks at suspects until the instance ends.
pub(super) struct Guard(pub(super) Arc<Core>);

impl Guard {
    pub(super) async fn run(self) {
        loop {
            self.0.view.suspected().await;
            let pause = if self.0.view.is_doubtful() { PAUSE_IN_DOUBT } else { PAUSE };
            self.0.context.sleep(self.0.context.jitter(pause, pause + pause / 2)).await;
            for (name, fingerprint) in self.0.view.all_suspects() {
                let epoch = self.0.view.epoch();
                let finding = self.look(&name, &fingerprint).await.unwrap_or_else(|error| {
                    tracing::warn!(%name, %error, "could not check whether etcd and the API servers' caches agree");
                    Finding::Open
                });
                tracing::debug!(%name, ?finding, "checked whether etcd, lists and view agree");
                self.0.view.judge(&name, finding, epoch);
            }
        }
    }

    /// An object that is the same before and after a consistent list was so in between: the list must say so, and, unless
    /// lists are in doubt, a view that has come as far.
    async fn look(&self, name: &str, fingerprint: &Fingerprint) -> Result<Finding, Error> {
        let before = self.get(name).await?;
        let deadline = self.0.context.monotonic() + REQUEST_TIMEOUT;
        let list = self.0.store.list(&format!("metadata.name={name}"), deadline).await?;
        let version = list_version(&list.metadata).ok();
        let listed = list.items.into_iter().next().map(Projected::record).transpose()?;
        let listed = listed.as_ref().map(state);
        let caught_up = match version {
            // While lists are in doubt it does not matter, and the object may be written meanwhile.
            Some(version) if !self.0.view.is_doubtful() => self.0.view.reached(&self.0.context, version, PAUSE).await,
            _ => false,
        };
        let of_it = self.0.view.of(fingerprint);
        let viewed = of_it.iter().find(|record| *record.name == *name);
        let viewed = viewed.map(|record| state(record));
        let after = self.get(name).await?;
        Ok(match () {
            () if before != after => Finding::Open,
            () if listed != after => Finding::ListContradicts,
            // A view that is dropped when the lists are believed again need not have caught up: bookmarks are rare.
            () if self.0.view.is_doubtful() => Finding::Agreed,
            () if !caught_up => Finding::Open,
            () if viewed != after => Finding::ViewContradicts,
            () => Finding::Agreed,
        })
    }

    async fn get(&self, name: &str) -> Result<Option<State>, Error> {
        let deadline = self.0.context.monotonic() + REQUEST_TIMEOUT;
        Ok(self.0.store.get(name, deadline).await?.map(|record| state(&record)))
    }
}

//! `derived-only`: the fence's names without its claim.

use futures::{FutureExt, future::BoxFuture};
use gateway::{
    context::Monotonic,
    dedup::{Accepted, Deduplicate, Error, Outcome},
    remediation::{Record, Signal, remediation_request_name},
};

use super::store::{Created, Store};

/// Looks at a fingerprint for one signal at most; each costs requests, so a deadline ends it earlier.
pub(super) const LOOKS_MAX: usize = 100;

/// Replicas that know the same past derive the same name, and the API server admits one create per name; but nothing
/// keeps the past the same: once the predecessor is deleted, another name is derived.
///
/// A count is repeated until the signal's deadline, and a signal that is not counted is not acknowledged, so that nothing but
/// the missing claim is on trial.
pub struct DerivedOnly {
    store: Store,
}

impl DerivedOnly {
    pub(super) const fn new(store: Store) -> Self {
        Self { store }
    }

    async fn find_or_create(&self, signal: &Signal, deadline: Monotonic) -> Result<Accepted, Error> {
        let Self { store } = self;
        for _ in 0..LOOKS_MAX {
            let records = store.list(&signal.fingerprint, deadline).await?;
            if let Some(active) = records.iter().find(|record| record.counts_signals(store.context.now())) {
                return store.count_or_fail(&active.name, Outcome::Deduplicated, deadline).await;
            }
            let name = successor(signal, &records);
            if let Created::Ours = store.create(signal, &name, deadline).await? {
                return store.count_or_fail(&name, Outcome::Created, deadline).await;
            }
            let existing = store.get(&name, deadline).await?;
            if let Some(existing) = existing.filter(|record| record.counts_signals(store.context.now())) {
                return store.count_or_fail(&existing.name, Outcome::Deduplicated, deadline).await;
            }
        }
        Err(Error::Deadline)
    }
}

/// The name of the next RemediationRequest, derived from the latest as with the fence.
pub(super) fn successor(signal: &Signal, records: &[Record]) -> String {
    let latest = records.iter().max_by(|a, b| a.place().cmp(&b.place()));
    let latest = latest.map(|record| (record.ordinal, &*record.uid));
    remediation_request_name(&signal.fingerprint, latest)
}

impl Deduplicate for DerivedOnly {
    fn ingest(&self, signal: Signal, deadline: Monotonic) -> BoxFuture<'_, Result<Accepted, Error>> {
        async move { self.find_or_create(&signal, deadline).await }.boxed()
    }
}

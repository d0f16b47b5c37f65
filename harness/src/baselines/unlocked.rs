//! `unlocked`: list, then create with a random name.

use futures::{FutureExt, future::BoxFuture};
use gateway::{
    context::Monotonic,
    dedup::{Accepted, Deduplicate, Error, Outcome},
    remediation::Signal,
};

use super::store::{Created, Store};

/// What the Go service does inside of its lock, without the lock: whoever lists before the other's create is committed
/// creates another.
pub struct Unlocked {
    pub(super) store: Store,
}

impl Unlocked {
    pub(super) const fn new(store: Store) -> Self {
        Self { store }
    }

    pub(super) async fn find_or_create(&self, signal: &Signal, deadline: Monotonic) -> Result<Accepted, Error> {
        let Self { store } = self;
        if let Some(active) = store.active(&signal.fingerprint, deadline).await? {
            return Ok(store.count(&active.name, Outcome::Deduplicated, deadline).await);
        }
        // The name is drawn once for each signal: a sender that repeats it gets another.
        let suffix = format!("{:016x}", store.context.random());
        let name = format!("rr-{}-{}", &signal.fingerprint.as_str()[..12], &suffix[..8]);
        match store.create(signal, &name, deadline).await? {
            // One of that name is taken for an earlier try whose answer was lost.
            Created::Ours | Created::Exists => Ok(store.count(&name, Outcome::Created, deadline).await),
        }
    }
}

impl Deduplicate for Unlocked {
    fn ingest(&self, signal: Signal, deadline: Monotonic) -> BoxFuture<'_, Result<Accepted, Error>> {
        async move { self.find_or_create(&signal, deadline).await }.boxed()
    }
}

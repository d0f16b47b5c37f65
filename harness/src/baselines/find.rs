//! Finding or creating for baselines whose counting is on trial.

use gateway::{
    context::Monotonic,
    dedup::{Error, Outcome},
    remediation::{Author, Signal},
};

use super::{
    derived_only::{LOOKS_MAX, successor},
    store::{Created, Store},
};

/// The RemediationRequest of a signal, and whether the signal created it: then it is counted with it.
pub(super) struct Found {
    pub(super) name: String,
    pub(super) outcome: Outcome,
}

/// As `derived-only` does; a create whose answer was lost is recognised.
pub(super) async fn find_or_create(store: &Store, signal: &Signal, deadline: Monotonic) -> Result<Found, Error> {
    let tag = format!("{:016x}", store.context.random());
    let found = |name: String, ours: bool| {
        let outcome = if ours { Outcome::Created } else { Outcome::Deduplicated };
        Found { name, outcome }
    };
    for _ in 0..LOOKS_MAX {
        let records = store.list(&signal.fingerprint, deadline).await?;
        if let Some(active) = records.iter().find(|record| record.counts_signals(store.context.now())) {
            let ours = active.created_by == Some(Author::of(&tag));
            return Ok(found(active.name.to_string(), ours));
        }
        let name = successor(signal, &records);
        if let Created::Ours = store.create_as(signal, &name, &tag, deadline).await? {
            return Ok(found(name, true));
        }
    }
    Err(Error::Deadline)
}

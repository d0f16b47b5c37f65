//! The operator's kinds (`signal.targets`) that this gateway may not read.

use std::{collections::BTreeMap, time::Duration};

use parking_lot::Mutex;

use super::kind::KindRef;
use crate::{
    context::{Context, Monotonic},
    kubernetes::Error,
};

/// Refusals, each believed for a short time and told once until the kind is permitted. As many as there are kinds in the
/// configuration at most.
pub(super) struct Refusals {
    context: Context,
    ttl: Duration,
    kinds: Mutex<BTreeMap<KindRef, (Monotonic, Error)>>,
}

impl Refusals {
    /// Refusals that are believed for `ttl`.
    pub(super) fn new(context: Context, ttl: Duration) -> Self {
        Self { context, ttl, kinds: Mutex::default() }
    }

    /// The refusal of `kind`, if there was one a short time ago.
    pub(super) fn recent(&self, kind: &KindRef) -> Option<Error> {
        let kinds = self.kinds.lock();
        let (at, error) = kinds.get(kind)?;
        (self.context.monotonic().since(*at) < self.ttl).then(|| error.clone())
    }

    /// Remembers what the API has said of `kind`: None if it may be read.
    ///
    /// Of the operator's kinds only: the chart grants the built-in ones, and without them incidents would split.
    pub(super) fn note(&self, kind: &KindRef, refusal: Option<&Error>) {
        if !matches!(kind, KindRef::Custom(_)) {
            return;
        }
        let Some(error) = refusal else {
            self.kinds.lock().remove(kind);
            return;
        };
        let now = self.context.monotonic();
        if self.kinds.lock().insert(kind.clone(), (now, error.clone())).is_none() {
            tracing::warn!(
                kind = &*kind.name, resource = &*kind.plural, group = &*kind.group, %error,
                "no permission to read a kind of signal.targets, so its objects count as unseen: grant `get` on it"
            );
        }
    }
}

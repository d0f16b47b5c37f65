//! Creates that the API server has refused for good: by a quota, a policy, or for want of a right.
//!
//! Nothing helps but that somebody mends it. Until then each further signal would cost a lease, a claim and a create, and
//! the claims would hold the predecessor for ever; so a refusal is believed for a while.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tracing::Level;

use super::deduplicate::Error;
use crate::{
    context::{Context, Monotonic},
    kubernetes,
    log_limit::LogLimit,
    remediation::Fingerprint,
};

/// A refusal is answered for so long without asking again.
pub(super) const BELIEVED: Duration = Duration::from_secs(60);
/// Fingerprints remembered at most; of further ones each signal asks.
const REFUSALS_MAX: usize = 10_000;

/// What was refused, by fingerprint.
pub(super) struct Refusals {
    context: Context,
    log: LogLimit,
    /// For how long a fingerprint is remembered.
    remembered: Duration,
    entries: Mutex<BTreeMap<Fingerprint, Refusal>>,
}

#[derive(Clone, Copy)]
struct Refusal {
    reason: &'static str,
    at: Monotonic,
}

impl Refusals {
    /// Refusals that are remembered for so long, beyond the time for which they are believed.
    pub(super) fn new(context: Context, remembered: Duration) -> Self {
        let log = LogLimit::new(context.clone());
        Self { context, log, remembered, entries: Mutex::default() }
    }

    /// What a signal of `fingerprint` is answered without asking.
    pub(super) fn believed(&self, fingerprint: &Fingerprint) -> Option<Error> {
        let now = self.context.monotonic();
        let refusal = *self.entries().get(fingerprint)?;
        let age = now.since(refusal.at);
        (age < BELIEVED).then(|| Error::Refused { reason: refusal.reason, retry_after: BELIEVED - age })
    }

    /// What a signal of `fingerprint` is answered whose predecessor is claimed already: to renew a claim for a create that
    /// may be refused again would keep it from ever being cleared, where several replicas do so in turn.
    pub(super) fn remembered(&self, fingerprint: &Fingerprint) -> Option<Error> {
        let now = self.context.monotonic();
        let refusal = *self.entries().get(fingerprint)?;
        let error = Error::Refused { reason: refusal.reason, retry_after: BELIEVED };
        (now.since(refusal.at) < self.remembered).then_some(error)
    }

    /// Remembers that the create for a signal of `fingerprint` failed by `error`, if that is a refusal; what the signal is
    /// answered then.
    pub(super) fn note(&self, fingerprint: &Fingerprint, error: &kubernetes::Error) -> Option<Error> {
        let reason = reason(error)?;
        if self.log.admits("create_refused", Level::ERROR) {
            tracing::error!(
                %fingerprint, %error, believed_secs = BELIEVED.as_secs(),
                hint = "raise the quota, or mend the policy, the CRD or the gateway's Role",
                "the Kubernetes API refuses to create a RemediationRequest"
            );
        }
        let now = self.context.monotonic();
        let mut entries = self.entries();
        if entries.len() >= REFUSALS_MAX {
            entries.retain(|_, refusal| now.since(refusal.at) < self.remembered);
        }
        if entries.len() < REFUSALS_MAX || entries.contains_key(fingerprint) {
            entries.insert(fingerprint.clone(), Refusal { reason, at: now });
        }
        Some(Error::Refused { reason, retry_after: BELIEVED })
    }

    /// Forgets what was refused of `fingerprint`: a create has succeeded.
    pub(super) fn forget(&self, fingerprint: &Fingerprint) {
        self.entries().remove(fingerprint);
    }

    /// Forgets what is too old to matter.
    pub(super) fn sweep(&self) {
        let now = self.context.monotonic();
        self.entries().retain(|_, refusal| now.since(refusal.at) < self.remembered);
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<Fingerprint, Refusal>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a sender is told of a refusal; `None` of any other failure. What the API said goes to the log.
const fn reason(error: &kubernetes::Error) -> Option<&'static str> {
    match error {
        kubernetes::Error::Forbidden(_) => Some(
            "the Kubernetes API does not permit another RemediationRequest (403): a quota, a policy or the gateway's own \
             rights; an operator has to mend that, see the gateway's log",
        ),
        kubernetes::Error::Invalid(_) => Some(
            "the Kubernetes API does not admit the RemediationRequest (422): a policy or the CRD; an operator has to mend \
             that, see the gateway's log",
        ),
        kubernetes::Error::BadRequest(_) => Some(
            "the Kubernetes API cannot use the RemediationRequest (400 or 413): a webhook or a proxy before it; an operator \
             has to mend that, see the gateway's log",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dedup::tests::context;

    const CLEARED: Duration = Duration::from_secs(300);

    fn quota() -> kubernetes::Error {
        kubernetes::Error::Forbidden("exceeded quota: requests".to_owned())
    }

    fn fingerprint(number: usize) -> Fingerprint {
        Fingerprint::of(&format!("shop:Deployment:{number}"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_believed_for_a_minute_and_remembered_until_claims_are_cleared() {
        let context = context();
        let refusals = Refusals::new(context.clone(), BELIEVED + CLEARED);
        let one = fingerprint(1);
        assert_eq!(refusals.believed(&one), None);
        let Some(Error::Refused { reason, retry_after }) = refusals.note(&one, &quota()) else { panic!("no refusal") };
        assert_eq!(retry_after, BELIEVED);
        context.sleep(Duration::from_secs(59)).await;
        let soon = Error::Refused { reason, retry_after: Duration::from_secs(1) };
        assert_eq!(refusals.believed(&one), Some(soon), "the sender is told how long it lasts");
        assert_eq!(refusals.believed(&fingerprint(2)), None);
        context.sleep(Duration::from_secs(1)).await;
        assert_eq!(refusals.believed(&one), None);
        assert!(refusals.remembered(&one).is_some());
        context.sleep(CLEARED).await;
        assert_eq!(refusals.remembered(&one), None);
        refusals.sweep();
        assert!(refusals.entries().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_create_that_succeeds_ends_a_refusal() {
        let refusals = Refusals::new(context(), BELIEVED + CLEARED);
        refusals.note(&fingerprint(1), &quota());
        refusals.forget(&fingerprint(1));
        assert_eq!(refusals.remembered(&fingerprint(1)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_by_itself_is_no_refusal() {
        let refusals = Refusals::new(context(), BELIEVED + CLEARED);
        let text = String::new;
        for error in [
            kubernetes::Error::Unavailable { code: 500, message: text() },
            kubernetes::Error::Throttled { message: text(), retry_after: BELIEVED },
            kubernetes::Error::NotFound(text()),
            kubernetes::Error::Unreachable(text()),
            kubernetes::Error::Deadline,
        ] {
            assert_eq!(refusals.note(&fingerprint(1), &error), None);
        }
        assert!(refusals.entries().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_are_remembered_than_there_is_room_for() {
        let context = context();
        let refusals = Refusals::new(context.clone(), BELIEVED + CLEARED);
        for number in 0..=REFUSALS_MAX {
            refusals.note(&fingerprint(number), &quota());
        }
        assert_eq!(refusals.entries().len(), REFUSALS_MAX);
        context.sleep(BELIEVED + CLEARED).await;
        refusals.note(&fingerprint(REFUSALS_MAX), &quota());
        assert_eq!(refusals.entries().len(), 1);
    }
}

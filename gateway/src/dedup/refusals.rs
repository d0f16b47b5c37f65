//! Creates that the API server has refused: by a quota, a policy, for their size, or for want of a right.
//!
//! Nothing helps but that somebody mends it. Until then each further signal would cost a lease, a claim and a create, and
//! the claims would hold the predecessor for ever; so a refusal is believed for a while. A quota or a missing right is about the
//! gateway: its signals are to be sent again. Any other may be about what a signal says: it is final, and believed of signals that
//! say the same, for others of the resource may well be stored.

use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

use parking_lot::Mutex;
use tracing::Level;

use super::deduplicate::Error;
use crate::{
    context::{Context, Monotonic},
    kubernetes,
    log_limit::LogLimit,
    remediation::{Fingerprint, Signal},
};

/// A refusal is answered for so long without asking again.
pub(super) const BELIEVED: Duration = Duration::from_secs(60);
/// Refusals remembered at most; of further ones each signal asks.
const REFUSALS_MAX: usize = 10_000;

/// What was refused.
pub(super) struct Refusals {
    context: Context,
    log: LogLimit,
    /// For how long a refusal is remembered.
    remembered: Duration,
    /// By fingerprint, and by a digest of the signal that may have been refused for what it says.
    entries: Mutex<BTreeMap<(Fingerprint, Option<u64>), Refusal>>,
}

#[derive(Clone, Copy)]
struct Refusal {
    reason: &'static str,
    is_final: bool,
    at: Monotonic,
}

impl Refusals {
    /// Refusals that are remembered for so long, beyond the time for which they are believed.
    pub(super) fn new(context: Context, remembered: Duration) -> Self {
        let log = LogLimit::new(context.clone());
        Self { context, log, remembered, entries: Mutex::default() }
    }

    /// What `signal` is answered without asking.
    pub(super) fn believed(&self, signal: &Signal) -> Option<Error> {
        let (now, refusals) = (self.context.monotonic(), self.of(&signal.fingerprint));
        let content = (!refusals.is_empty()).then(|| content(signal));
        let about = |refused: &Option<u64>| refused.is_none() || *refused == content;
        let ages = refusals.iter().filter(|(refused, _)| about(refused));
        let (age, refusal) = ages.map(|(_, refusal)| (now.since(refusal.at), refusal)).min_by_key(|(age, _)| *age)?;
        (age < BELIEVED).then(|| refusal.error(BELIEVED - age))
    }

    /// What `signal` is answered if the predecessor is claimed already: to renew a claim for a create that
    /// may be refused again would keep it from ever being cleared, where several replicas do so in turn.
    /// Of another signal than the one that was refused, that is not final: it was never tried.
    pub(super) fn remembered(&self, signal: &Signal) -> Option<Error> {
        let (now, refusals) = (self.context.monotonic(), self.of(&signal.fingerprint));
        let (_, newest) = refusals.iter().max_by_key(|(_, refusal)| refusal.at)?;
        let content = Some(content(signal));
        let own = refusals.iter().find(|(refused, _)| *refused == content).map(|(_, refusal)| refusal);
        let is_final = own.is_some_and(|refusal| refusal.is_final && now.since(refusal.at) < self.remembered);
        (now.since(newest.at) < self.remembered).then(|| Refusal { is_final, ..*own.unwrap_or(newest) }.error(BELIEVED))
    }

    /// Remembers that the create for `signal` failed by `error`, if that is a refusal; what the signal is answered then.
    pub(super) fn note(&self, signal: &Signal, error: &kubernetes::Error) -> Option<Error> {
        let ((reason, is_final), fingerprint) = (reason(error)?, &signal.fingerprint);
        if self.log.admits("create_refused", Level::ERROR) {
            tracing::error!(
                %fingerprint, %error, believed_secs = BELIEVED.as_secs(),
                hint = "raise the quota, or fix the policy, the CRD or the gateway's Role",
                "the Kubernetes API refuses to create a RemediationRequest"
            );
        }
        let now = self.context.monotonic();
        let refusal = Refusal { reason, is_final, at: now };
        let key = (fingerprint.clone(), is_final.then(|| content(signal)));
        let mut entries = self.entries.lock();
        if entries.len() >= REFUSALS_MAX {
            entries.retain(|_, refusal| now.since(refusal.at) < self.remembered);
        }
        if entries.len() < REFUSALS_MAX || entries.contains_key(&key) {
            entries.insert(key, refusal);
        }
        Some(refusal.error(BELIEVED))
    }

    /// Forgets what was refused of `fingerprint`: a create has succeeded.
    pub(super) fn forget(&self, fingerprint: &Fingerprint) {
        for (content, _) in self.of(fingerprint) {
            self.entries.lock().remove(&(fingerprint.clone(), content));
        }
    }

    /// Forgets what is too old to matter.
    pub(super) fn sweep(&self) {
        let now = self.context.monotonic();
        self.entries.lock().retain(|_, refusal| now.since(refusal.at) < self.remembered);
    }

    /// What was refused of `fingerprint`, by digest.
    fn of(&self, fingerprint: &Fingerprint) -> Vec<(Option<u64>, Refusal)> {
        let entries = self.entries.lock();
        let of_it = entries.range((fingerprint.clone(), None)..).take_while(|((of, _), _)| of == fingerprint);
        of_it.map(|((_, content), refusal)| (*content, *refusal)).collect()
    }
}

impl Refusal {
    const fn error(self, retry_after: Duration) -> Error {
        Error::Refused { reason: self.reason, is_final: self.is_final, retry_after }
    }
}

/// A digest of what `signal` says.
fn content(signal: &Signal) -> u64 {
    let Signal { name, severity, labels, annotations, original_payload, .. } = signal;
    let mut hasher = DefaultHasher::new();
    (name, severity, labels, annotations, original_payload).hash(&mut hasher);
    hasher.finish()
}

/// What a 403 says that is about the gateway or its namespace, not about what is to be created: Kubernetes' own words for a
/// quota (`resourcequota`), a missing right (RBAC) or token, a namespace that is deleted, and admission that only starts.
const PASSING: [&str; 7] = [
    "exceeded quota",
    "insufficient quota",
    "status unknown for quota",
    "cannot create resource",
    "Unauthorized",
    "because it is being terminated",
    "not yet ready to handle request",
];

/// What a 403 says of a CRD that is deleted, before Kubernetes 1.34 a 405.
const CRD_TERMINATING: &str = "create not allowed while custom resource definition is terminating";

/// What a 403 of a policy says, which may quote anything after it.
const DENIED: [&str; 2] = ["denied the request", "denied request"];

/// What a sender is told of a refusal, and whether it is final; `None` of any other failure. What the API said goes to the log.
fn reason(error: &kubernetes::Error) -> Option<(&'static str, bool)> {
    use kubernetes::Error::{BadRequest, Forbidden, Invalid};
    match error {
        Forbidden(said) | BadRequest(said) if says(said, &[CRD_TERMINATING]) => Some((
            "the Kubernetes API stores no RemediationRequest while their CRD is being deleted; an operator has to apply it \
             again, see the gateway's log",
            false,
        )),
        // To lose alerts for it would be to lose them by the thousand, until somebody mends it.
        Forbidden(said) if says(said, &PASSING) => Some((
            "the Kubernetes API does not permit another RemediationRequest (403): a quota, or the gateway's own rights; an \
             operator has to fix that, see the gateway's log",
            false,
        )),
        Forbidden(_) => Some((
            "the Kubernetes API does not admit the RemediationRequest (403): a policy; an operator has to fix that, see the \
             gateway's log",
            true,
        )),
        Invalid(_) => Some((
            "the Kubernetes API does not admit the RemediationRequest (422): a policy or the CRD; an operator has to fix \
             that, see the gateway's log",
            true,
        )),
        BadRequest(_) => Some((
            "the Kubernetes API cannot use the RemediationRequest (400 or 413): a webhook or a proxy before it; an operator \
             has to fix that, see the gateway's log",
            true,
        )),
        _ => None,
    }
}

/// Whether it says any of `words`, and not that a policy denied it.
fn says(said: &str, words: &[&str]) -> bool {
    let contains = |any: &[&str]| any.iter().any(|words| said.contains(words));
    contains(words) && !contains(&DENIED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dedup::tests::{context, signal_of};

    const CLEARED: Duration = Duration::from_secs(300);

    fn quota() -> kubernetes::Error {
        kubernetes::Error::Forbidden("exceeded quota: requests".to_owned())
    }

    fn fingerprint(number: usize) -> Fingerprint {
        Fingerprint::of(&format!("shop:Deployment:{number}"))
    }

    fn signal(number: usize) -> Signal {
        signal_of(fingerprint(number))
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_believed_for_a_minute_and_remembered_until_claims_are_cleared() {
        let context = context();
        let refusals = Refusals::new(context.clone(), BELIEVED + CLEARED);
        assert_eq!(refusals.believed(&signal(1)), None);
        let Some(Error::Refused { reason, is_final, retry_after }) = refusals.note(&signal(1), &quota()) else {
            panic!("no refusal")
        };
        assert_eq!((is_final, retry_after), (false, BELIEVED));
        context.sleep(Duration::from_secs(59)).await;
        let soon = Error::Refused { reason, is_final, retry_after: Duration::from_secs(1) };
        assert_eq!(refusals.believed(&signal(1)), Some(soon), "the sender is told how long it lasts");
        assert_eq!(refusals.believed(&signal(2)), None);
        context.sleep(Duration::from_secs(1)).await;
        assert_eq!(refusals.believed(&signal(1)), None);
        assert!(refusals.remembered(&signal(1)).is_some());
        context.sleep(CLEARED).await;
        assert_eq!(refusals.remembered(&signal(1)), None);
        refusals.sweep();
        assert!(refusals.entries.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_one_signal_is_refused_for_is_not_believed_of_another_of_its_resource() {
        let refusals = Refusals::new(context(), BELIEVED + CLEARED);
        let (large, small) = (Signal { name: "Large".to_owned(), ..signal(1) }, signal(1));
        let policy = r#"admission webhook "names.example" denied the request: "A" cannot create resource"#.to_owned();
        let none = String::new;
        for error in [
            kubernetes::Error::BadRequest(none()),
            kubernetes::Error::Invalid(none()),
            kubernetes::Error::Forbidden(policy),
        ] {
            refusals.note(&large, &error);
            assert!(refusals.believed(&large).is_some());
            assert_eq!(refusals.believed(&small), None);
            let is_final = |signal| match refusals.remembered(signal) {
                Some(Error::Refused { is_final, .. }) => is_final,
                other => panic!("{other:?}"),
            };
            assert!(is_final(&large) && !is_final(&small), "that one was never tried");
        }
        let long = Signal { name: "Long".to_owned(), ..signal(1) };
        refusals.note(&long, &kubernetes::Error::Invalid(none()));
        assert!(refusals.believed(&large).is_some() && refusals.believed(&long).is_some(), "each keeps its own");
        refusals.note(&large, &quota());
        assert!(refusals.believed(&small).is_some(), "a quota is about all of them");
        refusals.forget(&large.fingerprint);
        assert!(refusals.entries.lock().is_empty());
    }

    #[rstest::rstest]
    #[case::quota(
        "remediationrequests \"rr-1\" is forbidden: exceeded quota: small, requested: count/x=1, used: count/x=1, limited: 1"
    )]
    #[case::quota_not_counted_yet(
        "remediationrequests is forbidden: status unknown for quota: small, resources: count/x"
    )]
    #[case::right(
        "remediationrequests is forbidden: User \"system:x\" cannot create resource \"remediationrequests\" in API group"
    )]
    #[case::token("Unauthorized")]
    #[case::token_by_a_proxy("Unauthorized: sign in first")]
    #[case::starting("remediationrequests.kubernaut.ai is forbidden: not yet ready to handle request")]
    #[case::namespace("unable to create new content in namespace shop because it is being terminated")]
    fn what_is_about_the_gateway_is_not_final(#[case] said: &str) {
        let (_, is_final) = reason(&kubernetes::Error::Forbidden(said.to_owned())).unwrap();
        assert!(!is_final);
    }

    #[rstest::rstest]
    #[case::since_kubernetes_1_34(kubernetes::Error::Forbidden, "remediationrequests \"rr-1\" is forbidden: ", false)]
    #[case::before(kubernetes::Error::BadRequest, "", false)]
    #[case::words_of_a_policy(kubernetes::Error::Forbidden, "admission webhook \"p\" denied the request: ", true)]
    fn a_crd_that_is_being_deleted_is_no_policy(
        #[case] error: fn(String) -> kubernetes::Error,
        #[case] before: &str,
        #[case] expected: bool,
    ) {
        let said = "create not allowed while custom resource definition is terminating";
        let (_, is_final) = reason(&error(format!("{before}{said}"))).unwrap();
        assert_eq!(is_final, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_create_that_succeeds_ends_a_refusal() {
        let refusals = Refusals::new(context(), BELIEVED + CLEARED);
        refusals.note(&signal(1), &quota());
        refusals.forget(&fingerprint(1));
        assert_eq!(refusals.remembered(&signal(1)), None);
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
            assert_eq!(refusals.note(&signal(1), &error), None);
        }
        assert!(refusals.entries.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_are_remembered_than_there_is_room_for() {
        let context = context();
        let refusals = Refusals::new(context.clone(), BELIEVED + CLEARED);
        for number in 0..=REFUSALS_MAX {
            refusals.note(&signal(number), &quota());
        }
        assert_eq!(refusals.entries.lock().len(), REFUSALS_MAX);
        context.sleep(BELIEVED + CLEARED).await;
        refusals.note(&signal(REFUSALS_MAX), &quota());
        assert_eq!(refusals.entries.lock().len(), 1);
    }
}

//! What happens to a cluster that is restored from a backup under the gateways' feet.
//!
//! What was acknowledged after the backup is lost with everything else that was written since. What must hold from then on
//! is what always does: one active RemediationRequest per resource, and each signal counted that is acknowledged from now on;
//! and every gateway must have noticed.
#![allow(clippy::disallowed_methods, reason = "processes live in real time")]

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use gateway::dedup::bounds;
use serde::Serialize;
use serde_json::Value;

use super::{
    error::Error,
    load::{STARTS_AT, fingerprint_of, name_of},
    pod::{self, Pod},
};
use crate::{
    cluster::{Stage, leases, objects, remediation_requests},
    control_plane::ControlPlane,
    load::{Ledger, webhook},
    oracles::{Violation, counted, fingerprint, is_active, is_at_rest, name},
};

const REWOUND: &str = "gateway_history_rewound_total";
/// How long kube-apiserver goes on with caches of what is gone, in every other run.
const STALE: Duration = Duration::from_secs(10);
/// After all runs again, a signal must be acknowledged within this.
const CONVERGE: Duration = Duration::from_secs(120);
const RETRY: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(500);
/// Signals of each resource, by each gateway, before and after.
const SIGNALS: usize = 3;

/// Signals by fingerprint.
type Counts = BTreeMap<String, u64>;

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Restored {
    /// Whether kube-apiserver went on for a while with what it had in memory.
    pub stale: bool,
    /// Signals that were acknowledged after the backup and are gone with it.
    pub lost: u64,
    /// Posts after the restore, the repeated ones included.
    pub attempted: u64,
    /// Those that were acknowledged.
    pub acknowledged: u64,
    /// Signals counted since.
    pub counted: u64,
}

/// What was sent until the restore.
struct Sent {
    ledger: Ledger,
    /// Signals that are gone with it.
    lost: u64,
}

/// What is to be restored, and by whom it is looked at.
pub(super) struct Restore<'a> {
    pub(super) plane: &'a ControlPlane,
    pub(super) stage: &'a Stage,
    pub(super) pods: &'a [Pod],
    pub(super) http: &'a reqwest::Client,
    pub(super) resources: usize,
}

impl Restore<'_> {
    /// Backs up, goes on, restores, goes on; all must be at rest when it begins. `complete` ends the remediation of a resource.
    pub(super) async fn run(
        &self,
        stale: bool,
        complete: impl AsyncFn(usize),
        say: &impl Fn(&str),
    ) -> Result<(Restored, Vec<Violation>), Error> {
        let (before, rewound) = (self.counted().await?, self.rewound().await);
        let sent = self.lose(&complete, say).await?;
        self.come_back(stale, say).await?;
        let (requests, after) = self.at_rest().await?;
        let end = self.ledger();
        let mut wrong = self.unnoticed(&rewound).await;
        let since = |now: &Counts, then: &Counts, fingerprint: &str| {
            let of = |counts: &Counts| counts.get(fingerprint).copied().unwrap_or(0);
            of(now).saturating_sub(of(then))
        };
        for fingerprint in (0..self.resources).map(fingerprint_of) {
            let about = fingerprint.as_str();
            wrong.extend(judge(&requests, about));
            let counted = since(&after, &before, about);
            let told = since(&end.acknowledged, &sent.ledger.acknowledged, about);
            let attempted = since(&end.attempted, &sent.ledger.attempted, about);
            if counted < told || counted > attempted {
                wrong.push(format!(
                    "{about}: {told} signals acknowledged after the restore, {counted} counted, {attempted} sent"
                ));
            }
        }
        let restored = Restored {
            stale,
            lost: sent.lost,
            attempted: total(&end.attempted) - total(&sent.ledger.attempted),
            acknowledged: total(&end.acknowledged) - total(&sent.ledger.acknowledged),
            counted: total(&after).saturating_sub(total(&before)),
        };
        let violation = |message| Violation { oracle: "restore", version: None, message };
        Ok((restored, wrong.into_iter().map(violation).collect()))
    }

    /// Backs up, and sends signals that will be gone; `complete` ends every other remediation meanwhile.
    async fn lose(&self, complete: &impl AsyncFn(usize), say: &impl Fn(&str)) -> Result<Sent, Error> {
        self.plane.back_up()?;
        say("etcd is backed up");
        let backed_up = self.ledger();
        for resource in (0..self.resources).step_by(2) {
            complete(resource).await;
        }
        self.signals().await;
        let ledger = self.ledger();
        let lost = total(&ledger.acknowledged) - total(&backed_up.acknowledged);
        say(&format!("etcd is restored from the backup, {lost} signals later"));
        Ok(Sent { ledger, lost })
    }

    /// Restores, and sends signals until the gateways are ready again.
    async fn come_back(&self, stale: bool, say: &impl Fn(&str)) -> Result<(), Error> {
        self.plane.restore()?;
        if stale {
            say("kube-apiserver keeps running with its cache");
            drop(tokio::time::timeout(STALE, self.signals()).await);
        }
        drop(self.plane.apiserver().restart());
        self.plane.ready().await?;
        say("kube-apiserver has restarted");
        self.signals().await;
        for pod in self.pods {
            pod.ready(self.http).await?;
        }
        Ok(())
    }

    /// The gateways that did not notice, by their counts from before.
    async fn unnoticed(&self, before: &[Option<f64>]) -> Vec<String> {
        let mut wrong = Vec::new();
        for (pod, before) in self.pods.iter().zip(before) {
            if pod.metric(self.http, REWOUND).await <= *before {
                wrong.push(format!("{} did not notice that history went back", pod.process.name()));
            }
        }
        wrong
    }

    /// Sends signals of each resource to each gateway, each until it is acknowledged.
    async fn signals(&self) {
        let until = Instant::now() + CONVERGE;
        let mut senders = Vec::new();
        for resource in 0..self.resources {
            for pod in self.pods {
                senders.push(async move {
                    let (body, fingerprint) = (webhook(&name_of(resource), STARTS_AT), fingerprint_of(resource));
                    let mut left = SIGNALS;
                    while left > 0 && Instant::now() < until {
                        let answer = self.stage.send(&pod.api, &body, fingerprint.as_str()).await;
                        if answer.status.is_success() {
                            left -= 1;
                        } else {
                            tokio::time::sleep(RETRY).await;
                        }
                    }
                });
            }
        }
        futures::future::join_all(senders).await;
    }

    fn ledger(&self) -> Ledger {
        self.stage.with_ledger(|ledger| ledger.clone())
    }

    async fn rewound(&self) -> Vec<Option<f64>> {
        futures::future::join_all(self.pods.iter().map(|pod| pod.metric(self.http, REWOUND))).await
    }

    /// What is counted of each fingerprint.
    async fn counted(&self) -> Result<Counts, Error> {
        let (requests, leases) = self.list().await?;
        Ok(tally(&requests, &leases))
    }

    async fn list(&self) -> Result<(Vec<Value>, Vec<Value>), Error> {
        let Stage { client, namespace, .. } = self.stage;
        Ok((objects(client, namespace, &remediation_requests()).await?, objects(client, namespace, &leases()).await?))
    }

    /// Waits until nothing is left to be cleaned up, for as long as that may take; what there is then.
    async fn at_rest(&self) -> Result<(Vec<Value>, Counts), Error> {
        let until = Instant::now() + bounds::left_behind_for(&pod::config());
        loop {
            let (requests, leases) = self.list().await?;
            if is_at_rest(&leases, &requests) || Instant::now() > until {
                let counted = tally(&requests, &leases);
                return Ok((requests, counted));
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// What is counted on `requests` and the counters among `leases`.
fn tally(requests: &[Value], leases: &[Value]) -> Counts {
    counted(requests, leases).into_iter().map(|(fingerprint, count)| (fingerprint.to_owned(), count)).collect()
}

fn total(counts: &Counts) -> u64 {
    counts.values().sum()
}

/// What is wrong with the RemediationRequests of a fingerprint of which a signal has just been acknowledged.
fn judge(requests: &[Value], about: &str) -> Option<String> {
    let active: Vec<&str> = requests.iter().filter(|r| fingerprint(r) == about && is_active(r)).map(name).collect();
    (active.len() != 1)
        .then(|| format!("{about}: {} active RemediationRequests after the restore: {active:?}", active.len()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(name: &str, phase: &str) -> Value {
        json!({
            "metadata": {"name": name, "uid": format!("uid-{name}")}, "spec": {"signalFingerprint": "f"},
            "status": {"overallPhase": phase, "deduplication": {"occurrenceCount": 2}},
        })
    }

    #[test]
    fn a_resource_has_exactly_one_active_after_a_restore() {
        let [done, one, two] = [("a", "Completed"), ("b", "Pending"), ("c", "Analyzing")].map(|(n, p)| request(n, p));
        assert_eq!(judge(&[done.clone(), one.clone()], "f"), None);
        assert!(judge(&[one, two], "f").is_some_and(|twins| twins.contains(r#"["b", "c"]"#)));
        assert!(judge(&[done], "f").is_some());
    }

    #[test]
    fn a_counter_counts_more_than_the_status_beside_it() {
        let counter = json!({
            "metadata": {"name": "gw-count-uid-a", "annotations": {
                "count.gateway.kubernaut.ai/base": "1", "count.gateway.kubernaut.ai/0123456789abcdef": "4;7;t",
            }},
        });
        let requests = [request("a", "Completed"), request("b", "Pending")];
        assert_eq!(tally(&requests, &[counter]), [("f".to_owned(), 5 + 2)].into());
    }
}

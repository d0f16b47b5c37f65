//! What signals cost in requests to the Kubernetes API while nothing goes wrong (protocol: Budget).
//!
//! With *f* fingerprints of which none ends, *s* signals and *r* replicas:
//!
//! | requests | at most | because |
//! |---|---|---|
//! | lists | one per replica, and one in 30 s | the critical path has none |
//! | creates | *f*, and *f* (*r* − 1) that find it there | each replica creates once, then it knows |
//! | commits | *s*, and one per four conflicts | each counts a signal, the creator's first the one that created; who is outrun asks for its turn |
//! | commits in conflict | (*r* − 1) per commit | one that takes effect defeats one of each other replica |
//! | reads | one per create or commit that failed | that is what they are about |
//! | lease reads | 8 *f* *r* | tries that back off from 5 ms fit so often into the patience of 500 ms |
//! | lease creates | two per try | one where none is expected, one where the read finds none |
//! | lease deletes | one per lease created | |
//!
//! A single replica thus spends *3f + s*: four on a new signal, one on a group commit.

use std::{collections::BTreeSet, time::Duration};

use super::{
    oracle::{Oracle, Signal},
    read::is_replica,
};
use embedded_apiserver::RequestRecord;

/// A view asks for its age at most this often.
const BACKGROUND: Duration = Duration::from_secs(30);
/// A writer that others outrun asks for its turn after so many conflicts.
const CONFLICTS_PER_TURN: usize = 4;
/// Tries for a lock within the patience.
const LOCK_TRIES: usize = 8;

/// Judges all requests of an undisturbed run.
#[derive(Debug, Default)]
pub struct Budget {
    signals: usize,
    fingerprints: BTreeSet<String>,
}

impl Oracle for Budget {
    fn name(&self) -> &'static str {
        "budget"
    }

    fn on_signal(&mut self, signal: &Signal<'_>) {
        self.signals += 1;
        self.fingerprints.insert(signal.fingerprint.to_owned());
    }

    fn on_requests(&mut self, requests: &[RequestRecord]) -> Vec<String> {
        let requests: Vec<&RequestRecord> = requests.iter().filter(|request| is_replica(&request.caller)).collect();
        let replicas = requests.iter().map(|request| &request.caller).collect::<BTreeSet<_>>().len();
        let lasted = requests.iter().map(|request| request.elapsed).max().unwrap_or_default();
        let background = usize::try_from(lasted.as_secs() / BACKGROUND.as_secs()).unwrap_or(usize::MAX);
        let lines: Vec<String> = requests.iter().map(|request| line(request)).collect();
        let count = |what: &str| lines.iter().filter(|line| is(line, what)).count();
        let (fingerprints, others) = (self.fingerprints.len(), replicas.saturating_sub(1));
        let commits = count("patch remediationrequests/status 200");
        let conflicts = count("patch remediationrequests/status 409");
        let taken = count("create remediationrequests 409");
        let tries = fingerprints * replicas * LOCK_TRIES;
        let bill = [
            ("list remediationrequests", replicas * (1 + background)),
            ("list leases", replicas * background),
            ("create remediationrequests 201", fingerprints),
            ("create remediationrequests 409", fingerprints * others),
            ("patch remediationrequests/status 200", self.signals + conflicts / CONFLICTS_PER_TURN),
            ("patch remediationrequests/status 409", commits * others),
            ("get remediationrequests", taken + conflicts),
            ("get leases", tries),
            ("create leases", 2 * tries),
            ("delete leases", count("create leases 201")),
        ];
        let over =
            bill.into_iter().map(|(what, most)| (what, count(what), most)).filter(|(_, spent, most)| spent > most);
        let mut wrong: Vec<String> =
            over.map(|(what, spent, most)| format!("{spent} requests \"{what}\", where {most} are enough")).collect();
        let budgeted = requests.iter().zip(&lines).filter(|(request, _)| is_budgeted(request));
        let unexpected = budgeted.filter(|(_, line)| !bill.iter().any(|(what, _)| is(line, what)));
        wrong.extend(unexpected.map(|(_, line)| format!("{line} is not budgeted for")));
        wrong
    }
}

fn line(request: &RequestRecord) -> String {
    format!("{} {} {}", request.verb, request.resource, request.code)
}

/// Whether the request of this line is `what`: verb and resource, with or without code.
fn is(line: &str, what: &str) -> bool {
    line.strip_prefix(what).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// Watches, and what owners and scope are looked up by, are counted apart.
fn is_budgeted(request: &RequestRecord) -> bool {
    let resource = request.resource.split('/').next().unwrap_or_default();
    request.verb != "watch" && matches!(resource, "leases" | "remediationrequests")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn request(verb: &'static str, resource: &str, code: &str, second: u64) -> RequestRecord {
        RequestRecord {
            caller: "gateway-pod-1".to_owned(),
            verb,
            resource: resource.to_owned(),
            namespace: "kubernaut-system".to_owned(),
            name: String::new(),
            code: code.to_owned(),
            elapsed: Duration::from_secs(second),
        }
    }

    /// A new signal and a duplicate, at a single replica.
    fn bill() -> Vec<RequestRecord> {
        vec![
            request("list", "remediationrequests", "200", 0),
            request("watch", "remediationrequests", "200", 0),
            request("get", "deployments", "404", 0),
            request("create", "leases", "201", 1),
            request("create", "remediationrequests", "201", 1),
            request("patch", "remediationrequests/status", "200", 1),
            request("delete", "leases", "200", 1),
            request("patch", "remediationrequests/status", "200", 1),
        ]
    }

    #[rstest]
    #[case::nothing(None, 0)]
    #[case::a_second_list(Some(("list", "remediationrequests", "200", 2)), 1)]
    #[case::a_list_in_the_background(Some(("list", "remediationrequests", "200", 30)), 0)]
    #[case::a_second_create(Some(("create", "remediationrequests", "201", 2)), 1)]
    #[case::a_third_commit(Some(("patch", "remediationrequests/status", "200", 2)), 1)]
    #[case::a_conflict_with_nobody(Some(("patch", "remediationrequests/status", "409", 2)), 1)]
    #[case::a_read(Some(("get", "remediationrequests", "200", 2)), 1)]
    #[case::a_claim(Some(("patch", "remediationrequests", "200", 2)), 1)]
    #[case::a_look_at_the_lease(Some(("get", "leases", "200", 2)), 0)]
    #[case::a_second_release(Some(("delete", "leases", "404", 2)), 1)]
    fn what_goes_beyond_the_budget_is_a_violation(
        #[case] more: Option<(&'static str, &str, &str, u64)>,
        #[case] violations: usize,
    ) {
        let mut budget = Budget::default();
        for sent_ms in 0..2 {
            budget.on_signal(&Signal { pod: "gateway-pod-1", fingerprint: "f", sent_ms });
        }
        let more = more.map(|(verb, resource, code, second)| request(verb, resource, code, second));
        let requests: Vec<RequestRecord> = bill().into_iter().chain(more).collect();
        let wrong = budget.on_requests(&requests);
        assert_eq!(wrong.len(), violations, "{wrong:?}");
    }
}

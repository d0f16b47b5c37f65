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
//! | lease reads | 8 *f* *r* | tries that back off from 5 ms fit so often into the 500 ms of lock.waitTimeout |
//! | lease creates | two per try | one where none is expected, one where the read finds none |
//! | lease deletes | one per lease created | |
//!
//! Where signals are counted beside the object, commits are patches of the counter, which never conflict, each with a read
//! of the object beside it; and
//!
//! | requests | at most | because |
//! |---|---|---|
//! | counter creates | *f*, and *f* (*r* − 1) that find it there | the first duplicate of each replica may try |
//! | projections | 2 *f*, and *f* each second | the status follows at most once a second |
//! | counter reads | one per projection that was outrun | what is projected then is what is counted then |
//! | lease lists | one per replica, and one in 3 s | what others counted is looked at, if it is not watched |
//!
//! A single replica thus spends *3f + s* where it counts in the status, four on a new signal, one on a group commit; and
//! two on a commit beside the object.

use std::{collections::BTreeSet, time::Duration};

use super::{
    oracle::{Oracle, Signal},
    read::is_replica,
    tallies::is_counter_name,
};
use embedded_apiserver::RequestRecord;

/// A view asks for its age at most this often.
const BACKGROUND: Duration = Duration::from_secs(30);
/// Conflicts after which a starved writer asks for its turn.
const CONFLICTS_PER_TURN: usize = 4;
/// The status is brought up to what is counted beside it at most this often.
const PROJECTION: Duration = Duration::from_secs(1);
/// Counters are listed at most this often, unless they are watched.
const COUNTERS_LISTED: Duration = Duration::from_secs(3);
/// Tries for a lock within lock.waitTimeout.
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
        let lines: Vec<String> = requests.iter().map(|request| line(request)).collect();
        let spent =
            Spent { lines: &lines, replicas, lasted, fingerprints: self.fingerprints.len(), signals: self.signals };
        let counts_beside = requests.iter().any(|request| is_counter_name(&request.name));
        let bill = if counts_beside { spent.bill_of_counters() } else { spent.bill_of_the_status() };
        let over =
            bill.iter().map(|&(what, most)| (what, spent.count(what), most)).filter(|(_, spent, most)| spent > most);
        let mut wrong: Vec<String> =
            over.map(|(what, spent, most)| format!("{spent} requests \"{what}\", where {most} are enough")).collect();
        let budgeted = requests.iter().zip(&lines).filter(|(request, _)| is_budgeted(request));
        let unexpected = budgeted.filter(|(_, line)| !bill.iter().any(|(what, _)| is(line, what)));
        wrong.extend(unexpected.map(|(_, line)| format!("{line} is not budgeted for")));
        wrong
    }
}

/// What was spent, and on what.
struct Spent<'a> {
    lines: &'a [String],
    replicas: usize,
    lasted: Duration,
    fingerprints: usize,
    signals: usize,
}

/// Requests, and how many of them are enough.
type Bill = Vec<(&'static str, usize)>;

impl Spent<'_> {
    fn count(&self, what: &str) -> usize {
        self.lines.iter().filter(|line| is(line, what)).count()
    }

    /// How many times something that happens once per `every` can happen during the run.
    fn times(&self, every: Duration) -> usize {
        usize::try_from(self.lasted.as_millis() / every.as_millis().max(1)).unwrap_or(usize::MAX)
    }

    /// Of the locks, of creating, and of the view.
    fn bill_of_all(&self) -> Bill {
        let Self { replicas, fingerprints, .. } = *self;
        let (background, tries) = (self.times(BACKGROUND), fingerprints * replicas * LOCK_TRIES);
        vec![
            ("list remediationrequests", replicas * (1 + background)),
            ("create remediationrequests 201", fingerprints),
            ("create remediationrequests 409", fingerprints * replicas.saturating_sub(1)),
            ("get leases", tries),
            ("create leases", 2 * tries),
            ("delete leases", self.count("create leases 201")),
        ]
    }

    /// Where signals are counted in the status.
    fn bill_of_the_status(&self) -> Bill {
        let Self { replicas, signals, .. } = *self;
        let commits = self.count("patch remediationrequests/status 200");
        let conflicts = self.count("patch remediationrequests/status 409");
        let taken = self.count("create remediationrequests 409");
        let mut bill = self.bill_of_all();
        bill.extend([
            ("list leases", replicas * self.times(BACKGROUND)),
            ("patch remediationrequests/status 200", signals + conflicts / CONFLICTS_PER_TURN),
            ("patch remediationrequests/status 409", commits * replicas.saturating_sub(1)),
            ("get remediationrequests", taken + conflicts),
        ]);
        bill
    }

    /// Where signals are counted on a counter beside the object.
    fn bill_of_counters(&self) -> Bill {
        let Self { replicas, fingerprints, signals, .. } = *self;
        let taken = self.count("create remediationrequests 409");
        let projections = fingerprints * (2 + self.times(PROJECTION));
        let mut bill = self.bill_of_all();
        bill.extend([
            ("list leases", replicas * (1 + self.times(COUNTERS_LISTED))),
            ("create counters 201", fingerprints),
            ("create counters 409", fingerprints * replicas.saturating_sub(1)),
            ("patch counters 200", signals),
            ("patch counters 404", fingerprints * replicas),
            ("get counters 200", self.count("patch remediationrequests/status 422")),
            ("patch remediationrequests/status 200", projections),
            ("patch remediationrequests/status 422", projections * replicas.saturating_sub(1)),
            ("get remediationrequests", taken + signals + fingerprints * replicas),
        ]);
        bill
    }
}

fn line(request: &RequestRecord) -> String {
    let RequestRecord { verb, resource, name, code, .. } = request;
    let resource = if is_counter_name(name) { "counters" } else { resource };
    format!("{verb} {resource} {code}")
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
            resource: resource.replace("counters", "leases"),
            namespace: "kubernaut-system".to_owned(),
            name: if resource == "counters" { "gw-count-u".to_owned() } else { String::new() },
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

    /// The same where signals are counted beside the object, and a second duplicate.
    fn bill_with_counter() -> Vec<RequestRecord> {
        let second = 1;
        let mut bill = bill();
        bill.pop();
        bill.extend([
            request("create", "counters", "201", second),
            request("get", "remediationrequests", "200", second),
            request("patch", "counters", "200", second),
            request("get", "remediationrequests", "200", second),
            request("patch", "remediationrequests/status", "200", 2),
        ]);
        bill
    }

    #[rstest]
    #[case::nothing(None, 0)]
    #[case::a_conflict(Some(("patch", "counters", "409", 2)), 1)]
    #[case::a_second_counter(Some(("create", "counters", "201", 2)), 1)]
    #[case::a_projection_in_its_second(Some(("patch", "remediationrequests/status", "200", 2)), 0)]
    #[case::a_removal(Some(("delete", "counters", "200", 2)), 1)]
    #[case::a_read_of_the_counter(Some(("get", "counters", "200", 2)), 1)]
    fn what_goes_beyond_the_budget_of_counters_is_a_violation(
        #[case] more: Option<(&'static str, &str, &str, u64)>,
        #[case] violations: usize,
    ) {
        let mut budget = Budget::default();
        for sent_ms in 0..3 {
            budget.on_signal(&Signal { pod: "gateway-pod-1", fingerprint: "f", sent_ms });
        }
        let more = more.map(|(verb, resource, code, second)| request(verb, resource, code, second));
        let requests: Vec<RequestRecord> = bill_with_counter().into_iter().chain(more).collect();
        let wrong = budget.on_requests(&requests);
        assert_eq!(wrong.len(), violations, "{wrong:?}");
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

//! What a signal costs in requests to the Kubernetes API, whatever goes wrong; most of all one that is not acknowledged.
//!
//! A replica that does not get on must pause between its tries: one that asks again at once asks thousands of times before
//! a signal's deadline, just when the API can bear it least. The bound comes from the configuration: a signal waits for
//! `server.kubernetesRequestTimeout` at most; tries begin `lock.initialBackoff` apart, pauses double up to
//! `lock.maxBackoff`, and jitter halves a pause at most. With the defaults these are 38 tries.

use std::{collections::BTreeMap, time::Duration};

use embedded_apiserver::RequestRecord;
use gateway::config::Config;

use super::oracle::{Oracle, Signal};

/// One try: lock (read, create, delete), list, claim, create, read what was there, count, look, count again.
const REQUESTS_PER_TRY: usize = 10;
/// A signal that was acknowledged meanwhile shares most of its requests with others; where many count on one object, each
/// of its tries may have been in vain.
const PER_ACKNOWLEDGED: usize = 100;
/// What a replica asks although no signal waits: its view begins anew, its collector looks around.
const PER_SECOND: usize = 2;

/// Knows when each signal waited, and whether it was acknowledged.
#[derive(Debug)]
pub struct Unanswered {
    per_signal: usize,
    waits: Vec<Wait>,
}

#[derive(Clone, Debug)]
struct Wait {
    pod: String,
    from_ms: i64,
    until_ms: i64,
    acknowledged: bool,
}

impl Default for Unanswered {
    fn default() -> Self {
        Self { per_signal: tries(&Config::default()) * REQUESTS_PER_TRY, waits: Vec::new() }
    }
}

/// How often a signal may be tried before its deadline.
fn tries(config: &Config) -> usize {
    let Config { lock, server, .. } = config;
    let (mut pause, mut passed, mut tries) = (lock.initial_backoff / 2, Duration::ZERO, 1);
    while passed < server.kubernetes_request_timeout && !pause.is_zero() {
        passed += pause;
        pause = (pause * 2).min(lock.max_backoff / 2);
        tries += 1;
    }
    tries
}

impl Oracle for Unanswered {
    fn name(&self) -> &'static str {
        "unanswered"
    }

    fn on_end(&mut self, signal: &Signal<'_>, status: u16, at_ms: i64) {
        let (pod, acknowledged) = (signal.pod.to_owned(), (200..300).contains(&status));
        self.waits.push(Wait { pod, from_ms: signal.sent_ms, until_ms: at_ms, acknowledged });
    }

    fn on_all_requests(&mut self, requests: &[RequestRecord], epoch_ms: i64) -> Vec<String> {
        let at_ms = |request: &RequestRecord| epoch_ms + i64::try_from(request.elapsed.as_millis()).unwrap_or(i64::MAX);
        let mut sent: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
        for request in requests.iter().filter(|request| request.verb != "watch") {
            sent.entry(&request.caller).or_default().push(at_ms(request));
        }
        let none = Vec::new();
        let judge = |busy: Busy| {
            let of_it = sent.get(busy.pod.as_str()).unwrap_or(&none);
            let spent = of_it.iter().filter(|at_ms| (busy.from_ms..=busy.until_ms).contains(at_ms)).count();
            let most = self.enough_for(&busy);
            let Busy { pod, unanswered, acknowledged, from_ms, until_ms } = busy;
            (spent > most).then(|| {
                let took_ms = until_ms - from_ms;
                format!(
                    "{pod} sent {spent} requests in {took_ms} ms for {acknowledged} signals that were acknowledged and {unanswered} \
                     that were not; {most} are enough"
                )
            })
        };
        self.busy().into_iter().filter_map(judge).collect()
    }
}

/// A time in which signals waited at a replica without a break.
struct Busy {
    pod: String,
    from_ms: i64,
    until_ms: i64,
    unanswered: usize,
    acknowledged: usize,
}

impl Unanswered {
    fn busy(&self) -> Vec<Busy> {
        let mut waits: Vec<&Wait> = self.waits.iter().collect();
        waits.sort_by_key(|wait| (&wait.pod, wait.from_ms));
        let mut all: Vec<Busy> = Vec::new();
        for Wait { pod, from_ms, until_ms, acknowledged } in waits {
            let joins = all.last().is_some_and(|busy| busy.pod == *pod && busy.until_ms >= *from_ms);
            if !joins {
                let (pod, from_ms, until_ms) = (pod.clone(), *from_ms, *until_ms);
                all.push(Busy { pod, from_ms, until_ms, unanswered: 0, acknowledged: 0 });
            }
            let Some(busy) = all.last_mut() else { continue };
            busy.until_ms = busy.until_ms.max(*until_ms);
            *(if *acknowledged { &mut busy.acknowledged } else { &mut busy.unanswered }) += 1;
        }
        all
    }

    fn enough_for(&self, busy: &Busy) -> usize {
        let seconds = usize::try_from((busy.until_ms - busy.from_ms) / 1000 + 1).unwrap_or(0);
        busy.unanswered * self.per_signal + busy.acknowledged * PER_ACKNOWLEDGED + seconds * PER_SECOND
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn requests(pod: &str, count: u64) -> Vec<RequestRecord> {
        let request = |number| RequestRecord {
            caller: pod.to_owned(),
            verb: "get",
            resource: "leases".to_owned(),
            namespace: String::new(),
            name: String::new(),
            code: "200".to_owned(),
            elapsed: Duration::from_millis(number * 10),
        };
        (0..count).map(request).collect()
    }

    #[test]
    fn the_defaults_leave_room_for_few_tries() {
        assert_eq!(tries(&Config::default()), 38);
    }

    #[rstest]
    #[case::with_pauses(504, 100, 0)]
    #[case::without_pauses(504, 1000, 1)]
    #[case::given_up_by_its_sender(0, 1000, 1)]
    #[case::acknowledged(202, 100, 0)]
    #[case::acknowledged_in_the_end(202, 1000, 1)]
    fn a_signal_costs_few_requests(#[case] status: u16, #[case] count: u64, #[case] violations: usize) {
        let mut oracle = Unanswered::default();
        let signal = |pod| Signal { pod, fingerprint: "f", sent_ms: 5_000 };
        oracle.on_end(&signal("gateway-pod-1"), status, 20_000);
        oracle.on_end(&signal("gateway-pod-2"), 202, 20_000);
        let wrong = oracle.on_all_requests(&requests("gateway-pod-1", count), 5_000);
        assert_eq!(wrong.len(), violations, "{wrong:?}");
        assert_eq!(oracle.on_all_requests(&requests("gateway-pod-2", 100), 5_000), [""; 0]);
    }
}

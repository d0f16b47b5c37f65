//! One fault at each request of each flow: nothing is lost, nothing twice, and the next try succeeds.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use embedded_apiserver::{Effect, Fault, RequestInfo};
use harness::{
    fleet::Fleet,
    testing::{
        STARTS_AT, assert_quiet, count_of, discard, end, lines, name_of, only, post, rest, script, send,
        send_until_accepted, spent, wait_ms,
    },
};
use rstest::rstest;

use super::lineage::by_ordinal;

/// What the signal under test meets.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Flow {
    New,
    Duplicate,
    Successor,
}

/// Requests of the longest flow, on the signal's way and behind it, and one more that none has.
const REQUESTS_MAX: usize = 8;

fn after(effect: Effect) -> Fault {
    Fault { after: Some(effect), ..Fault::default() }
}

fn counts(request: &RequestInfo) -> bool {
    let kind = request.resource == "leases" || request.resource == "remediationrequests";
    kind && !matches!(request.verb, "watch" | "list") && request.caller.user.starts_with("gateway-pod-")
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn a_fault_at_any_request_loses_no_count_and_makes_no_second_remediation_request(
    #[values(Flow::New, Flow::Duplicate, Flow::Successor)] flow: Flow,
    #[values(
        Fault::lost(),
        Fault::answer_lost(),
        Fault::refused(Effect::internal_error()),
        after(Effect::internal_error()),
        Fault::refused(Effect::unavailable()),
        after(Effect::timed_out()),
        Fault::refused(Effect::throttled(1))
    )]
    fault: Fault,
) {
    let mut hits = 0;
    for at in 0..REQUESTS_MAX {
        let fleet = Fleet::new(at as u64);
        let script = script(&fleet);
        let replicas = fleet.start_all(2).await;
        if flow != Flow::New {
            send(&fleet, &replicas[0], "faults").await;
            rest().await;
        }
        if flow == Flow::Successor {
            end(&fleet, &name_of(&only(&fleet)), "Completed").await;
            rest().await;
        }
        let (seen, hit) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
        let noted = Arc::clone(&hit);
        fleet.api.clear_requests();
        script.add(1, fault.clone(), move |request| {
            let now = counts(request) && seen.fetch_add(1, Ordering::Relaxed) == at;
            noted.fetch_add(usize::from(now), Ordering::Relaxed);
            now
        });
        // Two at once, and then one at the other replica.
        let sends = (0..2).map(|_| send_until_accepted(&fleet, &replicas[0], "faults"));
        let mut answers = futures::future::join_all(sends).await;
        answers.push(send_until_accepted(&fleet, &replicas[1], "faults").await);
        rest().await;
        let what = format!("at request {at}: {:#?}", lines(&spent(&fleet)));
        let all = by_ordinal(&fleet);
        assert_eq!(all.len(), if flow == Flow::Successor { 2 } else { 1 }, "{what}");
        let counted: u64 = all.iter().map(count_of).sum();
        let before = u64::from(flow != Flow::New);
        let all_at_once = answers.iter().all(|(_, tries)| *tries == 1);
        if all_at_once {
            assert_eq!(counted, before + 3, "every request was acknowledged: {what}");
        } else {
            let tries: usize = answers.iter().map(|(_, tries)| tries).sum();
            assert!((before + 3..=before + tries as u64).contains(&counted), "{counted} counted, {what}");
        }
        wait_ms(300_000).await;
        assert!(fleet.requests().iter().all(|r| r["metadata"]["finalizers"].is_null()), "a claim is left: {what}");
        assert_quiet(&fleet);
        discard(&replicas);
        hits += hit.load(Ordering::Relaxed);
    }
    println!("{flow:?}: {hits} requests of {REQUESTS_MAX} were hit");
    assert!(hits >= if flow == Flow::Duplicate { 1 } else { 4 });
}

#[rstest]
#[case::lost_create("create", "remediationrequests")]
#[case::lost_status("patch", "remediationrequests/status")]
#[tokio::test(start_paused = true)]
async fn a_busy_server_for_a_moment_costs_time_but_neither_an_error_nor_a_count(
    #[case] verb: &'static str,
    #[case] resource: &'static str,
    #[values(
        Fault::refused(Effect::unavailable()),
        after(Effect::unavailable()),
        after(Effect::timed_out()),
        Fault::refused(Effect::throttled(1))
    )]
    fault: Fault,
) {
    let fleet = Fleet::new(30);
    let script = script(&fleet);
    let replicas = fleet.start_all(1).await;
    script.on(1, verb, resource, fault);
    let sends = (0..5).map(|_| send(&fleet, &replicas[0], "busy"));
    let answers = futures::future::join_all(sends).await;
    assert!(answers.iter().all(|answer| answer.status.is_success()), "{answers:#?}");
    rest().await;
    assert_eq!(count_of(&only(&fleet)), 5);
    assert_quiet(&fleet);
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn throttling_is_waited_out_within_the_deadline_and_answered_503_beyond_it(
    #[values(("create", "leases"), ("create", "remediationrequests"), ("patch", "leases"))] at: (
        &'static str,
        &'static str,
    ),
    #[values(6, 60)] secs: u64,
) {
    let fleet = Fleet::new(31);
    let script = script(&fleet);
    let replicas = fleet.start_all(1).await;
    let (verb, resource) = at;
    if verb == "patch" {
        // The second makes the counter.
        for _ in 0..2 {
            send(&fleet, &replicas[0], "throttled").await;
        }
        rest().await;
    }
    let until = tokio::time::Instant::now() + Duration::from_secs(secs);
    script.add(usize::MAX, Fault::refused(Effect::throttled(1)), move |request| {
        request.verb == verb && request.label() == resource && tokio::time::Instant::now() < until
    });
    let body = harness::load::webhook("throttled", STARTS_AT).to_string();
    let began = tokio::time::Instant::now();
    let answer = post(&replicas[0], body).await;
    if secs < 15 {
        assert!(answer.status.is_success(), "{}", answer.body);
        assert!(began.elapsed() < Duration::from_secs(secs + 2), "{:?}", began.elapsed());
    } else {
        answer.assert_problem(503);
        assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|secs| secs >= 1));
        assert!(began.elapsed() <= Duration::from_secs(16), "{:?}", began.elapsed());
        wait_ms(60_000).await;
        assert!(send(&fleet, &replicas[0], "throttled").await.status.is_success());
    }
    rest().await;
    assert!(fleet.leases().is_empty());
    assert!(fleet.oracles.violations().is_empty());
}

//! Creates that the API server refuses for as long as nobody mends it: answered at once, with no claim left behind.

use std::{sync::Arc, time::Duration};

use embedded_apiserver::{Effect, Fault, Script};
use harness::{
    fleet::Fleet,
    load::webhook,
    replica::{Replica, config, metric},
    testing::{
        Logs, STARTS_AT, answered, assert_quiet, count_of, delete, end, lines, name_of, only, post, rest, script, send,
        spent, storm, wait_ms,
    },
};
use rstest::rstest;
use serde_json::Value;

use super::lineage::with_one;

/// What the API server answers: status, reason, message.
type Refusal = (u16, &'static str, &'static str);

const QUOTA: Refusal =
    (403, "Forbidden", "exceeded quota: small, requested: count/x=1, used: count/x=1, limited: count/x=1");
const POLICY: Refusal = (422, "Invalid", "no");
const MALFORMED: Refusal = (400, "BadRequest", "no");

/// From now on each create of a RemediationRequest is refused.
fn refuse(script: &Script, (code, reason, message): Refusal) {
    let effect = Effect::Status { code, reason, message: message.to_owned(), retry_after_s: None };
    // Admission takes a while: others claim meanwhile.
    let slow = Fault { delay_before: Duration::from_millis(20), ..Fault::refused(effect) };
    script.on(usize::MAX, "create", "remediationrequests", slow);
}

fn creates(fleet: &Fleet) -> usize {
    spent(fleet).iter().filter(|r| r.verb == "create" && r.resource == "remediationrequests").count()
}

fn is_claimed(request: &Value) -> bool {
    !request["metadata"]["finalizers"].is_null()
}

#[rstest]
#[case::quota(QUOTA, 503)]
#[case::policy(POLICY, 400)]
#[case::malformed(MALFORMED, 400)]
#[tokio::test(start_paused = true)]
async fn a_refusal_is_told_and_believed_for_a_minute(
    #[case] refusal: Refusal,
    #[case] status: u16,
    #[values(false, true)] after_another: bool,
) {
    let fleet = Fleet::new(44);
    let script = script(&fleet);
    let replicas = fleet.start_all(1).await;
    if after_another {
        assert_eq!(send(&fleet, &replicas[0], "refused").await.status, 201);
        end(&fleet, &name_of(&only(&fleet)), "Failed").await;
        rest().await;
        fleet.api.clear_requests();
    }
    refuse(&script, refusal);
    let answers = storm(&fleet, &replicas, "refused", 5).await;
    assert_eq!(answered(&answers, status), 5);
    assert_eq!(creates(&fleet), 1, "all that wait are answered by it");
    rest().await;
    wait_ms(20_000).await;
    fleet.api.clear_requests();
    let answer = post(&replicas[0], webhook("refused", STARTS_AT).to_string()).await;
    answer.assert_problem(status);
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(detail.contains(&refusal.0.to_string()) && detail.contains("an operator has to fix that"), "{detail}");
    assert_eq!(lines(&spent(&fleet)), Vec::<String>::new(), "nothing is asked");
    let errors = "gateway_crd_creation_errors_total{error_type=\"refused\"}";
    assert_eq!(metric(&replicas[0].metrics(), errors), Some(6.0));
    script.clear();
    wait_ms(40_000).await;
    assert_eq!(send(&fleet, &replicas[0], "refused").await.status, 201);
    rest().await;
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn what_another_replica_could_create_is_counted_on_at_once() {
    let fleet = Fleet::new(45);
    let script = script(&fleet);
    let replicas = fleet.start_all(2).await;
    let effect = Effect::Status { code: 403, reason: "Forbidden", message: "no".to_owned(), retry_after_s: None };
    script.add(1, Fault::refused(effect), |request| {
        request.verb == "create" && request.label() == "remediationrequests" && request.caller.user == "gateway-pod-1"
    });
    assert_eq!(send(&fleet, &replicas[0], "one-of-two").await.status, 400);
    assert_eq!(send(&fleet, &replicas[1], "one-of-two").await.status, 201);
    rest().await;
    assert_eq!(send(&fleet, &replicas[0], "one-of-two").await.status, 202);
    rest().await;
    assert_eq!(count_of(&only(&fleet)), 2);
    assert_quiet(&fleet);
}

/// Sends six signals every five seconds, which are refused; how often the predecessor was seen to carry a claim.
async fn besiege(fleet: &Fleet, replicas: &[Replica], rounds: usize) -> usize {
    let mut claimed = 0;
    for _ in 0..rounds {
        let answers = storm(fleet, replicas, "besieged", 6).await;
        assert_eq!(answered(&answers, 503), 6, "{answers:?}");
        wait_ms(5_000).await;
        claimed += fleet.requests().iter().filter(|request| is_claimed(request)).count();
    }
    claimed
}

#[rstest]
#[case::by_the_lock(None, 0)]
// All claim at once: none is the only one, and a collector has to clear what is left.
#[case::by_the_fence_alone(Some(0), 60)]
#[tokio::test(start_paused = true)]
async fn what_is_refused_keeps_no_predecessor_from_being_deleted_however_many_replicas_try(
    #[case] wait_timeout_ms: Option<u64>,
    #[case] claimed_max: usize,
) {
    let fleet = Fleet::new(46);
    let script: Arc<Script> = script(&fleet);
    let mut replicas = Vec::new();
    for number in 1..=3 {
        let mut config = config();
        if let Some(ms) = wait_timeout_ms {
            config.lock.wait_timeout = Duration::from_millis(ms);
        }
        replicas.push(fleet.start_with(number, config, Default::default()).await);
    }
    assert_eq!(send(&fleet, &replicas[0], "besieged").await.status, 201);
    rest().await;
    let name = name_of(&only(&fleet));
    end(&fleet, &name, "Completed").await;
    rest().await;
    refuse(&script, QUOTA);
    fleet.api.clear_requests();
    let claimed = besiege(&fleet, &replicas, 60).await;
    assert!(claimed <= claimed_max, "claimed at {claimed} of 60 looks");
    delete(&fleet, &name).await;
    besiege(&fleet, &replicas, 65).await;
    assert_eq!(fleet.requests(), Vec::<Value>::new(), "no claim is renewed for ever");
    let asked = creates(&fleet);
    assert!(asked <= 3 * 12, "{asked} creates: one a minute and replica at most");
    script.clear();
    wait_ms(61_000).await;
    assert_eq!(send(&fleet, &replicas[1], "besieged").await.status, 201);
    rest().await;
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn a_claim_on_which_an_earlier_create_may_rely_is_left_to_the_collector() {
    let (fleet, replicas, first) = with_one(1, "doubtful").await;
    end(&fleet, &name_of(&first), "Failed").await;
    rest().await;
    let script = script(&fleet);
    let unavailable = Fault::refused(Effect::unavailable());
    script.on(1, "create", "remediationrequests", unavailable);
    refuse(&script, QUOTA);
    assert_eq!(send(&fleet, &replicas[0], "doubtful").await.status, 503);
    assert_eq!(creates(&fleet), 3, "the first of all, one without an answer, one refused");
    rest().await;
    assert!(is_claimed(&only(&fleet)), "the one in doubt may take effect yet");
    wait_ms(330_000).await;
    assert!(!is_claimed(&only(&fleet)));
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn one_404_of_a_count_that_is_not_true_harms_no_later_signal() {
    let (fleet, replicas, _) = with_one(1, "404").await;
    let script = script(&fleet);
    script.on(1, "patch", "remediationrequests/status", Fault::refused(not_found()));
    for _ in 0..3 {
        let began = tokio::time::Instant::now();
        assert_eq!(send(&fleet, &replicas[0], "404").await.status, 202);
        assert!(began.elapsed().as_millis() < 2_100, "{:?}", began.elapsed());
    }
    let began = tokio::time::Instant::now();
    assert_eq!(send(&fleet, &replicas[0], "404").await.status, 202);
    assert!(began.elapsed().as_millis() < 100, "{:?}", began.elapsed());
    rest().await;
    assert_eq!(count_of(&only(&fleet)), 6);
    assert_quiet(&fleet);
}

fn not_found() -> Effect {
    Effect::Status { code: 404, reason: "NotFound", message: "no".to_owned(), retry_after_s: None }
}

#[rstest]
#[case::once(1, 201)]
#[case::for_good(usize::MAX, 504)]
#[tokio::test(start_paused = true)]
async fn a_404_of_a_claim_is_believed_only_if_a_consistent_list_agrees(#[case] times: usize, #[case] status: u16) {
    let (fleet, replicas, first) = with_one(1, "claimed").await;
    end(&fleet, &name_of(&first), "Completed").await;
    rest().await;
    let script = script(&fleet);
    script.on(times, "patch", "remediationrequests", Fault::refused(not_found()));
    fleet.api.clear_requests();
    assert_eq!(send(&fleet, &replicas[0], "claimed").await.status, status);
    let asked = spent(&fleet).len();
    assert!(asked <= 60, "{asked} requests");
    script.clear();
    rest().await;
    assert!(send(&fleet, &replicas[0], "claimed").await.status.is_success());
    rest().await;
    assert_eq!(fleet.requests().len(), 2);
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_a_policy_does_not_admit_is_told_at_once_and_not_taken_for_a_deletion() {
    let (fleet, replicas, first) = with_one(1, "unclaimable").await;
    end(&fleet, &name_of(&first), "Failed").await;
    rest().await;
    let script = script(&fleet);
    let denied =
        Effect::Status { code: 422, reason: "Invalid", message: "denied request".to_owned(), retry_after_s: None };
    script.on(usize::MAX, "patch", "remediationrequests", Fault::refused(denied));
    fleet.api.clear_requests();
    let (logs, _guard) = Logs::capture();
    let began = tokio::time::Instant::now();
    assert_eq!(send(&fleet, &replicas[0], "unclaimable").await.status, 500);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(
        logs.lines()
            .iter()
            .any(|line| line.text.contains("patch remediationrequests: invalid: ")
                && line.text.contains("denied request")),
        "{:?}",
        logs.lines()
    );
    assert!(spent(&fleet).len() <= 6, "{:?}", lines(&spent(&fleet)));
    script.clear();
    assert_eq!(send(&fleet, &replicas[0], "unclaimable").await.status, 201);
    rest().await;
    assert_quiet(&fleet);
}

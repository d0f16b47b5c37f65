//! 429 for as long as anybody asks.

use std::time::Duration;

use embedded_apiserver::{Effect, Fault};
use harness::{
    load::webhook,
    testing::{STARTS_AT, assert_quiet, post, rest, send, wait, wait_ms},
};
use rstest::rstest;
use tokio::time::Instant;

use super::{Log, one_replica, tell};

/// As kube-apiserver says it, with its header, or without.
fn throttled(retry_after_s: Option<u64>) -> Fault {
    let message = "Too many requests, please try again later.".to_owned();
    Fault::refused(Effect::Status { code: 429, reason: "TooManyRequests", message, retry_after_s })
}

/// Requests that one signal may cost before it is given up: eight tries, counting sends two at a time.
const REQUESTS_MAX: usize = 16;

#[rstest]
#[case::lock("create leases", false)]
#[case::create("create remediationrequests", false)]
#[case::count("patch leases", true)]
#[case::look("get remediationrequests", true)]
#[case::everything("", false)]
#[case::everything_of_a_duplicate("", true)]
#[tokio::test(start_paused = true)]
async fn a_signal_costs_a_bounded_number_of_throttled_requests_and_is_sent_back_in_time(
    #[case] what: &'static str,
    #[case] known: bool,
    #[values(None, Some(1), Some(4), Some(90))] retry_after_s: Option<u64>,
) {
    let (fleet, script, replica) = one_replica(1).await;
    if known {
        assert_eq!(send(&fleet, &replica, "known").await.status, 201);
        assert_eq!(send(&fleet, &replica, "known").await.status, 202);
        rest().await;
    }
    let log = Log::default();
    log.on(&script, throttled(retry_after_s), move |request| {
        request.starts_with(what) && !request.starts_with("watch")
    });
    let told = tell(&fleet, &replica, if known { "known" } else { "new" }).await;
    assert!(told.took() <= Duration::from_secs(15), "{:?}", told.took());
    assert!(matches!(told.status, 503 | 504), "{told:?}");
    let sent = log.all();
    assert!((1..=REQUESTS_MAX).contains(&sent.len()), "{} requests: {sent:#?}", sent.len());
    if let Some(secs) = retry_after_s {
        for pair in sent.windows(2).filter(|pair| pair[0].what == pair[1].what) {
            assert!(pair[1].at - pair[0].at >= Duration::from_secs(secs), "sooner than asked: {pair:?}");
        }
    }
    script.clear();
    wait(Duration::from_secs(61)).await;
    assert!(send(&fleet, &replica, "known").await.status.is_success());
    rest().await;
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn a_sender_is_told_to_come_again_when_the_api_server_says_so_and_within_a_minute() {
    for (secs, told) in [(20, "20"), (60, "60"), (100_000, "60")] {
        let (_fleet, script, replica) = one_replica(4).await;
        script.on(1, "create", "leases", throttled(Some(secs)));
        let answer = post(&replica, webhook("new", STARTS_AT).to_string()).await;
        answer.assert_problem(503);
        assert_eq!(answer.header("retry-after"), told);
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_api_asks_one_request_to_wait_for_the_others_wait_for_as_well() {
    let (fleet, script, replica) = one_replica(2).await;
    let log = Log::default();
    log.on(&script, throttled(Some(5)), |what| what == "create leases");
    let sends = (0..50).map(|number| {
        let (fleet, replica) = (&fleet, &replica);
        async move {
            wait_ms(1 + number * 200).await;
            tell(fleet, replica, &format!("new-{number}")).await
        }
    });
    let told = futures::future::join_all(sends).await;
    assert!(told.iter().all(|told| told.status == 503), "{told:?}");
    let sent = log.all();
    assert!(sent.len() <= 8, "one in five seconds: {sent:?}");
    assert!(sent.windows(2).all(|pair| pair[1].at - pair[0].at >= Duration::from_secs(5)), "{sent:?}");
}

#[tokio::test(start_paused = true)]
async fn a_signal_that_is_throttled_for_a_moment_is_accepted_after_it() {
    let (fleet, script, replica) = one_replica(3).await;
    script.on(2, "create", "leases", throttled(Some(2)));
    let told = tell(&fleet, &replica, "new").await;
    assert_eq!(told.status, 201);
    assert!((Duration::from_secs(4)..Duration::from_millis(6_100)).contains(&told.took()), "{:?}", told.took());
    rest().await;
    assert_quiet(&fleet);
}

#[rstest]
// Asked for as a proof of the view's age, every half a minute at most.
#[case::list("list remediationrequests", 30_000)]
// Not by all replicas at once: up to half as long again.
#[case::watch("watch remediationrequests", 10_550)]
#[tokio::test(start_paused = true)]
async fn the_view_asks_again_no_sooner_than_it_is_told_to_and_not_much_later(
    #[case] what: &'static str,
    #[case] longest_ms: u128,
) {
    let (fleet, script, replica) = one_replica(5).await;
    let log = Log::default();
    log.on(&script, throttled(Some(7)), move |request| request == what);
    wait(Duration::from_secs(300)).await;
    let sent = log.all();
    let pauses: Vec<u128> = sent.windows(2).map(|pair| (pair[1].at - pair[0].at).as_millis()).collect();
    assert!(pauses.len() >= 8 && pauses.iter().all(|pause| (7_000..=longest_ms).contains(pause)), "{pauses:?}");
    script.clear();
    wait(Duration::from_secs(61)).await;
    assert_eq!(send(&fleet, &replica, "new").await.status, 201);
}

#[tokio::test(start_paused = true)]
async fn owners_are_looked_up_no_sooner_than_the_api_says_and_the_signal_is_sent_back() {
    let (_fleet, script, replica) = one_replica(6).await;
    let log = Log::default();
    log.on(&script, throttled(Some(4)), |request| request.starts_with("get pods"));
    let mut alert = webhook("new", STARTS_AT);
    alert["alerts"][0]["labels"] = serde_json::json!({ "alertname": "A", "namespace": "shop", "pod": "web-0" });
    let began = Instant::now();
    let answer = post(&replica, alert.to_string()).await;
    assert!(matches!(answer.status.as_u16(), 503 | 504), "{}", answer.status);
    assert!(began.elapsed() <= Duration::from_secs(15));
    let sent = log.all();
    assert!((1..=4).contains(&sent.len()), "{sent:#?}");
    assert!(sent.windows(2).all(|pair| pair[1].at - pair[0].at >= Duration::from_secs(4)), "{sent:#?}");
}

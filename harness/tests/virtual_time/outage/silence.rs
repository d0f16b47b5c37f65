//! An API server that answers nobody: stopped, cut off, or waiting for a store that stands still.

use std::time::Duration;

use embedded_apiserver::{Effect, Fault};
use futures::{StreamExt as _, stream};
use harness::{
    fleet::Fleet,
    replica::Replica,
    testing::{Logs, assert_quiet, rest, send, storm, wait, wait_ms},
};
use rstest::rstest;
use tokio::time::Instant;

use super::{Log, Told, one_replica, tell};

/// The deadline of a signal, and of each request.
const DEADLINE: Duration = Duration::from_secs(15);

fn state(replica: &Replica) -> Option<f64> {
    replica.metric(r#"gateway_circuit_breaker_state{name="kubernetes-api"}"#)
}

/// Nothing comes back, for longer than anybody waits, and nothing takes effect.
fn swallowed() -> Fault {
    Fault { delay_before: Duration::from_secs(120), before: Some(Effect::Reset), ..Fault::default() }
}

/// kube-apiserver lives, and gives up waiting for its etcd just before the gateway does.
fn waits_for_etcd() -> Fault {
    Fault { delay_before: Duration::from_millis(14_900), before: Some(Effect::timed_out()), ..Fault::default() }
}

/// As the other, by etcd's own words and after half of the time.
fn etcd_times_out() -> Fault {
    Fault { delay_before: Duration::from_secs(7), before: Some(Effect::internal_error()), ..Fault::default() }
}

/// Sends an alert every 100 ms for 40 s, half of them on one resource that is known.
async fn send_meanwhile(fleet: &Fleet, replica: &Replica) -> Vec<Told> {
    let send = |number: u64| async move {
        wait_ms(number * 100).await;
        let resource = if number.is_multiple_of(2) { "known".to_owned() } else { format!("new-{number}") };
        tell(fleet, replica, &resource).await
    };
    stream::iter(0..400).map(send).buffer_unordered(400).collect().await
}

#[rstest]
#[case::stopped(swallowed())]
#[case::without_its_etcd(waits_for_etcd())]
#[case::whose_etcd_times_out(etcd_times_out())]
#[tokio::test(start_paused = true)]
async fn an_api_that_answers_nobody_fails_all_within_a_second_of_the_first_deadline_and_then_at_once(
    #[case] fault: Fault,
) {
    let (fleet, script, replica) = one_replica(1).await;
    assert_eq!(send(&fleet, &replica, "known").await.status, 201);
    let (log, began) = (Log::default(), Instant::now());
    log.on(&script, fault, |_| true);
    let told = send_meanwhile(&fleet, &replica).await;

    assert_eq!(state(&replica), Some(2.0));
    assert!(told.iter().all(|told| matches!(told.status, 500 | 503 | 504)), "{told:?}");
    // Before that a gateway may have too much under way, and say so.
    let waited = told.iter().filter(|told| told.took() > Duration::from_secs(2));
    let first = waited.map(|told| told.answered).min().unwrap();
    assert!(first <= began + DEADLINE, "{:?}", first - began);
    let open = first + Duration::from_secs(1);
    for told in &told {
        assert!(told.answered <= open.max(told.sent + Duration::from_millis(100)), "{told:?}, open {open:?}");
    }
    // While it is open nothing is sent but one probe at a time, each with a pause before it.
    let meanwhile: Vec<_> = log.all().into_iter().filter(|sent| sent.at > open).collect();
    assert!(meanwhile.iter().all(|sent| sent.what == "get leases" && sent.name == "gateway-probe"), "{meanwhile:?}");
    assert!(meanwhile.windows(2).all(|pair| pair[1].at - pair[0].at >= Duration::from_millis(1500)), "{meanwhile:?}");
    assert!(meanwhile.len() >= 2);
    // Readiness is about this replica; to take it away from all at once would help nobody.
    assert_eq!(replica.readiness().await.status, 200);

    script.clear();
    wait(Duration::from_secs(12)).await;
    assert_eq!(state(&replica), Some(0.0));
    assert!(storm(&fleet, &[replica], "known", 5).await.iter().all(|answer| answer.status == 202));
    rest().await;
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_slow_alone_opens_nothing() {
    let (fleet, script, replica) = one_replica(2).await;
    assert_eq!(send(&fleet, &replica, "known").await.status, 201);
    let log = Log::default();
    log.on(&script, swallowed(), |what| what == "create remediationrequests");
    let others = async {
        for _ in 0..100 {
            assert_eq!(tell(&fleet, &replica, "known").await.status, 202);
            assert_eq!(state(&replica), Some(0.0));
            wait_ms(200).await;
        }
    };
    let (slow, ()) = futures::join!(tell(&fleet, &replica, "slow"), others);
    assert_eq!(slow.status, 504);
}

#[tokio::test(start_paused = true)]
async fn one_slow_request_with_no_other_under_way_costs_the_next_one_nothing() {
    let (fleet, script, replica) = one_replica(3).await;
    assert_eq!(send(&fleet, &replica, "known").await.status, 201);
    script.on(2, "create", "remediationrequests", swallowed());
    let (slow, next) = futures::join!(tell(&fleet, &replica, "slow"), async {
        wait_ms(15_001).await;
        tell(&fleet, &replica, "known").await
    });
    assert_eq!((slow.status, next.status), (504, 202), "a probe has shown that it was slow alone");
    assert_eq!(state(&replica), Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn an_api_that_takes_three_seconds_for_each_answer_is_slow_and_not_gone() {
    let (fleet, script, replica) = one_replica(4).await;
    assert_eq!(send(&fleet, &replica, "known").await.status, 201);
    script.add(usize::MAX, Fault { delay_after: Duration::from_secs(3), ..Fault::default() }, |_| true);
    for _ in 0..5 {
        assert_eq!(tell(&fleet, &replica, "known").await.status, 202);
        assert_eq!(state(&replica), Some(0.0));
    }
}

#[tokio::test(start_paused = true)]
async fn the_log_tells_of_an_outage_once_and_of_its_end() {
    let (fleet, script, replica) = one_replica(5).await;
    let (logs, _guard) = Logs::capture();
    Log::default().on(&script, swallowed(), |_| true);
    send_meanwhile(&fleet, &replica).await;
    script.clear();
    wait(Duration::from_secs(12)).await;
    assert_eq!((logs.errors("does not respond: signals").len(), logs.saying("responds again").len()), (1, 1));
}

//! Definitions that are replaced, and admission that refuses.

use std::time::Duration;

use embedded_apiserver::{Fault, Refusal};
use harness::{
    fleet::{Fleet, crd, predecessors_crd},
    testing::{assert_quiet, count_of, delete, end, name_of, only, rest, script, send, spent, wait_ms},
};
use rstest::rstest;
use serde_json::Value;

#[tokio::test(start_paused = true)]
async fn a_crd_that_is_replaced_by_an_older_one_and_put_right_again_is_no_outage() {
    let fleet = Fleet::new(1);
    script(&fleet);
    let replicas = fleet.start_all(2).await;
    assert_eq!(send(&fleet, &replicas[0], "crd").await.status, 201);
    rest().await;
    fleet.api.seed(predecessors_crd());
    let meanwhile = send(&fleet, &replicas[0], "crd").await;
    rest().await;
    fleet.api.seed(crd());
    wait_ms(1_000).await;
    for replica in &replicas {
        assert_eq!(replica.readiness().await.status, 200, "{} is out of service until it restarts", replica.name);
    }
    assert_eq!(meanwhile.status, 202, "a CRD without fields of ours will do");
    assert_eq!(send(&fleet, &replicas[0], "crd").await.status, 202);
    rest().await;
    assert_eq!(count_of(&only(&fleet)), 3);
    assert_quiet(&fleet);
}

#[rstest]
#[case::on_the_first(1)]
#[case::on_a_later_one(2)]
#[tokio::test(start_paused = true)]
async fn a_404_on_the_status_fails_no_later_signal(#[case] before: u32) {
    let fleet = Fleet::new(2);
    let script = script(&fleet);
    let replicas = fleet.start_all(2).await;
    let mut statuses = 0;
    script.add(1, Fault::denied(Refusal::Missing), move |request| {
        statuses += u32::from(request.label() == "remediationrequests/status");
        statuses == before
    });
    assert_eq!(send(&fleet, &replicas[0], "missing").await.status, 201);
    rest().await;
    for _ in 1..before {
        send(&fleet, &replicas[0], "missing").await;
    }
    fleet.api.clear_requests();
    for _ in 0..5 {
        for replica in &replicas {
            let answer = send(&fleet, replica, "missing").await;
            assert_eq!(answer.status, 202, "after {} requests: {:?}", spent(&fleet).len(), answer.body);
        }
        wait_ms(1_000).await;
    }
    rest().await;
    assert_quiet(&fleet);
}

#[rstest]
#[case::by_a_quota(Refusal::Quota, 503)]
#[case::by_a_policy(Refusal::Policy, 400)]
#[case::by_a_webhook(Refusal::Webhook, 400)]
#[tokio::test(start_paused = true)]
async fn a_create_that_is_refused_is_answered_soon_and_keeps_no_predecessor_from_being_deleted(
    #[case] refusal: Refusal,
    #[case] status: u16,
) {
    const SIGNALS: u32 = 20;
    let fleet = Fleet::new(3);
    let script = script(&fleet);
    let replicas = fleet.start_all(2).await;
    assert_eq!(send(&fleet, &replicas[0], "refused").await.status, 201);
    rest().await;
    let first = name_of(&only(&fleet));
    end(&fleet, &first, "Failed").await;
    rest().await;
    script.add(usize::MAX, Fault::denied(refusal), |request| {
        request.verb == "create" && request.label() == "remediationrequests"
    });
    fleet.api.clear_requests();
    // A sender that comes again every ten seconds.
    for number in 0..SIGNALS {
        let began = tokio::time::Instant::now();
        let answer = send(&fleet, &replicas[number as usize % 2], "refused").await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(began.elapsed() < Duration::from_secs(1), "answered after {:?}", began.elapsed());
        wait_ms(10_000).await;
        if number == SIGNALS / 2 {
            delete(&fleet, &first).await;
        }
    }
    let claims = spent(&fleet).iter().filter(|r| r.verb == "patch" && r.resource == "remediationrequests").count();
    println!("{} requests, {claims} of them on the claim", spent(&fleet).len());
    assert!(claims <= 16, "claimed anew for each signal: {claims} claims and removals in 200 s");
    assert_eq!(fleet.requests(), [Value::Null; 0], "the predecessor is kept from being deleted");
    script.clear();
    wait_ms(70_000).await;
    assert_eq!(send(&fleet, &replicas[0], "refused").await.status, 201);
    rest().await;
    assert_quiet(&fleet);
}

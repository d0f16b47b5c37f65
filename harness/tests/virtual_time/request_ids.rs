//! Whatever is logged on the way of a request names it, and what fails is logged once.

use axum::body::Body;
use embedded_apiserver::{Effect, Fault};
use harness::{
    fleet::Fleet,
    load::webhook,
    replica::Replica,
    testing::{Line, Logs, PROMETHEUS, STARTS_AT, exchange, rest, script},
};
use http::Request;
use rstest::rstest;
use tracing::Level;

/// Sends an alert about the Deployment `name` as the request `id`.
async fn send_as(id: &str, replica: &Replica, name: &str) -> u16 {
    let request = Request::post(PROMETHEUS).header("content-type", "application/json").header("x-request-id", id);
    let request = request.body(Body::from(webhook(name, STARTS_AT).to_string())).unwrap();
    exchange(replica.sender(), request).await.status.as_u16()
}

fn has_id(line: &Line, id: &str) -> bool {
    line.span.contains(&format!("request_id=\"{id}\""))
}

#[tokio::test(start_paused = true)]
async fn the_line_of_a_remediationrequest_that_is_created_names_it_its_alert_its_resource_and_the_request() {
    let fleet = Fleet::new(1);
    let replica = fleet.start(1).await;
    let (logs, _guard) = Logs::capture();
    assert_eq!(send_as("first", &replica, "checkout").await, 201);
    assert_eq!(send_as("second", &replica, "checkout").await, 202);
    let lines = logs.saying("RemediationRequest created");
    let [line] = &lines[..] else { panic!("{lines:#?}") };
    assert!(line.level == Level::INFO && has_id(line, "first"), "{line:?}");
    for part in ["name=\"rr-", "fingerprint=", "alert=\"", "namespace=\"shop\"", "resource=\"Deployment/checkout\""] {
        assert!(line.text.contains(part), "{part}: {}", line.text);
    }
    rest().await;
}

#[rstest]
#[case::to_create("create", "remediationrequests", 1, 500)]
#[case::to_count("patch", "leases", 2, 403)]
#[tokio::test(start_paused = true)]
async fn what_the_api_server_refuses_is_one_line_with_the_request_the_alert_and_what_it_said(
    #[case] verb: &'static str,
    #[case] resource: &'static str,
    #[case] signal: usize,
    #[case] code: u16,
) {
    let fleet = Fleet::new(2);
    let script = script(&fleet);
    let replica = fleet.start(1).await;
    for sent in 1..=2 {
        send_as(&format!("fine-{sent}"), &replica, if signal == 1 { "other" } else { "unlucky" }).await;
    }
    let message = "not today".to_owned();
    let refusal = Effect::Status {
        code,
        reason: if code == 403 { "Forbidden" } else { "InternalError" },
        message,
        retry_after_s: None,
    };
    script.on(usize::MAX, verb, resource, Fault::refused(refusal));
    let (logs, _guard) = Logs::capture();
    assert_eq!(send_as("failed", &replica, "unlucky").await, 500);
    script.clear();
    let lines: Vec<_> = logs.lines().into_iter().filter(|line| line.level <= Level::WARN).collect();
    let [line] = &lines[..] else { panic!("{lines:#?}") };
    assert!(has_id(line, "failed"), "{line:?}");
    for part in
        ["a signal was not accepted", &format!("{verb} {resource}"), "not today", "resource=\"Deployment/unlucky\""]
    {
        assert!(line.text.contains(part), "{part}: {}", line.text);
    }
    rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_line_about_a_lock_names_the_request_that_needed_it() {
    let fleet = Fleet::new(3);
    let script = script(&fleet);
    let replica = fleet.start(1).await;
    script.on(1, "create", "leases", Fault::refused(Effect::internal_error()));
    let (logs, _guard) = Logs::capture();
    assert_eq!(send_as("locked", &replica, "unlucky").await, 500);
    let lines = logs.errors("lock acquisition failed");
    assert!(matches!(&lines[..], [line] if has_id(line, "locked")), "{lines:#?}");
    rest().await;
}

//! Whatever is not processed is logged once, a few lines of each reason in a minute, and counted.

use axum::body::Body;
use embedded_apiserver::Fault;
use gateway::config::{AuthMode, Config};
use harness::{
    fleet::{Fleet, Skew},
    load::webhook,
    replica::{Replica, config},
    testing::{Logs, PROMETHEUS, STARTS_AT, account, exchange, guarded_fleet, post, rest, send, wait_ms},
};
use http::Request;
use rstest::rstest;
use serde_json::{Value, json};
use tracing::Level;

fn scoped() -> Config {
    let mut config = config();
    config.scope.require_managed_label = true;
    config
}

/// A webhook of `alerts` that are alike but for what `change` makes of each.
fn several(alerts: usize, change: impl Fn(usize, &mut Value)) -> String {
    let mut body = webhook("checkout", STARTS_AT);
    let alert = body["alerts"][0].take();
    let alerts = (0..alerts).map(|number| {
        let mut alert = alert.clone();
        change(number, &mut alert);
        alert
    });
    body["alerts"] = alerts.collect();
    body.to_string()
}

fn count(replica: &Replica, series: &str) -> f64 {
    replica.metric(series).unwrap_or_else(|| panic!("{series} is not exposed"))
}

#[tokio::test(start_paused = true)]
async fn what_is_out_of_scope_is_logged_once_with_alert_and_resource_and_counted() {
    let fleet = Fleet::new(1);
    let replica = fleet.start_with(1, scoped(), Skew::default()).await;
    assert_eq!(count(&replica, r#"gateway_signals_rejected_total{reason="out_of_scope"}"#), 0.0, "from the start");
    let (logs, _guard) = Logs::capture();
    assert_eq!(send(&fleet, &replica, "checkout").await.status, 200);
    let lines = logs.saying("checkout");
    let [line] = &lines[..] else { panic!("{lines:#?}") };
    assert_eq!(line.level, Level::INFO);
    for part in ["reason=\"out_of_scope\"", "alert=\"", "resource=\"Deployment/checkout\"", "namespace=\""] {
        assert!(line.text.contains(part), "{part}: {}", line.text);
    }
    assert!(line.text.contains("kubernaut.ai/managed=true"), "it says what to do: {}", line.text);
    assert_eq!(count(&replica, r#"gateway_signals_rejected_total{reason="out_of_scope"}"#), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_ten_lines_and_one_that_says_how_many_more_there_were() {
    let fleet = Fleet::new(2);
    let replica = fleet.start_with(1, scoped(), Skew::default()).await;
    let (logs, _guard) = Logs::capture();
    let flood = several(67, |number, alert| alert["labels"]["alertname"] = json!(format!("Alert{number}")));
    assert_eq!(post(&replica, flood).await.status, 200);
    assert_eq!(logs.saying("out_of_scope").len(), 10);
    wait_ms(61_000).await;
    assert_eq!(logs.saying("57 more like this in the last minute").len(), 1, "{:#?}", logs.lines());
    assert_eq!(count(&replica, r#"gateway_signals_rejected_total{reason="out_of_scope"}"#), 67.0);
    send(&fleet, &replica, "checkout").await;
    assert_eq!(logs.saying("not processed").len(), 11, "a new minute has lines of its own");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_ends_tells_what_it_has_left_out() {
    let fleet = Fleet::new(3);
    let replica = fleet.start_with(1, scoped(), Skew::default()).await;
    let (logs, _guard) = Logs::capture();
    post(&replica, several(12, |_, _| ())).await;
    replica.shut_down().await;
    assert_eq!(logs.saying("2 more like this").len(), 1, "{:#?}", logs.lines());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_used_is_logged_once_and_counted_by_its_reason() {
    let fleet = Fleet::new(4);
    let replica = fleet.start(1).await;
    let (logs, _guard) = Logs::capture();
    assert_eq!(post(&replica, "nonsense").await.status, 400);
    let bad_time = several(2, |number, alert| {
        if number == 0 {
            alert["startsAt"] = json!("yesterday");
        }
    });
    assert_eq!(post(&replica, bad_time).await.status, 207);
    let warnings: Vec<_> = logs.lines().into_iter().filter(|line| line.level == Level::WARN).collect();
    let [body, alert] = &warnings[..] else { panic!("{warnings:#?}") };
    assert!(body.text.contains("a body is rejected") && body.text.contains("malformed_json"), "{}", body.text);
    assert!(alert.text.contains("yesterday") && alert.text.contains("invalid_time"), "{}", alert.text);
    assert!(alert.text.contains("alert=\""), "it names the alert: {}", alert.text);
    for reason in ["malformed_json", "invalid_time"] {
        assert_eq!(count(&replica, &format!(r#"gateway_signals_parse_dropped_total{{reason="{reason}"}}"#)), 1.0);
    }
}

#[tokio::test(start_paused = true)]
async fn resolved_alerts_are_counted_and_told_to_those_who_ask_for_everything() {
    let fleet = Fleet::new(5);
    let replica = fleet.start(1).await;
    assert_eq!(count(&replica, r#"gateway_signals_ignored_total{reason="resolved"}"#), 0.0, "from the start");
    let (logs, _guard) = Logs::capture();
    let resolved = several(3, |_, alert| alert["status"] = json!("resolved"));
    assert_eq!(post(&replica, resolved).await.status, 200);
    let lines = logs.saying("the alert is resolved");
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line.level == Level::DEBUG), "{lines:#?}");
    assert_eq!(count(&replica, r#"gateway_signals_ignored_total{reason="resolved"}"#), 3.0);
}

#[tokio::test(start_paused = true)]
async fn what_the_operator_wants_none_of_is_logged_since_that_may_be_a_mistake() {
    let fleet = Fleet::new(8);
    let replica = fleet.start(1).await;
    let (logs, _guard) = Logs::capture();
    let heartbeat = several(1, |_, alert| alert["labels"]["alertname"] = json!("Watchdog"));
    assert_eq!(post(&replica, heartbeat).await.status, 200);
    let lines = logs.saying("signal.ignore");
    let [line] = &lines[..] else { panic!("{:#?}", logs.lines()) };
    assert_eq!(line.level, Level::INFO);
    for part in ["reason=\"matched\"", "alert=\"Watchdog\"", "namespace=\"shop\"", "`alertname=~"] {
        assert!(line.text.contains(part), "{part}: {line:?}");
    }
    assert_eq!(count(&replica, r#"gateway_signals_ignored_total{reason="matched"}"#), 1.0);
}

#[rstest]
#[case::by_its_lock("create", "leases", "a signal was not accepted", "resource=\"Deployment/unlucky\"")]
#[case::by_a_look_up("get", "deployments", "could not look up", "object=\"Deployment shop/unlucky\"")]
#[tokio::test(start_paused = true)]
async fn a_signal_that_fails_is_logged_with_its_alert_and_resource_and_counted(
    #[case] verb: &'static str,
    #[case] resource: &'static str,
    #[case] said: &str,
    #[case] about: &str,
) {
    let fleet = Fleet::new(6);
    let labels = json!({"kubernaut.ai/managed": "true"});
    fleet.api.seed(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"namespace": "shop", "name": "unlucky", "labels": labels},
    }));
    let script = harness::testing::script(&fleet);
    let replica = fleet.start_with(1, scoped(), Skew::default()).await;
    script.on(9, verb, resource, Fault::lost());
    let (logs, _guard) = Logs::capture();
    assert_eq!(send(&fleet, &replica, "unlucky").await.status, 500);
    let lines = logs.saying(said);
    let [line] = &lines[..] else { panic!("{lines:#?}") };
    assert!(line.text.contains(about) && line.text.contains("alert=\""), "{}", line.text);
    assert_eq!(count(&replica, r#"gateway_crd_creation_errors_total{error_type="kubernetes_api"}"#), 1.0);
    rest().await;
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_is_logged_by_name_where_the_token_has_one() {
    let fleet = guarded_fleet(7);
    let mut config = scoped();
    config.auth.mode = AuthMode::Kubernetes;
    let replica = fleet.start_via(1, config, Skew::default(), account(&fleet)).await;
    for (token, namespace) in [("sender", "monitoring"), ("stranger", "shop")] {
        let user = format!("system:serviceaccount:{namespace}:alertmanager");
        fleet.api.add_token(token, &user, &["system:serviceaccounts", "system:authenticated"]);
    }
    let (logs, _guard) = Logs::capture();
    let cases = [
        (Some("stranger"), 403, "answered 403", "user=\"system:serviceaccount:shop:alertmanager\""),
        (Some("guessed"), 401, "the bearer token is not valid", ""),
        (None, 401, "a bearer token is required", ""),
        // It may send; what it sends is out of scope.
        (Some("sender"), 200, "not processed", "user=\"system:serviceaccount:monitoring:alertmanager\""),
    ];
    for (token, status, text, user) in cases {
        let mut request = Request::post(PROMETHEUS).header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Body::from(webhook("checkout", STARTS_AT).to_string())).unwrap();
        assert_eq!(exchange(replica.sender(), request).await.status, status, "{token:?}");
        let lines = logs.saying(text);
        let [line] = &lines[..] else { panic!("{token:?}: {:#?}", logs.lines()) };
        assert!(line.span.contains(user) && line.span.contains("request_id"), "{line:?}");
    }
    for outcome in ["forbidden", "unauthenticated", "missing", "allowed"] {
        assert_eq!(count(&replica, &format!(r#"gateway_auth_decisions_total{{outcome="{outcome}"}}"#)), 1.0);
    }
}

//! A running gateway follows what may change of its configuration: the next signal is read and judged by it.

use gateway::config::Config;
use harness::{
    fleet::{Fleet, Skew},
    load::webhook,
    replica::config,
    testing::{STARTS_AT, assert_quiet, post, rest, send, virtual_machines},
};
use serde_json::{Value, json};

/// A webhook of one alert with these labels.
fn labelled(labels: Value) -> String {
    let mut body = webhook("checkout", STARTS_AT);
    body["alerts"][0]["labels"] = labels;
    body.to_string()
}

#[tokio::test(start_paused = true)]
async fn scope_is_what_the_last_configuration_says() {
    let fleet = Fleet::new(1);
    let replica = fleet.start_with(1, config(), Skew::default()).await;
    assert_eq!(send(&fleet, &replica, "checkout").await.status, 201);
    let mut managed = config();
    managed.scope.require_managed_label = true;
    replica.follow(&managed);
    let answer = send(&fleet, &replica, "checkout").await;
    assert_eq!((answer.status.as_u16(), &answer.body["status"]), (200, &json!("rejected")));
    replica.follow(&config());
    assert_eq!(send(&fleet, &replica, "checkout").await.status, 202);
    rest().await;
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn alerts_are_ignored_as_the_last_configuration_says() {
    let fleet = Fleet::new(2);
    let replica = fleet.start_with(1, config(), Skew::default()).await;
    let body = || labelled(json!({"alertname": "Down", "namespace": "shop", "deployment": "checkout", "team": "db"}));
    let mut ignoring = config();
    ignoring.signal.ignore = vec![r#"team="db""#.parse().unwrap()];
    replica.follow(&ignoring);
    let answer = post(&replica, body()).await;
    assert_eq!((answer.status.as_u16(), &answer.body["status"]), (200, &json!("ignored")));
    replica.follow(&config());
    assert_eq!(post(&replica, body()).await.status, 201);
}

#[tokio::test(start_paused = true)]
async fn a_label_of_the_operator_names_its_kind_from_the_next_alert_on() {
    let fleet = Fleet::new(3);
    let replica = fleet.start_with(1, config(), Skew::default()).await;
    let body = || labelled(json!({"alertname": "VmDown", "namespace": "shop", "vm": "build-7"}));
    let mut knowing = config();
    knowing.signal.targets = [("vm".to_owned(), virtual_machines())].into();
    let kinds = |config: &Config| {
        replica.follow(config);
        async {
            assert_eq!(post(&replica, body()).await.status, 201);
            let requests = fleet.requests();
            requests.iter().map(|request| request["spec"]["targetResource"]["kind"].clone()).collect::<Vec<_>>()
        }
    };
    assert!(!kinds(&config()).await.contains(&json!("VirtualMachine")));
    assert!(kinds(&knowing).await.contains(&json!("VirtualMachine")));
}

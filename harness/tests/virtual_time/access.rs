//! Gateways under a service account: what the Roles of the chart let them do, and what they say without.

use std::{collections::BTreeSet, time::Duration};

use axum::body::Body;
use gateway::{
    config::{AuthMode, Config, Retry, Signals},
    kubernetes::{Kubernetes, rights},
    metrics::Metrics,
    runtime::needed_rights,
};
use harness::{
    fleet::Skew,
    load::webhook,
    replica::{NAMESPACE, identity},
    testing::{
        FAILURES, Logs, PROMETHEUS, STARTS_AT, account, answered, assert_quiet, exchange, forbidden, grant_on_leases,
        guarded_fleet, post, rest, script, send, start_accounts, storm, virtual_machines, wait_ms,
    },
};
use http::Request;

fn body(resource: &str) -> String {
    webhook(resource, STARTS_AT).to_string()
}

#[tokio::test(start_paused = true)]
async fn the_roles_of_the_chart_are_all_that_gateways_need() {
    let fleet = guarded_fleet(1);
    let script = script(&fleet);
    let replicas = start_accounts(&fleet, 3).await;
    let answers = storm(&fleet, &replicas, "permitted", 30).await;
    assert_eq!((answered(&answers, 201), answered(&answers, 202)), (1, 29));
    // A crash leaves a lease behind that is taken over, and one that nobody wants, which is collected.
    let slow = embedded_apiserver::Fault { delay_before: std::time::Duration::from_secs(40), ..Default::default() };
    script.on(2, "create", "remediationrequests", slow);
    let (abandoned, wanted) = (send(&fleet, &replicas[0], "abandoned"), send(&fleet, &replicas[0], "wanted"));
    let rescue = async {
        wait_ms(100).await;
        replicas[0].crash();
        wait_ms(35_000).await;
        send(&fleet, &replicas[1], "wanted").await
    };
    let (_, _, rescued) = futures::join!(abandoned, wanted, rescue);
    assert_eq!(rescued.status, 201);
    wait_ms(200_000).await;
    assert!(fleet.leases().is_empty(), "{:#?}", fleet.leases());
    assert_eq!(forbidden(&fleet), Vec::<String>::new());
    // All verbs of the Role were used: it grants nothing in excess.
    let used = fleet.api.requests().into_iter().filter(|request| request.resource == "leases").map(|r| r.verb);
    assert_eq!(used.collect::<BTreeSet<_>>(), BTreeSet::from(["get", "create", "update", "patch", "delete", "list"]));
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn a_gateway_without_permission_on_leases_says_so_and_fails_every_signal() {
    let fleet = guarded_fleet(3);
    grant_on_leases(&fleet, &[]);
    let replicas = start_accounts(&fleet, 2).await;
    let (logs, _guard) = Logs::capture();
    for (i, replica) in replicas.iter().enumerate() {
        let answer = post(replica, body(&format!("forbidden-{i}"))).await;
        answer.assert_problem(500);
        assert!(!answer.body.to_string().contains("serviceaccount"), "no internals: {}", answer.body);
        assert_eq!(replica.metric(FAILURES), Some(1.0));
    }
    let denied = logs.errors("lock acquisition failed");
    assert_eq!(denied.len(), 2);
    for line in &denied {
        assert!(line.text.contains("permission denied"), "{line:?}");
        let said = r#"User "system:serviceaccount:kubernaut-system:gateway" cannot create resource "leases" in API group "coordination.k8s.io""#;
        assert!(line.text.contains(said), "{line:?}");
        assert!(line.text.contains("the gateway's Role needs"), "{line:?}");
    }
    assert!(fleet.requests().is_empty(), "nothing is created without the lock");
}

#[tokio::test(start_paused = true)]
async fn a_permission_that_is_granted_later_needs_no_restart() {
    let fleet = guarded_fleet(4);
    grant_on_leases(&fleet, &[]);
    let replicas = start_accounts(&fleet, 1).await;
    assert_eq!(send(&fleet, &replicas[0], "granted").await.status, 500);
    grant_on_leases(&fleet, &["get", "create", "update", "delete", "list"]);
    assert_eq!(send(&fleet, &replicas[0], "granted").await.status, 201);
    rest().await;
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_may_not_delete_leases_works_on_and_complains() {
    let fleet = guarded_fleet(5);
    grant_on_leases(&fleet, &["get", "create", "update", "list"]);
    let replicas = start_accounts(&fleet, 2).await;
    let (logs, _guard) = Logs::capture();
    assert_eq!(send(&fleet, &replicas[0], "undeletable").await.status, 201);
    assert_eq!(send(&fleet, &replicas[1], "undeletable").await.status, 202);
    wait_ms(12_000).await;
    let complaints = logs.lines().into_iter().filter(|l| l.text.contains("permission denied")).count();
    assert!(complaints >= 1, "{:?}", logs.lines());
    assert_eq!(fleet.leases().len(), 1);
    grant_on_leases(&fleet, &["get", "create", "update", "delete", "list"]);
    wait_ms(200_000).await;
    assert!(fleet.leases().is_empty(), "the collector deletes it as soon as it may");
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn signals_are_accepted_from_whom_a_role_lets_post_them() {
    let fleet = guarded_fleet(6);
    let mut config = harness::replica::config();
    config.auth.mode = AuthMode::Kubernetes;
    let replica = fleet.start_via(1, config, Skew::default(), account(&fleet)).await;
    for (token, namespace) in [("sender", "monitoring"), ("stranger", "shop")] {
        let user = format!("system:serviceaccount:{namespace}:alertmanager");
        fleet.api.add_token(token, &user, &["system:serviceaccounts", "system:authenticated"]);
    }
    for (token, status) in [("sender", 201), ("stranger", 403), ("guessed", 401)] {
        let request = Request::post(PROMETHEUS)
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {token}"))
            .body(Body::from(body("authorized")))
            .unwrap();
        let began = tokio::time::Instant::now();
        assert_eq!(exchange(replica.sender(), request).await.status, status, "{token}");
        // So that a flood of tokens is not as fast as it is refused.
        let is_held_back = began.elapsed() >= Duration::from_millis(100);
        assert_eq!(is_held_back, status != 201, "{token}: {:?}", began.elapsed());
    }
    assert_eq!(forbidden(&fleet), Vec::<String>::new(), "the gateway itself may ask");
}

#[tokio::test(start_paused = true)]
async fn a_gateway_knows_at_its_start_what_it_may_not_do() {
    let fleet = guarded_fleet(9);
    let replica = &start_accounts(&fleet, 1).await[0];
    let metrics = Metrics::new().unwrap();
    let kubernetes = Kubernetes::new(account(&fleet), replica.context().clone(), metrics, Retry::default());
    let missing = async |signals: Signals| {
        let deadline = replica.context().monotonic() + Duration::from_secs(30);
        let config = Config { signal: signals, ..Config::default() };
        let needed = needed_rights(&config, &identity("gateway-pod-1", NAMESPACE));
        let missing = rights::missing(&kubernetes, needed, deadline).await.unwrap();
        missing.iter().map(rights::Right::to_string).collect::<Vec<_>>()
    };
    let granted = Signals { node_by_instance: true, ..Signals::default() };
    assert!(missing(granted.clone()).await.is_empty(), "the chart grants all that a gateway needs");
    let more = Signals { targets: [("vm".to_owned(), virtual_machines())].into(), ..granted };
    grant_on_leases(&fleet, &["get", "create", "update", "patch", "list"]);
    let expected = ["delete leases.coordination.k8s.io in kubernaut-system", "get virtualmachines.kubevirt.io"];
    assert_eq!(missing(more).await, expected);
}

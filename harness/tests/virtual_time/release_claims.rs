//! `gateway release-claims`: nothing of the gateways keeps a RemediationRequest once they are gone.

use std::time::Duration;

use gateway::{
    context::{Context, SimulatedClock},
    release_claims::{Done, Error, Options, ReleaseClaims},
};
use harness::{
    fleet::{EPOCH, Fleet},
    replica::{NAMESPACE, config},
    testing::{delete, name_of, send, stored, wait_ms},
};
use jiff::SignedDuration;
use kube::{
    Api,
    api::{ApiResource, DeleteParams, DynamicObject},
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::succession::lineage::FINALIZER;

fn options() -> Options {
    Options { namespace: None, scale_down: None, wait: Duration::from_secs(60), leases: false }
}

fn command(fleet: &Fleet) -> ReleaseClaims {
    let clock = SimulatedClock { epoch: EPOCH, offset: SignedDuration::ZERO, rate_ppm: 1_000_000 };
    let context = Context::simulated(clock, Instant::now(), 1);
    let client = fleet.api.client("kubernetes-admin", NAMESPACE);
    ReleaseClaims::new(&config(), client, context, NAMESPACE.to_owned()).unwrap()
}

async fn run(fleet: &Fleet, options: &Options) -> (Result<Done, Error>, Vec<String>) {
    let mut told = Vec::new();
    let result = command(fleet).run(options, &mut |line| told.push(line)).await;
    (result, told)
}

/// A RemediationRequest of `resource` with these finalizers.
fn seed(fleet: &Fleet, resource: &str, finalizers: &[&str]) -> String {
    let mut request = stored(resource);
    request["metadata"]["finalizers"] = json!(finalizers);
    let name = name_of(&request);
    fleet.api.seed(request);
    name
}

fn claimed(fleet: &Fleet) -> usize {
    let is_claimed = |request: &Value| {
        request["metadata"]["finalizers"].as_array().is_some_and(|all| all.iter().any(|one| one == FINALIZER))
    };
    fleet.requests().iter().filter(|request| is_claimed(request)).count()
}

#[tokio::test(start_paused = true)]
async fn claims_of_all_pages_are_released_and_nothing_else_is_touched() {
    let fleet = Fleet::new(51);
    for number in 0..1_200 {
        let finalizers: &[&str] = if number % 100 == 7 { &["example.org/slow", FINALIZER] } else { &[] };
        seed(&fleet, &format!("app-{number}"), finalizers);
    }
    let terminating = seed(&fleet, "terminating", &[FINALIZER]);
    delete(&fleet, &terminating).await;
    let before = fleet.requests().len();
    let (done, told) = run(&fleet, &options()).await;
    assert_eq!(done.unwrap(), Done { released: 13, leases: 0 }, "{told:#?}");
    assert_eq!(claimed(&fleet), 0);
    let kept = fleet.requests().iter().filter(|r| r["metadata"]["finalizers"] == json!(["example.org/slow"])).count();
    assert_eq!((kept, fleet.requests().len()), (12, before - 1), "what was being deleted goes");
    assert!(told.last().unwrap().contains("released 13 RemediationRequests"), "{told:#?}");
    let (again, _) = run(&fleet, &options()).await;
    assert_eq!(again.unwrap(), Done::default(), "it can be run again");
}

#[tokio::test(start_paused = true)]
async fn leases_are_deleted_only_if_that_is_asked_for() {
    let fleet = Fleet::new(52);
    let replica = fleet.start(1).await;
    assert_eq!(send(&fleet, &replica, "leases").await.status, 201);
    replica.shut_down().await;
    let lease = |name: &str, labels: Value| {
        fleet.api.seed(json!({ "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": {},
            "metadata": { "name": name, "namespace": NAMESPACE, "labels": labels } }));
    };
    let ours = json!({ "app.kubernetes.io/managed-by": "gateway-service" });
    lease("gw-lock-0123456789abcd", ours.clone());
    lease("gw-lock-of-another", json!({}));
    lease("leader-election", ours);
    let names = |fleet: &Fleet| fleet.api.objects("leases").iter().map(name_of).collect::<Vec<_>>();
    run(&fleet, &options()).await.0.unwrap();
    assert!(names(&fleet).contains(&"gw-lock-0123456789abcd".to_owned()));
    let (done, _) = run(&fleet, &Options { leases: true, ..options() }).await;
    assert!(done.unwrap().leases >= 1);
    let mut left = names(&fleet);
    left.sort();
    assert_eq!(left, ["gw-lock-of-another", "leader-election"]);
}

/// The Deployment `gateway` and its pods, one of which has ended before.
fn deploy(fleet: &Fleet, pods: usize) {
    let labels = json!({ "app": "gateway" });
    let template = json!({ "metadata": { "labels": labels },
        "spec": { "containers": [{ "name": "gateway", "image": "signal-gateway" }] } });
    fleet.api.seed(json!({ "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "gateway", "namespace": NAMESPACE },
        "spec": { "replicas": pods, "selector": { "matchLabels": labels }, "template": template } }));
    for number in 0..=pods {
        let phase = if number == pods { "Failed" } else { "Running" };
        fleet.api.seed(json!({ "apiVersion": "v1", "kind": "Pod", "status": { "phase": phase },
            "metadata": { "name": format!("pod-{number}"), "namespace": NAMESPACE, "labels": labels },
            "spec": template["spec"] }));
    }
}

fn replicas(fleet: &Fleet) -> Value {
    fleet.api.objects("deployments")[0]["spec"]["replicas"].clone()
}

#[tokio::test(start_paused = true)]
async fn no_claim_is_released_before_the_last_pod_has_ended() {
    let fleet = Fleet::new(53);
    deploy(&fleet, 2);
    seed(&fleet, "scaled", &[FINALIZER]);
    let pods: Api<DynamicObject> = {
        let kind = ApiResource::erase::<k8s_openapi::api::core::v1::Pod>(&());
        Api::namespaced_with(fleet.api.client("kubernetes-admin", NAMESPACE), NAMESPACE, &kind)
    };
    let ending = async {
        for number in 0..2 {
            wait_ms(10_000).await;
            assert_eq!((replicas(&fleet), claimed(&fleet)), (json!(0), 1), "pod {number} runs");
            pods.delete(&format!("pod-{number}"), &DeleteParams::default()).await.unwrap();
        }
    };
    let options = Options { scale_down: Some("deployment/gateway".to_owned()), ..options() };
    let began = Instant::now();
    let ((done, told), ()) = futures::join!(run(&fleet, &options), ending);
    assert_eq!(done.unwrap().released, 1, "{told:#?}");
    assert!((20..23).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    assert_eq!(claimed(&fleet), 0);
}

#[tokio::test(start_paused = true)]
async fn pods_that_do_not_end_are_told_and_nothing_is_released() {
    let fleet = Fleet::new(54);
    deploy(&fleet, 3);
    seed(&fleet, "stuck", &[FINALIZER]);
    let options = Options { scale_down: Some("deployment/gateway".to_owned()), ..options() };
    let (done, _) = run(&fleet, &options).await;
    let error = done.unwrap_err();
    assert!(matches!(error, Error::StillRunning { pods: 3, .. }), "{error}");
    assert_eq!((error.exit_code(), claimed(&fleet)), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_is_gone_runs_no_gateway_and_anything_else_is_refused() {
    let fleet = Fleet::new(55);
    seed(&fleet, "gone", &[FINALIZER]);
    let target = |target: &str| Options { scale_down: Some(target.to_owned()), ..options() };
    for wrong in ["gateway", "deployment/", "statefulset/gateway"] {
        let error = run(&fleet, &target(wrong)).await.0.unwrap_err();
        assert_eq!((error.exit_code(), claimed(&fleet)), (2, 1), "{error}");
    }
    let (done, told) = run(&fleet, &target("deployment/gateway")).await;
    assert_eq!(done.unwrap().released, 1);
    assert!(told[0].contains("nothing to scale down"), "{told:#?}");
}

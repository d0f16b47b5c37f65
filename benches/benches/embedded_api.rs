//! The embedded Kubernetes API's own operations, in process through `kube::Client`, without latencies.
//!
//! On one thread, so that what is measured is work and not the waking of other threads; the client's share (a URL,
//! JSON both ways, its buffer) is part of it.
#![allow(clippy::disallowed_methods, reason = "owns the clock that it measures by")]

use std::time::{Duration, Instant};

use benches::stage::remediation_request;
use criterion::{Bencher, Criterion};
use embedded_apiserver::{EmbeddedApi, Options};
use futures::StreamExt;
use gateway::remediation::RemediationRequest;
use jiff::Timestamp;
use kube::{
    Api, CustomResourceExt, ResourceExt,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams},
    core::ApiResource,
};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

const NAMESPACE: &str = "kubernaut-system";

/// A RemediationRequest about the Deployment `resource`, as it is before its first signal is counted.
fn object(resource: &str) -> Value {
    let mut object = remediation_request(resource);
    object["metadata"]["name"] = json!(resource);
    object.as_object_mut().expect("an object").remove("status");
    object
}

/// A server with `stored` RemediationRequests, `stored-0` and so on.
fn server(stored: usize) -> Api<DynamicObject> {
    let crd = serde_json::to_value(RemediationRequest::crd()).expect("a CRD is JSON");
    let api = EmbeddedApi::new(Options {
        crds: vec![crd],
        epoch: Timestamp::now(),
        consistent_list_wait: Duration::ZERO,
        ..Options::default()
    });
    api.seed(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } }));
    (0..stored).for_each(|number| api.seed(object(&format!("stored-{number}"))));
    let resource = ApiResource::erase::<RemediationRequest>(&());
    Api::namespaced_with(api.client("bench", NAMESPACE), NAMESPACE, &resource)
}

fn typed(object: Value) -> DynamicObject {
    serde_json::from_value(object).expect("an object")
}

/// A status patch as a group commit's, the `count`th.
fn count(count: u64) -> Patch<Value> {
    Patch::Merge(json!({ "status": { "deduplication": { "occurrenceCount": count % 1_000_000 + 1 } } }))
}

/// `operation` on a server with `stored` RemediationRequests; only it is measured.
fn repeat<T>(
    bencher: &mut Bencher<'_>,
    runtime: &Runtime,
    stored: usize,
    mut operation: impl AsyncFnMut(&Api<DynamicObject>) -> T,
) {
    let _inside = runtime.enter();
    let api = server(stored);
    bencher.iter(|| runtime.block_on(operation(&api)));
}

fn create(bencher: &mut Bencher<'_>, runtime: &Runtime) {
    let _inside = runtime.enter();
    let api = server(0);
    let object = typed(object("checkout"));
    bencher.iter_custom(|iterations| {
        runtime.block_on(async {
            let mut took = Duration::ZERO;
            for _ in 0..iterations {
                let began = Instant::now();
                api.create(&PostParams::default(), &object).await.expect("created");
                took += began.elapsed();
                // The store must not grow with the number of iterations.
                api.delete("checkout", &DeleteParams::default()).await.expect("deleted");
            }
            took
        })
    });
}

/// From sending a status patch to its event at a watch.
fn deliver(bencher: &mut Bencher<'_>, runtime: &Runtime) {
    let _inside = runtime.enter();
    let api = server(1);
    let watch = runtime.block_on(async {
        let version = api.list(&ListParams::default()).await.expect("a list").metadata.resource_version;
        api.watch(&WatchParams::default(), &version.unwrap_or_default()).await.expect("a watch")
    });
    let (mut watch, mut number) = (watch.boxed(), 0);
    bencher.iter(|| {
        number += 1;
        runtime.block_on(async {
            let patched = api.patch_status("stored-0", &PatchParams::default(), &count(number)).await;
            let version = patched.expect("patched").resource_version();
            let event = watch.next().await.expect("an event").expect("no error");
            let WatchEvent::Modified(seen) = event else { panic!("{event:?}") };
            assert_eq!(seen.resource_version(), version);
        });
    });
}

fn operations(criterion: &mut Criterion, runtime: &Runtime) {
    let mut group = criterion.benchmark_group("embedded API");
    group.bench_function("create", |bencher| create(bencher, runtime));
    for stored in [1, 1_000] {
        group.bench_function(format!("get, {stored} stored"), |bencher| {
            repeat(bencher, runtime, stored, async |api| api.get("stored-0").await.expect("it"));
        });
        group.bench_function(format!("list by field selector, {stored} stored"), |bencher| {
            let fingerprint = gateway::remediation::Fingerprint::of("shop:Deployment:stored-0");
            let params = ListParams::default().fields(&format!("spec.signalFingerprint={fingerprint}"));
            repeat(bencher, runtime, stored, async |api| {
                assert_eq!(api.list(&params).await.expect("a list").items.len(), 1);
            });
        });
    }
    group.bench_function("merge patch on status", |bencher| {
        let mut number = 0;
        repeat(bencher, runtime, 1, async |api| {
            number += 1;
            api.patch_status("stored-0", &PatchParams::default(), &count(number)).await.expect("patched")
        });
    });
    group.bench_function("merge patch on status and its event at a watch", |bencher| deliver(bencher, runtime));
    group.finish();
}

fn main() {
    let criterion = Criterion::default().without_plots();
    let criterion = criterion.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    let mut criterion = criterion.configure_from_args();
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    operations(&mut criterion, &runtime);
    criterion.final_summary();
}

//! Listing through the embedded API: selectors, portions, and how new the answer is.

use std::time::Duration;

use crate::support::{
    api, api_with, code_and_reason, elapsed_ms, incident, incidents, lease, leases, refusal, wait_ms,
};
use embedded_apiserver::{EmbeddedApi, Options};
use k8s_openapi::api::{
    coordination::v1::Lease,
    core::v1::{ConfigMap, Pod},
};
use kube::{
    Api,
    api::{GetParams, ListParams, PostParams, VersionMatch},
};
use rstest::rstest;
use serde_json::{Value, json};

fn post() -> PostParams {
    PostParams::default()
}

fn seed_labelled(api: &EmbeddedApi) {
    for (name, labels) in [("a", json!({"app": "x", "tier": "1"})), ("b", json!({"app": "y"})), ("c", json!({}))] {
        let metadata = json!({"name": name, "namespace": "test", "labels": labels});
        api.seed(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}));
    }
}

#[rstest]
#[case("app=x", &["a"])]
#[case("app==x", &["a"])]
#[case("app!=x", &["b", "c"])]
#[case("app", &["a", "b"])]
#[case("!app", &["c"])]
#[case("app in (x, y)", &["a", "b"])]
#[case("app in (x,y),tier", &["a"])]
#[case("app notin (x)", &["b", "c"])]
#[case("app notin(x)", &["b", "c"])]
#[case("tier>0", &["a"])]
#[case("tier<1", &[])]
#[case("", &["a", "b", "c"])]
#[tokio::test(start_paused = true)]
async fn label_selectors_select(#[case] selector: &str, #[case] expected: &[&str]) {
    let api = api();
    seed_labelled(&api);
    let maps: Api<ConfigMap> = Api::namespaced(api.client("one", "test"), "test");
    let list = maps.list(&ListParams::default().labels(selector)).await.unwrap();
    let names: Vec<_> = list.items.iter().filter_map(|map| map.metadata.name.as_deref()).collect();
    assert_eq!(names, expected);
}

#[rstest]
#[case("metadata.name=a", &["a"])]
#[case("metadata.name!=a,metadata.namespace=test", &["b", "c"])]
#[case("spec.key=x", &["a", "c"])]
#[case("spec.key==x,metadata.name!=c", &["a"])]
#[case("spec.key!=x", &["b"])]
#[tokio::test(start_paused = true)]
async fn field_selectors_select_declared_fields(#[case] selector: &str, #[case] expected: &[&str]) {
    let api = api();
    let incidents = incidents(api.client("one", "test"));
    for (name, key) in [("a", "x"), ("b", "y"), ("c", "x")] {
        incidents.create(&post(), &incident(name, key)).await.unwrap();
    }
    let list = incidents.list(&ListParams::default().fields(selector)).await.unwrap();
    let names: Vec<_> = list.items.iter().filter_map(|item| item.metadata.name.as_deref()).collect();
    assert_eq!(names, expected);
}

#[tokio::test(start_paused = true)]
async fn other_fields_are_refused() {
    let api = api();
    let client = api.client("one", "test");
    let params = ListParams::default().fields("spec.other=x");
    let status = refusal(incidents(client.clone()).list(&params).await);
    assert_eq!((status.code, status.reason.as_str()), (400, "BadRequest"));
    assert_eq!(status.message, "field label not supported: spec.other");
    let status = refusal(leases(client.clone()).list(&params).await);
    assert_eq!(
        status.message,
        r#""spec.other" is not a known field selector: only "metadata.name", "metadata.namespace""#
    );
    let pods: Api<Pod> = Api::namespaced(client, "test");
    pods.list(&ListParams::default().fields("spec.nodeName=n,status.phase=Running")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_list_in_portions_shows_one_version() {
    let api = api();
    seed_labelled(&api);
    let maps: Api<ConfigMap> = Api::namespaced(api.client("one", "test"), "test");
    let first = maps.list(&ListParams::default().limit(2)).await.unwrap();
    assert_eq!((first.items.len(), first.metadata.remaining_item_count), (2, Some(1)));
    maps.delete("c", &kube::api::DeleteParams::default()).await.unwrap();
    let token = first.metadata.continue_.unwrap();
    let rest = maps.list(&ListParams::default().limit(2).continue_token(&token)).await.unwrap();
    assert_eq!(rest.items[0].metadata.name.as_deref(), Some("c"));
    assert_eq!(rest.metadata.resource_version, first.metadata.resource_version);
    assert_eq!(rest.metadata.continue_.filter(|token| !token.is_empty()), None);
}

#[tokio::test(start_paused = true)]
async fn a_continue_token_from_before_a_compaction_is_expired() {
    let api = api();
    seed_labelled(&api);
    let maps: Api<ConfigMap> = Api::namespaced(api.client("one", "test"), "test");
    let token = maps.list(&ListParams::default().limit(2)).await.unwrap().metadata.continue_.unwrap();
    maps.delete("c", &kube::api::DeleteParams::default()).await.unwrap();
    api.compact();
    let refused = maps.list(&ListParams::default().limit(2).continue_token(&token)).await;
    assert_eq!(code_and_reason(refused), (410, "Expired".to_owned()));
    let refused = maps.list(&ListParams::default().continue_token("nonsense")).await;
    assert_eq!(code_and_reason(refused).0, 400);
}

#[tokio::test(start_paused = true)]
async fn an_exact_version_is_shown_as_it_was() {
    let api = api();
    let leases = leases(api.client("one", "test"));
    let version = leases.create(&post(), &lease("a")).await.unwrap().metadata.resource_version.unwrap();
    leases.create(&post(), &lease("b")).await.unwrap();
    let exact = ListParams::default().at(&version).matching(VersionMatch::Exact);
    let list = leases.list(&exact).await.unwrap();
    assert_eq!((list.items.len(), list.metadata.resource_version), (1, Some(version.clone())));
    let newer = ListParams::default().at(&version).matching(VersionMatch::NotOlderThan);
    assert_eq!(leases.list(&newer).await.unwrap().items.len(), 2);
    let future = ListParams::default().at("999").matching(VersionMatch::NotOlderThan);
    let status = refusal(leases.list(&future).await);
    assert_eq!((status.code, status.reason.as_str()), (504, "Timeout"));
}

#[tokio::test(start_paused = true)]
async fn a_consistent_list_waits_for_progress_after_a_write_to_another_resource() {
    let api = api();
    wait_ms(1000).await;
    let client = api.client("one", "test");
    let (leases, incidents) = (leases(client.clone()), incidents(client));
    incidents.create(&post(), &incident("a", "k")).await.unwrap();
    assert_eq!(elapsed_ms(incidents.list(&ListParams::default())).await, 0, "own write was the newest");
    wait_ms(30).await;
    leases.create(&post(), &lease("a")).await.unwrap();
    assert_eq!(elapsed_ms(incidents.list(&ListParams::default().limit(1))).await, 70);
    assert_eq!(elapsed_ms(incidents.list(&ListParams::default())).await, 0, "progress has come");
    leases.create(&post(), &lease("b")).await.unwrap();
    assert_eq!(elapsed_ms(incidents.list(&ListParams::default().match_any())).await, 0, "any version will do");
    assert_eq!(elapsed_ms(incidents.get("a")).await, 0, "a get asks etcd");
    assert_eq!(elapsed_ms(leases.list(&ListParams::default())).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_write_of_its_own_ends_a_list_s_wait() {
    let api = api();
    wait_ms(1000).await;
    let incidents = incidents(api.client("one", "test"));
    leases(api.client("two", "test")).create(&post(), &lease("a")).await.unwrap();
    let params = ListParams::default();
    let list = elapsed_ms(incidents.list(&params));
    let write = async {
        wait_ms(10).await;
        incidents.create(&post(), &incident("a", "k")).await.unwrap();
    };
    assert_eq!(futures::join!(list, write).0, 10);
}

#[tokio::test(start_paused = true)]
async fn a_lagging_cache_serves_old_lists_but_only_to_those_who_take_them() {
    let api = api_with(Options { event_lag: Duration::from_millis(20), ..Options::default() });
    wait_ms(1000).await;
    let leases = leases(api.client("one", "test"));
    let created = leases.create(&post(), &lease("a")).await.unwrap();
    let any = ListParams::default().match_any();
    let old = leases.list(&any).await.unwrap();
    assert_eq!(old.items.len(), 0);
    assert!(old.metadata.resource_version < created.metadata.resource_version);
    assert_eq!(code_and_reason(leases.get_with("a", &GetParams::any()).await).0, 404);
    leases.get("a").await.unwrap();
    let version = created.metadata.resource_version.unwrap();
    leases.get_with("a", &GetParams::at(&version)).await.unwrap();
    assert_eq!(elapsed_ms(leases.list(&ListParams::default())).await, 20, "a consistent list waits for the cache");
    let future = refusal(leases.get_with("a", &GetParams::at("99999999")).await);
    assert_eq!((future.code, future.reason.as_str()), (504, "Timeout"));
    assert_eq!(leases.list(&any).await.unwrap().items.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn metadata_and_tables_are_served_on_request() {
    let api = api();
    let client = api.client("one", "test");
    let leases = leases(client.clone());
    leases.create(&post(), &lease("a")).await.unwrap();
    let metadata = leases.get_metadata("a").await.unwrap();
    assert_eq!(metadata.metadata.name.as_deref(), Some("a"));
    let list = leases.list_metadata(&ListParams::default()).await.unwrap();
    assert_eq!(list.items.len(), 1);
    let request = http::Request::get("/apis/coordination.k8s.io/v1/namespaces/test/leases")
        .header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json")
        .body(Vec::new())
        .unwrap();
    let table: Value = client.request(request).await.unwrap();
    assert_eq!((table["kind"].as_str(), table["rows"].as_array().map(Vec::len)), (Some("Table"), Some(1)));
}

#[tokio::test(start_paused = true)]
async fn objects_of_all_namespaces_are_listed_together() {
    let api = api();
    let client = api.client("one", "test");
    for namespace in ["test", "default"] {
        Api::<Lease>::namespaced(client.clone(), namespace).create(&post(), &lease("a")).await.unwrap();
    }
    assert_eq!(Api::<Lease>::all(client).list(&ListParams::default()).await.unwrap().items.len(), 2);
}

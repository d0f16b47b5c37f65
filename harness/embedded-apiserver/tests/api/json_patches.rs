//! JSON patches as writers use them that share an object: each tests what it replaces, and names no version.

use std::sync::Arc;

use crate::support::{api, incident, incidents, lease, leases, refusal};
use embedded_apiserver::Latency;
use futures::future::join_all;
use kube::{Client, api::PostParams};
use rstest::rstest;
use serde_json::{Value, json};

const REJECTED: &str = "the server rejected our request due to an error in our request";

const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/test/leases/a";
const INCIDENT: &str = "/apis/example.org/v1/namespaces/test/incidents/a";

async fn send(client: &Client, path: &str, steps: &Value) -> kube::Result<Value> {
    let request = http::Request::patch(path).header("content-type", "application/json-patch+json");
    client.request(request.body(steps.to_string().into_bytes()).unwrap()).await
}

/// A client of a server with a lease that has one annotation.
async fn annotated() -> Client {
    let client = api().client("one", "test");
    annotate(&client).await;
    client
}

async fn annotate(client: &Client) -> Value {
    let mut lease = lease("a");
    lease.metadata.annotations = Some([("base".to_owned(), "1".to_owned())].into());
    serde_json::to_value(leases(client.clone()).create(&PostParams::default(), &lease).await.unwrap()).unwrap()
}

#[rstest]
#[case::a_member_that_is_missing_is_null("/metadata/annotations/one", json!(null), true)]
#[case::it_is_nothing_else("/metadata/annotations/one", json!(""), false)]
#[case::one_that_is_there_is_not_null("/metadata/annotations/base", json!(null), false)]
#[case::one_that_is_there_is_compared("/metadata/annotations/base", json!("1"), true)]
#[case::a_missing_map_is_null("/metadata/labels", json!(null), true)]
#[case::nothing_is_below_a_missing_map("/metadata/labels/one", json!(null), false)]
#[case::nothing_is_below_a_text("/metadata/annotations/base/one", json!(null), false)]
#[tokio::test(start_paused = true)]
async fn a_test_takes_a_missing_member_for_null_below_a_parent_that_is_there(
    #[case] path: &str,
    #[case] value: Value,
    #[case] passes: bool,
) {
    let client = annotated().await;
    let before = leases(client.clone()).get("a").await.unwrap().metadata.resource_version;
    let answer = send(&client, LEASE, &json!([{"op": "test", "path": path, "value": value}])).await;
    if passes {
        assert_eq!(answer.unwrap()["metadata"]["resourceVersion"].as_str(), before.as_deref(), "nothing was changed");
    } else {
        let status = refusal(answer);
        assert_eq!((status.code, status.reason.as_str(), status.message.as_str()), (422, "Invalid", REJECTED));
    }
}

#[tokio::test(start_paused = true)]
async fn an_add_below_annotations_that_are_missing_is_rejected() {
    let client = api().client("one", "test");
    leases(client.clone()).create(&PostParams::default(), &lease("a")).await.unwrap();
    let add = json!([{"op": "add", "path": "/metadata/annotations/one", "value": "1"}]);
    assert_eq!(refusal(send(&client, LEASE, &add).await).message, REJECTED);
}

#[rstest]
#[case::a_missing_member("/metadata/annotations/one", true)]
#[case::a_member_of_a_missing_map("/metadata/labels/one", false)]
#[case::behind_the_last_item("/metadata/finalizers/1", false)]
#[case::the_end_of_a_list("/metadata/finalizers/-", false)]
#[case::an_item("/metadata/finalizers/0", true)]
#[tokio::test(start_paused = true)]
async fn replace_adds_a_member_but_no_item(#[case] path: &str, #[case] passes: bool) {
    let client = annotated().await;
    send(&client, LEASE, &json!([{"op": "add", "path": "/metadata/finalizers", "value": ["example.org/a"]}]))
        .await
        .unwrap();
    let answer = send(&client, LEASE, &json!([{"op": "replace", "path": path, "value": "example.org/b"}])).await;
    if passes {
        answer.unwrap();
    } else {
        assert_eq!(refusal(answer).message, REJECTED);
    }
}

#[tokio::test(start_paused = true)]
async fn a_test_for_a_text_that_go_escapes_fails_as_a_real_server_fails_it() {
    let client = annotated().await;
    let step = |op: &str| json!([{"op": op, "path": "/metadata/annotations/base", "value": "a<b"}]);
    send(&client, LEASE, &step("add")).await.unwrap();
    assert_eq!(refusal(send(&client, LEASE, &step("test")).await).message, REJECTED);
}

#[tokio::test(start_paused = true)]
async fn a_status_patch_sees_the_whole_object_and_writes_the_status_alone() {
    let client = api().client("one", "test");
    let mut new = incident("a", "k");
    new.metadata.annotations = Some([("one".to_owned(), "1".to_owned())].into());
    incidents(client.clone()).create(&PostParams::default(), &new).await.unwrap();
    let both = |count: u32| {
        json!([
            {"op": "test", "path": "/metadata/annotations/one", "value": "1"},
            {"op": "replace", "path": "/metadata/annotations/one", "value": "2"},
            {"op": "add", "path": "/status", "value": {"count": count}},
        ])
    };
    let shown =
        |written: &Value| (written["status"]["count"].clone(), written["metadata"]["annotations"]["one"].clone());
    let written = send(&client, &format!("{INCIDENT}/status"), &both(3)).await.unwrap();
    assert_eq!(shown(&written), (json!(3), json!("1")));
    let written = send(&client, INCIDENT, &both(4)).await.unwrap();
    assert_eq!(shown(&written), (json!(3), json!("2")));
}

#[tokio::test(start_paused = true)]
async fn writers_of_different_members_never_conflict() {
    let api = api();
    api.set_faults(Arc::new(Latency::default()));
    annotate(&api.client("one", "test")).await;
    let count = async |writer: u32| {
        let client = api.client(&format!("writer-{writer}"), "test");
        let path = format!("/metadata/annotations/{writer}");
        for count in 0..10 {
            let old = if count == 0 { Value::Null } else { count.to_string().into() };
            let (test, add) =
                (json!({"op": "test", "value": old}), json!({"op": "add", "value": (count + 1).to_string()}));
            let steps = [test, add].map(|mut step| {
                step["path"] = path.as_str().into();
                step
            });
            send(&client, LEASE, &json!(steps)).await.unwrap();
        }
    };
    join_all((0..10).map(count)).await;
    let counts = leases(api.client("one", "test")).get("a").await.unwrap().metadata.annotations.unwrap();
    assert!((0..10).all(|writer| counts[&writer.to_string()] == "10"), "{counts:?}");
}

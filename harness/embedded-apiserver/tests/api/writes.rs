//! Creating, updating and patching through the embedded API.

use crate::support::{api, code_and_reason, incident, incidents, lease, leases, refusal, wait_ms};
use k8s_openapi::api::{
    apps::v1::Deployment,
    coordination::v1::Lease,
    core::v1::{ConfigMap, Namespace},
};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use rstest::rstest;
use serde_json::{Value, json};

fn post() -> PostParams {
    PostParams::default()
}

#[tokio::test(start_paused = true)]
async fn a_created_object_gets_uid_version_and_whole_second_timestamp() {
    let api = api();
    let created = leases(api.client("one", "test")).create(&post(), &lease("a")).await.unwrap();
    assert_eq!(created.metadata.resource_version, Some(api.resource_version().to_string()));
    assert_eq!(created.metadata.uid.map(|uid| uid.len()), Some(36));
    assert_eq!(created.metadata.creation_timestamp.unwrap().0.to_string(), "2026-01-01T00:00:00Z");
    assert_eq!(created.metadata.generation, None);
}

#[tokio::test(start_paused = true)]
async fn one_version_counts_the_writes_of_all_resources() {
    let api = api();
    let before = api.resource_version();
    let client = api.client("one", "test");
    leases(client.clone()).create(&post(), &lease("a")).await.unwrap();
    let second = incidents(client).create(&post(), &incident("a", "k")).await.unwrap();
    assert_eq!(second.metadata.resource_version, Some((before + 2).to_string()));
}

#[tokio::test(start_paused = true)]
async fn creating_what_exists_is_already_exists() {
    let api = api();
    let leases = leases(api.client("one", "test"));
    leases.create(&post(), &lease("a")).await.unwrap();
    let status = refusal(leases.create(&post(), &lease("a")).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "AlreadyExists"));
    assert_eq!(status.message, r#"leases.coordination.k8s.io "a" already exists"#);
    let details = status.details.unwrap();
    assert_eq!(
        (details.name.as_str(), details.group.as_str(), details.kind.as_str()),
        ("a", "coordination.k8s.io", "leases")
    );
}

#[tokio::test(start_paused = true)]
async fn replacing_an_older_version_is_a_conflict() {
    let api = api();
    let leases = leases(api.client("one", "test"));
    let first = leases.create(&post(), &lease("a")).await.unwrap();
    let mut second = first.clone();
    second.spec.as_mut().unwrap().lease_transitions = Some(1);
    leases.replace("a", &post(), &second).await.unwrap();
    let status = refusal(leases.replace("a", &post(), &second).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    assert_eq!(
        status.message,
        "Operation cannot be fulfilled on leases.coordination.k8s.io \"a\": the object has been modified; \
         please apply your changes to the latest version and try again"
    );
}

#[tokio::test(start_paused = true)]
async fn an_update_of_a_lease_must_name_a_version_and_one_of_a_configmap_need_not() {
    let api = api();
    let client = api.client("one", "test");
    let leases = leases(client.clone());
    leases.create(&post(), &lease("a")).await.unwrap();
    let status = refusal(leases.replace("a", &post(), &lease("a")).await);
    assert_eq!(status.code, 422);
    assert_eq!(
        status.message,
        "leases.coordination.k8s.io \"a\" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update"
    );
    let maps: Api<ConfigMap> = Api::namespaced(client, "test");
    let mut map = ConfigMap::default();
    map.metadata.name = Some("a".to_owned());
    maps.create(&post(), &map).await.unwrap();
    map.data = Some([("k".to_owned(), "v".to_owned())].into());
    maps.replace("a", &post(), &map).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn replacing_a_lease_that_is_gone_creates_it_unless_it_names_the_uid() {
    let api = api();
    let leases = leases(api.client("one", "test"));
    let mut gone = leases.create(&post(), &lease("a")).await.unwrap();
    leases.delete("a", &DeleteParams::default()).await.unwrap();
    let status = refusal(leases.replace("a", &post(), &gone).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    assert!(status.message.contains("Precondition failed: UID in precondition: "), "{}", status.message);
    gone.metadata.uid = None;
    let created = leases.replace("a", &post(), &gone).await.unwrap();
    assert_ne!(created.metadata.uid, None);
}

#[tokio::test(start_paused = true)]
async fn an_update_that_changes_nothing_makes_no_version() {
    let api = api();
    let leases = leases(api.client("one", "test"));
    let first = leases.create(&post(), &lease("a")).await.unwrap();
    wait_ms(5000).await;
    let again = leases.replace("a", &post(), &first).await.unwrap();
    assert_eq!(again.metadata.resource_version, first.metadata.resource_version);
    assert_eq!(Some(api.resource_version().to_string()), first.metadata.resource_version);
}

#[tokio::test(start_paused = true)]
async fn status_is_written_only_through_its_subresource_and_generation_counts_only_the_spec() {
    let api = api();
    let incidents = incidents(api.client("one", "test"));
    let mut new = incident("a", "k");
    new.data["status"] = json!({"count": 9});
    let created = incidents.create(&post(), &new).await.unwrap();
    assert_eq!(created.data.get("status"), None);
    assert_eq!(created.metadata.generation, Some(1));

    let merge = PatchParams::default();
    let both =
        Patch::Merge(json!({"metadata": {"labels": {"l": "v"}}, "spec": {"other": "x"}, "status": {"count": 1}}));
    let status = incidents.patch_status("a", &merge, &both).await.unwrap();
    assert_eq!(status.data["status"], json!({"count": 1}));
    assert_eq!(status.data["spec"].get("other"), None);
    assert_eq!((status.metadata.labels, status.metadata.generation), (None, Some(1)));

    let both = Patch::Merge(json!({"spec": {"other": "x"}, "status": {"count": 7}}));
    let spec = incidents.patch("a", &merge, &both).await.unwrap();
    assert_eq!((&spec.data["status"], &spec.data["spec"]["other"]), (&json!({"count": 1}), &json!("x")));
    assert_eq!(spec.metadata.generation, Some(2));

    let labels = Patch::Merge(json!({"metadata": {"labels": {"l": "v"}}}));
    let labelled = incidents.patch("a", &merge, &labels).await.unwrap();
    assert_eq!((labelled.metadata.labels.map(|labels| labels.len()), labelled.metadata.generation), (Some(1), Some(2)));
}

#[tokio::test(start_paused = true)]
async fn a_patch_with_a_version_is_a_precondition() {
    let api = api();
    let incidents = incidents(api.client("one", "test"));
    let created = incidents.create(&post(), &incident("a", "k")).await.unwrap();
    let patch = |count: u32| {
        Patch::Merge(
            json!({"metadata": {"resourceVersion": created.metadata.resource_version}, "status": {"count": count}}),
        )
    };
    incidents.patch_status("a", &PatchParams::default(), &patch(1)).await.unwrap();
    let refused = incidents.patch_status("a", &PatchParams::default(), &patch(2)).await;
    assert_eq!(code_and_reason(refused), (409, "Conflict".to_owned()));
    let uid = Patch::Merge(json!({"metadata": {"uid": "other"}}));
    let status = refusal(incidents.patch("a", &PatchParams::default(), &uid).await);
    assert_eq!((status.code, status.details.unwrap().causes[0].field.as_str()), (422, "metadata.uid"));
}

#[tokio::test(start_paused = true)]
async fn json_patches_apply_in_order_and_fail_as_a_whole() {
    let api = api();
    let incidents = incidents(api.client("one", "test"));
    incidents.create(&post(), &incident("a", "k")).await.unwrap();
    let path = "/apis/example.org/v1/namespaces/test/incidents/a";
    let operations = json!([
        {"op": "test", "path": "/spec/key", "value": "k"},
        {"op": "replace", "path": "/spec/key", "value": "new"},
    ]);
    let request = || {
        let request = http::Request::patch(path).header("content-type", "application/json-patch+json");
        request.body(operations.to_string().into_bytes()).unwrap()
    };
    let client = api.client("one", "test");
    let patched: Value = client.request(request()).await.unwrap();
    assert_eq!(patched["spec"]["key"], "new");
    assert_eq!(code_and_reason(client.request::<Value>(request()).await).0, 422);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_patch_type_is_415() {
    let api = api();
    let incidents = incidents(api.client("one", "test"));
    incidents.create(&post(), &incident("a", "k")).await.unwrap();
    let refused = incidents.patch("a", &PatchParams::default(), &Patch::Strategic(json!({}))).await;
    assert_eq!(code_and_reason(refused), (415, "UnsupportedMediaType".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn custom_resources_are_pruned_defaulted_and_validated() {
    let api = api();
    let incidents = incidents(api.client("one", "test"));
    let mut new = incident("a", "k");
    new.data["spec"]["unknown"] = json!(1);
    let created = incidents.create(&post(), &new).await.unwrap();
    assert_eq!(created.data["spec"], json!({"key": "k", "mode": "auto"}));
    let status = refusal(incidents.create(&post(), &incident("b", "NOT")).await);
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    assert!(
        status.message.starts_with(r#"Incident.example.org "b" is invalid: spec.key: Invalid value: "NOT""#),
        "{}",
        status.message
    );
}

#[rstest]
#[case::upper_case("Name", "metadata.name: Invalid value: \"Name\": a lowercase RFC 1123 subdomain")]
#[case::dash_at_the_end("name-", "metadata.name: Invalid value: \"name-\": a lowercase RFC 1123 subdomain")]
#[case::empty("", "metadata.name: Required value: name or generateName is required")]
#[tokio::test(start_paused = true)]
async fn a_bad_name_is_invalid(#[case] name: &str, #[case] why: &str) {
    let api = api();
    let status = refusal(leases(api.client("one", "test")).create(&post(), &lease(name)).await);
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    let start = format!("Lease.coordination.k8s.io {name:?} is invalid: {why}");
    assert!(status.message.starts_with(&start), "{}", status.message);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_lasts_no_time_is_invalid() {
    let api = api();
    let mut lease = lease("a");
    lease.spec.as_mut().unwrap().lease_duration_seconds = Some(0);
    let status = refusal(leases(api.client("one", "test")).create(&post(), &lease).await);
    assert_eq!(
        status.message,
        r#"Lease.coordination.k8s.io "a" is invalid: spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"#
    );
}

#[tokio::test(start_paused = true)]
async fn generated_names_are_unique() {
    let api = api();
    let leases = leases(api.client("one", "test"));
    let mut new = lease("");
    new.metadata.name = None;
    new.metadata.generate_name = Some("lock-".to_owned());
    let names = [leases.create(&post(), &new).await.unwrap(), leases.create(&post(), &new).await.unwrap()]
        .map(|lease| lease.metadata.name.unwrap());
    assert!(names.iter().all(|name| name.starts_with("lock-") && name.len() == 10), "{names:?}");
    assert_ne!(names[0], names[1]);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_must_exist_and_not_be_going() {
    let api = api();
    let client = api.client("one", "test");
    let elsewhere: Api<Lease> = Api::namespaced(client.clone(), "nowhere");
    let status = refusal(elsewhere.create(&post(), &lease("a")).await);
    assert_eq!((status.code, status.message.as_str()), (404, r#"namespaces "nowhere" not found"#));

    Api::<Namespace>::all(client.clone()).delete("test", &DeleteParams::default()).await.unwrap();
    let status = refusal(leases(client).create(&post(), &lease("a")).await);
    assert_eq!((status.code, status.reason.as_str()), (403, "Forbidden"));
    assert_eq!(
        status.message,
        "leases.coordination.k8s.io \"a\" is forbidden: unable to create new content in namespace test because it is being terminated"
    );
    assert_eq!(status.details.unwrap().causes[0].reason, "NamespaceTerminating");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_answers_as_usual_and_stores_nothing() {
    let api = api();
    let leases = leases(api.client("one", "test"));
    let version = api.resource_version();
    let created = leases.create(&PostParams { dry_run: true, ..post() }, &lease("a")).await.unwrap();
    assert!(created.metadata.uid.is_some());
    assert_eq!(api.resource_version(), version);
    assert_eq!(leases.get_opt("a").await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn unknown_fields_are_refused_on_request() {
    let api = api();
    let client = api.client("one", "test");
    let object = json!({"apiVersion": "example.org/v1", "kind": "Incident", "metadata": {"name": "a"}, "spec": {"key": "k", "sise": 1}});
    let create = |validation: &str| {
        let path = format!("/apis/example.org/v1/namespaces/test/incidents?fieldValidation={validation}");
        http::Request::post(path).body(object.to_string().into_bytes()).unwrap()
    };
    let status = refusal(client.request::<Value>(create("Strict")).await);
    assert_eq!(
        status.message,
        r#"Incident in version "v1" cannot be handled as a Incident: strict decoding error: unknown field "spec.sise""#
    );
    client.request::<Value>(create("Warn")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn bodies_may_be_yaml_but_not_protobuf() {
    let api = api();
    let client = api.client("one", "test");
    let create = |content_type: &str| {
        let request = http::Request::post("/api/v1/namespaces/test/configmaps").header("content-type", content_type);
        request.body(b"metadata: {name: a}\ndata: {k: v}\n".to_vec()).unwrap()
    };
    let created: Value = client.request(create("application/yaml")).await.unwrap();
    assert_eq!(created["data"]["k"], "v");
    let refused = client.request::<Value>(create("application/vnd.kubernetes.protobuf")).await;
    assert_eq!(code_and_reason(refused), (415, "UnsupportedMediaType".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn workloads_are_scaled_through_their_subresource() {
    let api = api();
    let pod =
        json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": "web"}]}});
    let spec = json!({"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": pod});
    let metadata = json!({"name": "web", "namespace": "test"});
    api.seed(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}));
    let deployments: Api<Deployment> = Api::namespaced(api.client("one", "test"), "test");
    let scale = deployments.get_scale("web").await.unwrap();
    assert_eq!(scale.status.unwrap().selector.as_deref(), Some("app=web"));
    let patch = Patch::Merge(json!({"spec": {"replicas": 5}}));
    deployments.patch_scale("web", &PatchParams::default(), &patch).await.unwrap();
    let scaled = deployments.get("web").await.unwrap();
    assert_eq!((scaled.spec.unwrap().replicas, scaled.metadata.generation), (Some(5), Some(2)));
    for (metadata, generation) in [(json!({"annotations": {"a": "1"}}), 3), (json!({"labels": {"a": "1"}}), 3)] {
        let patch = Patch::Merge(json!({ "metadata": metadata }));
        let changed = deployments.patch("web", &PatchParams::default(), &patch).await.unwrap();
        assert_eq!(changed.metadata.generation, Some(generation), "annotations count, labels do not");
    }
}

#[rstest]
#[case::not_json("{", 400)]
#[case::no_object("[1]", 400)]
#[case::no_metadata_object(r#"{"metadata":"a"}"#, 400)]
#[case::other_kind(r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}"#, 400)]
#[case::other_namespace(r#"{"metadata":{"name":"a","namespace":"default"}}"#, 400)]
#[case::with_version(r#"{"metadata":{"name":"a","resourceVersion":"7"}}"#, 500)]
#[tokio::test(start_paused = true)]
async fn a_body_that_cannot_be_created_is_refused(#[case] body: &str, #[case] code: u16) {
    let api = api();
    let request = http::Request::post("/apis/coordination.k8s.io/v1/namespaces/test/leases").body(body.into()).unwrap();
    let refused = api.client("one", "test").request::<Value>(request).await;
    assert_eq!(code_and_reason(refused).0, code);
}

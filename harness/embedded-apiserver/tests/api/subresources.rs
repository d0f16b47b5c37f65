//! Subresources, and the objects of a new cluster, as clients see them.

use crate::support::{api, code_and_reason, incident_resource, refusal, wait_ms};
use embedded_apiserver::EmbeddedApi;
use http::Request;
use k8s_openapi::api::{
    apps::v1::Deployment,
    authentication::v1::{TokenRequest, TokenReview},
    autoscaling::v1::Scale,
    certificates::v1::CertificateSigningRequest,
    core::v1::{ComponentStatus, Node, Pod, Secret, Service, ServiceAccount},
    policy::v1::PodDisruptionBudget,
    rbac::v1::ClusterRole,
};
use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, EvictParams, ListParams, Patch, PatchParams, PostParams},
};
use rstest::rstest;
use serde_json::{Value, json};

fn pods(api: &EmbeddedApi) -> Api<Pod> {
    Api::namespaced(api.client("one", "test"), "test")
}

fn of<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

fn pod(name: &str) -> Pod {
    of(json!({
        "metadata": {"name": name, "labels": {"app": "a"}},
        "spec": {"containers": [{"name": "main", "image": "busybox:1"}]},
    }))
}

async fn send(client: &Client, method: &str, path: &str, content_type: &str, body: Value) -> kube::Result<String> {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let request = Request::builder().method(method).uri(path).header("content-type", content_type);
    client.request_text(request.body(body).unwrap()).await
}

/// The resource of `incident_resource`, with replicas.
fn scalable_crd() -> Value {
    let mut crd = crate::support::crd();
    crd["spec"]["versions"][0]["subresources"]["scale"] =
        json!({"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.count"});
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["replicas"] =
        json!({"type": "integer"});
    crd
}

#[tokio::test(start_paused = true)]
async fn a_custom_object_that_was_just_applied_is_scaled_and_has_a_status() {
    let api = api();
    api.seed(scalable_crd());
    let incidents: Api<DynamicObject> = Api::namespaced_with(api.client("one", "test"), "test", &incident_resource());
    let applied = json!({
        "apiVersion": "example.org/v1", "kind": "Incident", "metadata": {"name": "a"}, "spec": {"key": "a", "replicas": 2},
    });
    incidents.patch("a", &PatchParams::apply("me").force(), &Patch::Apply(&applied)).await.unwrap();
    let replicas = |scale: &Scale| scale.spec.as_ref().and_then(|spec| spec.replicas);
    assert_eq!(replicas(&get_scale(&incidents).await.unwrap()), Some(2));
    let status = json!({"status": {"count": 1}});
    incidents.patch_status("a", &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
    let change = json!({"spec": {"replicas": 3}});
    let scale = incidents.patch_scale("a", &PatchParams::default(), &Patch::Merge(&change)).await.unwrap();
    assert_eq!((replicas(&scale), scale.status.map(|status| status.replicas)), (Some(3), Some(1)));
    let now = incidents.get("a").await.unwrap();
    assert_eq!((&now.data["spec"]["replicas"], &now.data["status"]["count"]), (&json!(3), &json!(1)));
    assert_eq!(now.metadata.generation, Some(2));
}

async fn get_scale(incidents: &Api<DynamicObject>) -> kube::Result<Scale> {
    incidents.get_scale("a").await
}

#[tokio::test(start_paused = true)]
async fn a_custom_resource_without_a_scale_has_none() {
    let api = api();
    let incidents: Api<DynamicObject> = Api::namespaced_with(api.client("one", "test"), "test", &incident_resource());
    assert_eq!(code_and_reason(get_scale(&incidents).await), (404, "NotFound".to_owned()));
}

#[rstest]
#[case::exec("GET", "exec?command=sh", "pod a does not have a host assigned")]
#[case::exec_by_post("POST", "exec?command=sh", "pod a does not have a host assigned")]
#[case::attach("POST", "attach", "pod a does not have a host assigned")]
#[case::ports("POST", "portforward?ports=80", "pod a does not have a host assigned")]
#[case::container("POST", "exec?command=sh&container=no", "container no is not valid for pod a")]
#[case::proxy("GET", "proxy/metrics", "address not allowed")]
#[tokio::test(start_paused = true)]
async fn what_needs_a_kubelet_says_that_there_is_none(#[case] method: &str, #[case] path: &str, #[case] message: &str) {
    let api = api();
    pods(&api).create(&PostParams::default(), &pod("a")).await.unwrap();
    let path = format!("/api/v1/namespaces/test/pods/a/{path}");
    let status = refusal(send(&api.client("one", "test"), method, &path, "", Value::Null).await);
    assert_eq!((status.code, status.reason.as_str(), status.message.as_str()), (400, "BadRequest", message));
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_has_not_run_has_logged_nothing() {
    let api = api();
    pods(&api).create(&PostParams::default(), &pod("a")).await.unwrap();
    assert_eq!(pods(&api).logs("a", &Default::default()).await.unwrap(), "");
}

#[tokio::test(start_paused = true)]
async fn a_pod_is_evicted_unless_its_budget_is_spent() {
    let api = api();
    let pods = pods(&api);
    for name in ["a", "b"] {
        pods.create(&PostParams::default(), &pod(name)).await.unwrap();
        let running = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
        pods.patch_status(name, &PatchParams::default(), &Patch::Merge(&running)).await.unwrap();
    }
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(api.client("one", "test"), "test");
    let budget = of(json!({
        "metadata": {"name": "a"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "a"}}},
    }));
    budgets.create(&PostParams::default(), &budget).await.unwrap();
    let counted = json!({"status": {"observedGeneration": 1, "disruptionsAllowed": 1, "desiredHealthy": 1, "currentHealthy": 2, "expectedPods": 2}});
    budgets.patch_status("a", &PatchParams::default(), &Patch::Merge(&counted)).await.unwrap();
    assert!(pods.evict("a", &EvictParams::default()).await.unwrap().is_success());
    assert_eq!(pods.get_opt("a").await.unwrap(), None);
    let refused = code_and_reason(pods.evict("b", &EvictParams::default()).await);
    assert_eq!(refused, (429, "TooManyRequests".to_owned()));
    assert!(pods.get_opt("b").await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_pod_on_a_node_goes_when_its_kubelet_lets_it_go() {
    let api = api();
    let pods = pods(&api);
    let mut bound = pod("a");
    bound.spec.as_mut().unwrap().node_name = Some("n".to_owned());
    pods.create(&PostParams::default(), &bound).await.unwrap();
    pods.delete("a", &DeleteParams::default()).await.unwrap();
    let going = pods.get("a").await.unwrap();
    assert_eq!(going.metadata.deletion_grace_period_seconds, Some(30));
    // What the kubelet does last.
    pods.delete("a", &DeleteParams::default().grace_period(0)).await.unwrap();
    assert_eq!(pods.get_opt("a").await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_is_added_to_a_pod_stays() {
    let api = api();
    let pods = pods(&api);
    pods.create(&PostParams::default(), &pod("a")).await.unwrap();
    let add = |name: &str| json!({"spec": {"ephemeralContainers": [{"name": name, "image": "busybox:1"}]}});
    for name in ["one", "two"] {
        let patch = Patch::Strategic(add(name));
        pods.patch_ephemeral_containers("a", &PatchParams::default(), &patch).await.unwrap();
    }
    let spec = pods.get_ephemeral_containers("a").await.unwrap().spec.unwrap();
    assert_eq!(spec.ephemeral_containers.unwrap().len(), 2);
    let removal = Patch::Merge(json!({"spec": {"ephemeralContainers": null}}));
    let refused = pods.patch_ephemeral_containers("a", &PatchParams::default(), &removal).await;
    assert_eq!(code_and_reason(refused), (422, "Invalid".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_token_is_its_accounts_until_it_expires_or_the_account_is_gone() {
    let api = api();
    let accounts: Api<ServiceAccount> = Api::namespaced(api.client("one", "test"), "test");
    let account = of(json!({"metadata": {"name": "robot"}}));
    accounts.create(&PostParams::default(), &account).await.unwrap();
    let request: TokenRequest = of(json!({"spec": {"audiences": ["vault"], "expirationSeconds": 600}}));
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let answer = accounts.create_token_request("robot", &PostParams::default(), &request).await.unwrap();
        tokens.push(answer.status.unwrap().token);
    }
    assert_ne!(tokens[0], tokens[1]);
    let reviews: Api<TokenReview> = Api::all(api.client("one", "test"));
    let review = async |audience: &str| {
        let review = of(json!({"spec": {"token": tokens[0], "audiences": [audience]}}));
        reviews.create(&PostParams::default(), &review).await.unwrap().status.unwrap()
    };
    let status = review("vault").await;
    assert_eq!(status.user.unwrap().username.as_deref(), Some("system:serviceaccount:test:robot"));
    assert_eq!(status.audiences, Some(vec!["vault".to_owned()]));
    assert_eq!(review("other").await.authenticated, None);
    wait_ms(599_000).await;
    assert_eq!(review("vault").await.authenticated, Some(true));
    accounts.delete("robot", &DeleteParams::default()).await.unwrap();
    assert_eq!(review("vault").await.authenticated, None);
    accounts.create(&PostParams::default(), &account).await.unwrap();
    assert_eq!(review("vault").await.authenticated, None);
    wait_ms(1_000).await;
    assert_eq!(review("vault").await.authenticated, None);
}

#[tokio::test(start_paused = true)]
async fn a_request_for_a_certificate_is_approved_by_the_subresource_only() {
    let api = api();
    let requests: Api<CertificateSigningRequest> = Api::all(api.client("one", "test"));
    let request = of(json!({
        "metadata": {"name": "a"},
        "spec": {"request": "", "signerName": "example.org/signer", "usages": ["client auth"], "username": "somebody"},
    }));
    let made = requests.create(&PostParams::default(), &request).await.unwrap();
    assert_eq!(made.spec.username.as_deref(), Some("one"));
    let approval = Patch::Merge(json!({"status": {"conditions": [{"type": "Approved", "status": "True"}]}}));
    requests.patch("a", &PatchParams::default(), &approval).await.unwrap();
    assert_eq!(requests.get("a").await.unwrap().status.unwrap().conditions, None);
    requests.patch_approval("a", &PatchParams::default(), &approval).await.unwrap();
    let conditions = requests.get_approval("a").await.unwrap().status.unwrap().conditions.unwrap();
    assert!(conditions[0].last_update_time.is_some());
}

#[tokio::test(start_paused = true)]
async fn nodes_that_say_nothing_can_be_scheduled_on() {
    let api = api();
    let nodes: Api<Node> = Api::all(api.client("one", "test"));
    nodes.create(&PostParams::default(), &of(json!({"metadata": {"name": "a"}}))).await.unwrap();
    let open = ListParams::default().fields("spec.unschedulable=false");
    assert_eq!(nodes.list(&open).await.unwrap().items.len(), 1);
    nodes.cordon("a").await.unwrap();
    assert_eq!(nodes.list(&open).await.unwrap().items.len(), 0);
    nodes.uncordon("a").await.unwrap();
    assert_eq!(nodes.list(&open).await.unwrap().items.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_cluster_has_what_clients_rely_on() {
    let api = api();
    api.bootstrap();
    let client = api.client("one", "default");
    let services: Api<Service> = Api::namespaced(client.clone(), "default");
    let service = services.get("kubernetes").await.unwrap();
    assert_eq!(service.spec.unwrap().cluster_ip.as_deref(), Some("10.96.0.1"));
    let roles: Api<ClusterRole> = Api::all(client.clone());
    roles.get("cluster-admin").await.unwrap();
    let parts: Api<ComponentStatus> = Api::all(client.clone());
    assert_eq!(parts.list(&ListParams::default()).await.unwrap().items.len(), 3);
    let refused = parts.delete("scheduler", &DeleteParams::default()).await;
    assert_eq!(code_and_reason(refused), (405, "MethodNotAllowed".to_owned()));
    let services = send(&client, "GET", "/apis/apiregistration.k8s.io/v1/apiservices/v1.apps", "", Value::Null).await;
    assert!(services.unwrap().contains("Local APIServices are always available"));
}

#[tokio::test(start_paused = true)]
async fn built_in_objects_get_what_they_leave_out() {
    let api = api();
    let client = api.client("one", "test");
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "test");
    let deployment = of(json!({
        "metadata": {"name": "a"},
        "spec": {
            "selector": {"matchLabels": {"app": "a"}},
            "template": {
                "metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "main", "image": "busybox"}]},
            },
        },
    }));
    let spec = deployments.create(&PostParams::default(), &deployment).await.unwrap().spec.unwrap();
    assert_eq!((spec.replicas, spec.progress_deadline_seconds), (Some(1), Some(600)));
    let template = spec.template.spec.unwrap();
    assert_eq!(template.restart_policy.as_deref(), Some("Always"));
    assert_eq!(template.containers[0].image_pull_policy.as_deref(), Some("Always"));
    let secrets: Api<Secret> = Api::namespaced(client, "test");
    let secret = of(json!({"metadata": {"name": "a"}, "stringData": {"key": "value"}}));
    let data = secrets.create(&PostParams::default(), &secret).await.unwrap().data.unwrap();
    assert_eq!(data["key"].0, b"value");
}

#[tokio::test(start_paused = true)]
async fn a_built_in_object_says_first_what_it_is() {
    let api = api();
    let client = api.client("one", "test");
    pods(&api).create(&PostParams::default(), &pod("a")).await.unwrap();
    let text = send(&client, "GET", "/api/v1/namespaces/test/pods/a", "", Value::Null).await.unwrap();
    assert!(text.starts_with(r#"{"kind":"Pod","apiVersion":"v1","metadata":{"#), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_protobuf_is_told_what_to_set() {
    let api = api();
    let path = "/api/v1/namespaces/test/pods";
    let sent =
        send(&api.client("one", "test"), "POST", path, "application/vnd.kubernetes.protobuf", json!("k8s")).await;
    let status = refusal(sent);
    assert_eq!((status.code, status.reason.as_str()), (415, "UnsupportedMediaType"));
    assert!(status.message.contains(r#"ContentType of the client's rest.Config to "application/json""#));
}

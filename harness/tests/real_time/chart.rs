//! The Helm chart on a real kube-apiserver: it is accepted, and grants what gateways and senders need and no more.
//!
//! Skipped, with a line that says so, without a control plane or without helm (`HELM`, or in the path).

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use axum::body::Body;
use gateway::{
    config::{AuthMode, Config},
    context::Context,
    kubernetes::cluster,
};
use harness::{
    control_plane::{ControlPlane, for_tests},
    load::webhook,
    replica::{NAMESPACE, Replica, ReplicaSpec, config},
    testing::{Exchange, PROMETHEUS, exchange, name_of, skip},
};
use http::Request;
use jiff::Timestamp;
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    authorization::v1::SubjectAccessReview,
    core::v1::{Namespace, ServiceAccount},
    rbac::v1::{ClusterRole, RoleBinding},
};
use kube::{
    Api, Client,
    api::PostParams,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};

/// How long an authorizer may take to learn of Roles and Bindings, and a view of an update, on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

struct Tools {
    plane: Arc<ControlPlane>,
    helm: PathBuf,
}

impl Tools {
    async fn find() -> Option<Self> {
        let plane = for_tests().await?;
        let helm = PathBuf::from(env::var_os("HELM").unwrap_or_else(|| "helm".into()));
        if !Command::new(&helm).arg("version").output().is_ok_and(|out| out.status.success()) {
            skip("helm not found (HELM=$(scripts/tools helm) builds it)");
            return None;
        }
        Some(Self { plane, helm })
    }

    /// What helm writes, doing `action` with the release `gateway` of the chart.
    fn helm(&self, action: &[&str], namespace: &str, settings: &[&str]) -> String {
        let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gateway/deploy/chart");
        let mut command = Command::new(&self.helm);
        command.args(action).arg("gateway").arg(chart).args(["--namespace", namespace]);
        command.env("KUBECONFIG", self.plane.kubeconfig("admin").unwrap());
        for setting in settings {
            command.args(["--set", setting]);
        }
        text(&mut command)
    }

    /// What `kubectl describe` says of a RemediationRequest.
    fn describe(&self, name: &str) -> String {
        let mut command = Command::new(self.plane.kubectl());
        command.args(["describe", "rr", name, "--namespace", NAMESPACE]);
        text(command.arg("--kubeconfig").arg(self.plane.kubeconfig("admin").unwrap()))
    }
}

#[track_caller]
pub(super) fn text(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn namespace(admin: &Client, name: &str, labels: Value) {
    let namespace: Namespace =
        serde_json::from_value(json!({ "metadata": { "name": name, "labels": labels } })).unwrap();
    Api::all(admin.clone()).create(&PostParams::default(), &namespace).await.unwrap();
}

#[tokio::test]
async fn the_api_server_accepts_every_object_as_it_is() {
    let Some(tools) = Tools::find().await else { return };
    let admin = tools.plane.admin().await.unwrap();
    namespace(&admin, "chart-dry-run", json!({})).await;
    let everything = [
        "config.datastorage.url=https://datastorage:8443",
        "networkPolicy.egress.enabled=true,dashboard.enabled=true,commonLabels.team=a,podAnnotations.b=c",
        "tls.secretName=certificate,tls.clientCa=true,service.type=LoadBalancer,priorityClassName=high",
        "rbac.senders[0].namespace=monitoring,rbac.senders[0].name=alertmanager,serviceAccount.annotations.d=e",
        "extraEnv[0].name=RUST_BACKTRACE,extraEnv[0].value=full,nodeSelector.f=g,podDisruptionBudget.maxUnavailable=50%",
        "extraVolumes[0].name=ca,extraVolumes[0].configMap.name=ca,extraVolumeMounts[0].name=ca",
        "extraVolumeMounts[0].mountPath=/ca,imagePullSecrets[0].name=registry,tolerations[0].operator=Exists",
        "commonAnnotations.h=i,deploymentAnnotations.j=k,revisionHistoryLimit=3,global.imageRegistry=registry:5000",
        "autoscaling.enabled=true,autoscaling.targetMemoryUtilizationPercentage=90,podDisruptionBudget.minAvailable=1",
        "service.nodePort=30080,service.externalTrafficPolicy=Local,service.internalTrafficPolicy=Cluster",
        "service.appProtocol=https,service.loadBalancerClass=inner,service.trafficDistribution=PreferClose",
        "service.loadBalancerSourceRanges[0]=10.0.0.0/8,service.ipFamilyPolicy=SingleStack,service.ipFamilies[0]=IPv4",
        "ingress.enabled=true,ingress.className=c,ingress.tls[0].secretName=s,startupProbe.initialDelaySeconds=1",
        "extraArgs[0]=--config=/c,extraEnvFrom[0].secretRef.name=s,dnsPolicy=None,dnsConfig.nameservers[0]=10.0.0.10",
        "hostAliases[0].ip=10.0.0.9,hostAliases[0].hostnames[0]=a,releaseClaims.podAnnotations.l=m",
        "extraInitContainers[0].name=i,extraInitContainers[0].image=i,extraContainers[0].name=b,extraContainers[0].image=b",
        "extraObjects[0].apiVersion=v1,extraObjects[0].kind=ConfigMap,extraObjects[0].metadata.name=extra",
    ];
    let file = tools.plane.directory().join("chart.yaml");
    for (settings, objects) in [(&[][..], 22), (&everything[..], 24)] {
        fs::write(&file, tools.helm(&["template"], "chart-dry-run", settings)).unwrap();
        let mut apply = Command::new(tools.plane.kubectl());
        // By one request for each object: other tests of this control plane apply the same ones meanwhile.
        apply.args(["apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict"]);
        apply.arg("--filename").arg(&file);
        apply.arg("--kubeconfig").arg(tools.plane.kubeconfig("admin").unwrap());
        let accepted = text(&mut apply);
        assert_eq!(accepted.lines().filter(|line| line.contains("(server dry run)")).count(), objects, "{accepted}");
    }
}

/// Whether the gateway's service account may do `verb` on `resource` of `group` in `namespace` (empty: anywhere).
async fn may(admin: &Client, verb: &str, group: &str, resource: &str, namespace: &str) -> bool {
    let account = format!("system:serviceaccount:{NAMESPACE}:gateway");
    user_may(admin, &account, verb, group, resource, namespace).await
}

async fn user_may(admin: &Client, user: &str, verb: &str, group: &str, resource: &str, namespace: &str) -> bool {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let review: SubjectAccessReview = serde_json::from_value(json!({ "spec": {
        "user": user,
        "resourceAttributes": { "verb": verb, "group": group, "resource": resource, "subresource": subresource,
            "namespace": namespace },
    }}))
    .unwrap();
    let review = Api::all(admin.clone()).create(&PostParams::default(), &review).await.unwrap();
    review.status.unwrap().allowed
}

async fn token(admin: &Client, namespace: &str, account: &str) -> String {
    let accounts: Api<ServiceAccount> = Api::namespaced(admin.clone(), namespace);
    let request = TokenRequest { spec: Some(TokenRequestSpec::default()), ..TokenRequest::default() };
    let answer = accounts.create_token_request(account, &PostParams::default(), &request).await.unwrap();
    answer.status.unwrap().token.unwrap()
}

/// A gateway with nothing but the token of the chart's service account.
async fn gateway(plane: &ControlPlane, token: String, settings: Config) -> Replica {
    let file = Kubeconfig::read_from(plane.kubeconfig("admin").unwrap()).unwrap();
    let mut cluster = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.unwrap();
    cluster.auth_info = kube::config::AuthInfo { token: Some(token.into()), ..Default::default() };
    let client = cluster::builder(cluster, Duration::from_secs(15)).unwrap().build();
    let replica =
        ReplicaSpec { config: settings, ..ReplicaSpec::new("gateway-0") }.start(client, Context::system()).unwrap();
    tokio::time::timeout(TIMEOUT, replica.ready()).await.expect("it may list and watch");
    replica
}

async fn send(replica: &Replica, token: Option<&str>, body: &Value) -> Exchange {
    let mut request = Request::post(PROMETHEUS).header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    exchange(replica.sender(), request.body(Body::from(body.to_string())).unwrap()).await
}

/// One alert on each kind that can be named by a label, in a namespace that is not managed: all are looked up.
fn about_everything(now: &str) -> Value {
    let labels = [
        "configmap",
        "cronjob",
        "daemonset",
        "deployment",
        "endpointslice",
        "hpa",
        "ingress",
        "job_name",
        "limitrange",
        "networkpolicy",
        "node",
        "persistentvolume",
        "persistentvolumeclaim",
        "pod",
        "poddisruptionbudget",
        "replicaset",
        "replicationcontroller",
        "resourcequota",
        "serviceaccount",
        "statefulset",
        "storageclass",
        "volumeattachment",
    ];
    let mut body = webhook("x", now);
    let alert = body["alerts"][0].take();
    let alerts = labels.iter().map(|label| {
        let mut alert = alert.clone();
        alert["labels"] = json!({ "alertname": "A", "namespace": "default", *label: "gone" });
        alert
    });
    body["alerts"] = alerts.collect();
    body
}

#[tokio::test]
async fn what_the_chart_grants_is_what_gateways_and_senders_need() {
    let Some(tools) = Tools::find().await else { return };
    let admin = tools.plane.admin().await.unwrap();
    namespace(&admin, NAMESPACE, json!({})).await;
    namespace(&admin, "shop", json!({ "kubernaut.ai/managed": "true" })).await;
    namespace(&admin, "senders", json!({})).await;
    for name in ["alertmanager", "stranger"] {
        let account: ServiceAccount = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
        Api::namespaced(admin.clone(), "senders").create(&PostParams::default(), &account).await.unwrap();
    }
    let sender = "rbac.senders[0].namespace=senders,rbac.senders[0].name=alertmanager";
    tools.helm(&["install"], NAMESPACE, &[sender]);

    // The authorizer learns of it by a watch.
    let deadline = tokio::time::Instant::now() + TIMEOUT;
    while !may(&admin, "list", "coordination.k8s.io", "leases", NAMESPACE).await
        || !may(&admin, "create", "authentication.k8s.io", "tokenreviews", "").await
    {
        assert!(tokio::time::Instant::now() < deadline, "the rights never came");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for verb in ["get", "create", "update", "delete", "list"] {
        assert!(may(&admin, verb, "coordination.k8s.io", "leases", NAMESPACE).await, "{verb} leases");
        assert!(!may(&admin, verb, "coordination.k8s.io", "leases", "default").await, "{verb} leases elsewhere");
    }
    let forbidden = [
        ("delete", "kubernaut.ai", "remediationrequests", NAMESPACE),
        ("create", "kubernaut.ai", "remediationrequests", "shop"),
        ("update", "kubernaut.ai", "remediationrequests/status", NAMESPACE),
        ("list", "", "pods", "shop"),
        ("get", "", "secrets", NAMESPACE),
        ("get", "", "pods/log", "shop"),
    ];
    for (verb, group, resource, namespace) in forbidden {
        assert!(!may(&admin, verb, group, resource, namespace).await, "{verb} {resource}");
    }

    people_look_and_end(&admin).await;
    let mut settings = config();
    settings.auth.mode = AuthMode::Kubernetes;
    settings.scope.require_managed_label = true;
    settings.events.enabled = true;
    settings.lock.collect_interval = Duration::from_secs(1);
    let replica = gateway(&tools.plane, token(&admin, NAMESPACE, "gateway").await, settings).await;
    let (sender, stranger) =
        (token(&admin, "senders", "alertmanager").await, token(&admin, "senders", "stranger").await);
    let now = Timestamp::now().to_string();
    let alert = webhook("checkout", &now);
    assert_eq!(send(&replica, None, &alert).await.status, 401);
    assert_eq!(send(&replica, Some(&stranger), &alert).await.status, 403);
    let created = send(&replica, Some(&sender), &alert).await;
    assert_eq!(created.status, 201, "{}", created.body);
    assert_eq!(send(&replica, Some(&sender), &alert).await.status, 202);
    // A successor needs a claim of the predecessor, and a patch that lets it go.
    let predecessor = created.body["remediationRequestName"].as_str().unwrap();
    end(&admin, predecessor).await;
    let deadline = tokio::time::Instant::now() + TIMEOUT;
    while !tools.describe(predecessor).contains("RemediationRequestCreated") {
        assert!(tokio::time::Instant::now() < deadline, "{}", tools.describe(predecessor));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let successor = loop {
        let answer = send(&replica, Some(&sender), &alert).await;
        if answer.status == 201 || tokio::time::Instant::now() > deadline {
            break answer;
        }
    };
    assert_eq!(successor.status, 201, "{}", successor.body);
    assert_eq!(send(&replica, Some(&sender), &about_everything(&now)).await.status, 200);
    // Until the collector has looked for leases.
    while replica.metric(r#"gateway_kubernetes_requests_total{code="ok",resource="leases",verb="list"}"#).is_none() {
        assert!(tokio::time::Instant::now() < deadline, "{}", replica.metrics());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let metrics = replica.metrics();
    let asked = |line: &&str| line.starts_with("gateway_kubernetes_requests_total");
    let resources = metrics.lines().filter(asked).filter(|line| line.contains(r#"verb="get""#)).count();
    assert!(resources > 20, "{metrics}");
    let refused: Vec<_> = metrics.lines().filter(asked).filter(|line| line.contains(r#"code="403""#)).collect();
    assert!(refused.is_empty(), "{refused:#?}");
    replica.shut_down().await;
}

/// Nothing here runs the controller that copies rules into `view` and `edit`, so whether these select the chart's roles is
/// one question, and what those grant when they are bound alone is another.
async fn people_look_and_end(admin: &Client) {
    let roles: Api<ClusterRole> = Api::all(admin.clone());
    for name in ["view", "edit"] {
        let selectors = roles.get(name).await.unwrap().aggregation_rule.unwrap().cluster_role_selectors.unwrap();
        let labels = roles.get(&format!("gateway-role-{name}")).await.unwrap().metadata.labels.unwrap();
        let wanted = selectors[0].match_labels.clone().unwrap();
        assert!(!wanted.is_empty() && wanted.iter().all(|(key, value)| labels.get(key) == Some(value)), "{name}");
        let binding: RoleBinding = serde_json::from_value(json!({
            "metadata": { "name": name },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                "name": format!("gateway-role-{name}") },
            "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name }],
        }))
        .unwrap();
        Api::namespaced(admin.clone(), NAMESPACE).create(&PostParams::default(), &binding).await.unwrap();
    }
    let rights = [
        ("view", "get", "remediationrequests", true),
        ("view", "watch", "remediationrequests/status", true),
        ("view", "patch", "remediationrequests", false),
        ("view", "delete", "remediationrequests", false),
        ("edit", "delete", "remediationrequests", true),
        ("edit", "patch", "remediationrequests/status", true),
        ("edit", "create", "remediationrequests", false),
    ];
    let deadline = tokio::time::Instant::now() + TIMEOUT;
    while !user_may(admin, "edit", "delete", "kubernaut.ai", "remediationrequests", NAMESPACE).await {
        assert!(tokio::time::Instant::now() < deadline, "the rights never came");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for (user, verb, resource, allowed) in rights {
        let answer = user_may(admin, user, verb, "kubernaut.ai", resource, NAMESPACE).await;
        assert_eq!(answer, allowed, "{user} {verb} {resource}");
    }
}

/// As a remediation controller would.
async fn end(admin: &Client, name: &str) {
    use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
    let gvk = GroupVersionKind::gvk("kubernaut.ai", "v1alpha1", "RemediationRequest");
    let resource = ApiResource::from_gvk_with_plural(&gvk, "remediationrequests");
    let requests: Api<DynamicObject> = Api::namespaced_with(admin.clone(), NAMESPACE, &resource);
    let patch = Patch::Merge(json!({ "status": { "overallPhase": "Completed" } }));
    let ended = requests.patch_status(name, &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(name_of(&serde_json::to_value(ended).unwrap()), name);
}

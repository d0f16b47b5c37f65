//! What may be set, and what is refused.

use std::{collections::BTreeSet, fs};

use gateway::config::{Config, Tls};
use rstest::rstest;
use serde_json::{Value, json};

use super::helm::{Helm, chart, yaml};

fn schema() -> Value {
    serde_json::from_str(&fs::read_to_string(chart().join("values.schema.json")).unwrap()).unwrap()
}

pub(crate) fn defaults() -> Value {
    yaml(&fs::read_to_string(chart().join("values.yaml")).unwrap())
}

/// The paths of all keys that `schema` knows by name; `definitions` are what it refers to.
fn known(schema: &Value, definitions: &Value) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let referred = schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/definitions/"));
    let schema = referred.map_or(schema, |name| &definitions[name]);
    for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
        all.extend(known(inner, definitions).into_iter().map(|rest| format!("{key}.{rest}")));
        all.insert(key.clone());
    }
    all
}

/// The paths of all keys in `value`.
fn keys(value: &Value) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for (key, inner) in value.as_object().into_iter().flatten() {
        all.extend(keys(inner).into_iter().map(|rest| format!("{key}.{rest}")));
        all.insert(key.clone());
    }
    all
}

#[test]
fn the_schema_knows_the_keys_of_the_gateways_configuration_but_those_that_the_chart_sets() {
    let mut config = Config::default();
    config.server.tls = Some(Tls::default());
    let of_the_chart = ["listenAddr", "healthAddr", "metricsAddr", "tls"].map(|key| format!("server.{key}"));
    let by_hand = |key: &String| of_the_chart.iter().any(|own| key.starts_with(own.as_str()));
    let expected: BTreeSet<_> =
        keys(&serde_json::to_value(config).unwrap()).into_iter().filter(|key| !by_hand(key)).collect();
    assert_eq!(known(&schema()["properties"]["config"], &schema()["definitions"]), expected);
}

#[test]
fn the_schema_knows_every_value_and_no_other() {
    let opaque = ["config.", "imagePullSecrets", "extraEnv"];
    let listed = |key: &String| !opaque.iter().any(|prefix| key.starts_with(prefix));
    let schema: BTreeSet<_> = known(&schema(), &schema()["definitions"]).into_iter().filter(listed).collect();
    let defaults = keys(&defaults());
    // Kubernetes has defaults of its own for what else a probe may say.
    let defaulted = |key: &&String| !key.contains("Probe.");
    let defaulted_here = defaults.iter().filter(|key| listed(key)).cloned().collect();
    let missing: Vec<_> = schema.difference(&defaulted_here).filter(defaulted).collect();
    assert!(missing.is_empty(), "{missing:?}");
    // Below maps that are passed on to Kubernetes as they are, names are Kubernetes' own.
    let passed_on = ["podSecurityContext.", "securityContext.", "resources.", "dashboard.labels."];
    let unknown = defaults.iter().filter(|key| listed(key) && !passed_on.iter().any(|p| key.starts_with(p)));
    assert_eq!(unknown.filter(|key| !schema.contains(*key)).count(), 0);
}

#[test]
fn sections_of_the_schema_are_closed() {
    fn check(path: &str, schema: &Value) {
        // Parent charts have values of their own in `global`.
        if schema.get("properties").is_some() && ![".extraEnv[]", ".global", ".httpRoute.then"].contains(&path) {
            assert_eq!(schema["additionalProperties"], false, "{path}");
        }
        for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
            check(&format!("{path}.{key}"), inner);
        }
        if let Some(items) = schema.get("items") {
            check(&format!("{path}[]"), items);
        }
    }
    check("", &schema());
    for (name, definition) in schema()["definitions"].as_object().unwrap() {
        check(name, definition);
    }
}

#[rstest]
#[case::unknown("nonsense: 1", "nonsense")]
#[case::misspelt("image: {repo: x}", "/image")]
#[case::no_number("replicaCount: many", "/replicaCount")]
#[case::negative("replicaCount: -1", "/replicaCount")]
#[case::strategy("strategy: {type: Rolling}", "/strategy/type")]
#[case::pull_policy("image: {pullPolicy: Sometimes}", "/image/pullPolicy")]
#[case::digest("image: {digest: abc}", "/image/digest")]
#[case::port("service: {port: 70000}", "/service/port")]
#[case::service_type("service: {type: ExternalName}", "/service/type")]
#[case::address_of_the_chart("config: {server: {listenAddr: '0.0.0.0:80'}}", "/config/server")]
#[case::unknown_config("config: {lock: {waitTimeout: 1s, luck: 2}}", "/config/lock")]
#[case::no_duration("config: {view: {freshness: 90}}", "/config/view/freshness")]
#[case::no_unit("config: {view: {freshness: '90'}}", "/config/view/freshness")]
#[case::units_in_disorder("config: {view: {freshness: 30s1m}}", "/config/view/freshness")]
#[case::nothing("config: {view: {freshness: ''}}", "/config/view/freshness")]
#[case::no_url("config: {datastorage: {url: 'ftp://x'}}", "/config/datastorage/url")]
#[case::auth_mode("config: {auth: {mode: basic}}", "/config/auth/mode")]
#[case::port_by_environment("extraEnv: [{name: GATEWAY__SERVER__HEALTH_ADDR, value: x}]", "set it by bindAddress")]
#[case::tls_by_environment("extraEnv: [{name: GATEWAY__SERVER__TLS__KEY_FILE, value: x}]", "set it by tls")]
#[case::file_by_environment("extraEnv: [{name: GATEWAY_CONFIG_FILE, value: x}]", "set it by extraArgs")]
#[case::rights_by_environment("extraEnv: [{name: GATEWAY__AUTH__MODE, value: none}]", "set it in config")]
#[case::datastorage_that_the_policy_does_not_know(
    "networkPolicy: {egress: {enabled: true}}\nextraEnv: [{name: GATEWAY__DATASTORAGE__URL, value: 'http://x'}]",
    "set it with networkPolicy.egress.datastoragePorts"
)]
#[case::collector_that_the_policy_does_not_know(
    "networkPolicy: {egress: {enabled: true}}\nextraEnv: [{name: GATEWAY__TRACING__ENDPOINT, value: 'http://x'}]",
    "set it with a rule in networkPolicy.egress.extra"
)]
#[case::no_such_alert(
    "prometheusRule: {enabled: true, disabled: [GatewaySlo]}",
    "disabled names GatewaySlo, but there are only GatewayAbsent"
)]
#[case::nothing_to_scale_by(
    "autoscaling: {enabled: true, targetCPUUtilizationPercentage: null}",
    "autoscaling.enabled needs something to scale by"
)]
#[case::share_of_nothing(
    "autoscaling: {enabled: true, targetMemoryUtilizationPercentage: 80}\nresources: {requests: {cpu: null, memory: null}}",
    "targetCPUUtilizationPercentage is a share of resources.requests.cpu, which is not set"
)]
#[case::replicas("autoscaling: {enabled: true, maxReplicas: 2}", "less than autoscaling.minReplicas")]
#[case::identity("extraEnv: [{name: POD_NAME, value: x}]", "/extraEnv/0/name")]
#[case::no_sleep("preStopSeconds: 0", "/preStopSeconds")]
#[case::sender_without_namespace("rbac: {senders: [{name: x}]}", "/rbac/senders/0")]
#[case::budget("podDisruptionBudget: {maxUnavailable: most}", "/podDisruptionBudget/maxUnavailable")]
#[case::label("commonLabels: {a: 1}", "/commonLabels/a")]
#[case::selecting_label("commonLabels: {app.kubernetes.io/name: x}", "/commonLabels")]
#[case::selecting_label_of_pods("podLabels: {app.kubernetes.io/instance: x}", "/podLabels")]
#[case::selecting_label_of_the_job(
    "releaseClaims: {podLabels: {app.kubernetes.io/name: x}}",
    "/releaseClaims/podLabels"
)]
#[case::handler_of_a_probe("livenessProbe: {exec: {command: [x]}}", "/livenessProbe")]
#[case::container_without_image("extraContainers: [{name: x}]", "/extraContainers/0")]
#[case::policy("service: {externalTrafficPolicy: Near}", "/service/externalTrafficPolicy")]
#[case::budget_of_both("podDisruptionBudget: {minAvailable: some}", "/podDisruptionBudget/minAvailable")]
#[case::route_to_nothing("httpRoute: {enabled: true}", "/httpRoute/parentRefs")]
#[case::no_hosts("ingress: {hosts: []}", "/ingress/hosts")]
#[case::timeout("serviceMonitor: {scrapeTimeout: long}", "/serviceMonitor/scrapeTimeout")]
#[case::client_certificates_without_tls("tls: {clientCa: true}", "tls.clientCa needs TLS")]
#[case::long_name("nameOverride: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "/nameOverride")]
#[case::pull_secret("global: {imagePullSecrets: [1]}", "/global/imagePullSecrets/0")]
fn a_bad_value_is_refused_by_its_path(#[case] values: &str, #[case] path: &str) {
    let Some(helm) = Helm::find() else { return };
    let complaint = helm.try_render(values).err().unwrap_or_else(|| panic!("{values} is accepted"));
    assert!(complaint.contains(path), "{complaint}");
}

#[test]
fn the_chart_is_one_that_helm_has_no_complaint_about() {
    let Some(helm) = Helm::find() else { return };
    helm.lint();
    let release = helm.render("");
    let expected =
        ["ClusterRole", "ClusterRoleBinding", "ConfigMap", "CustomResourceDefinition", "Deployment"].into_iter().chain(
            ["Job", "NetworkPolicy", "Pod", "PodDisruptionBudget", "Role", "RoleBinding", "Service", "ServiceAccount"],
        );
    let kinds: BTreeSet<_> = release.objects().iter().map(|object| object["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, expected.collect());
}

#[test]
fn names_follow_the_release_or_are_given() {
    let Some(helm) = Helm::find() else { return };
    let long = "a-name-that-is-longer-than-what-fits-into-a-label-of-kubernetes-with-suffixes";
    let release = helm.render(&format!("fullnameOverride: {long}"));
    for object in release.objects() {
        let name = object["metadata"]["name"].as_str().unwrap();
        assert!(name.len() <= 63 && !name.ends_with('-'), "{name}");
    }
    let release = helm.render("{nameOverride: receiver, rbac: {roleName: other}}");
    assert_eq!(release.named("Deployment", "gateway-receiver")["spec"]["replicas"], 3);
    let roles: Vec<_> = release.all("ClusterRole").map(|role| role["metadata"]["name"].clone()).collect();
    assert_eq!(roles.len(), 5);
    assert!(roles.iter().all(|name| name.as_str().unwrap().starts_with("other")), "{roles:?}");
}

#[rstest]
#[case::kept("", Some(true))]
#[case::removed("crd: {keep: false}", Some(false))]
#[case::somebody_elses("crd: {install: false}", None)]
fn the_crd_is_the_generated_one_and_outlives_the_release(#[case] values: &str, #[case] kept: Option<bool>) {
    let Some(helm) = Helm::find() else { return };
    let release = helm.render(values);
    let crds: Vec<_> = release.all("CustomResourceDefinition").collect();
    let Some(kept) = kept else {
        assert!(crds.is_empty());
        return;
    };
    let generated = yaml(&gateway::remediation::crd_yaml().unwrap());
    assert_eq!(crds[0]["spec"], generated["spec"]);
    assert_eq!(crds[0]["metadata"]["name"], generated["metadata"]["name"]);
    let policy = &crds[0]["metadata"]["annotations"]["helm.sh/resource-policy"];
    assert_eq!(*policy, if kept { json!("keep") } else { Value::Null });
}

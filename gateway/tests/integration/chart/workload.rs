//! What runs, and how it begins and ends.

use std::{io::Write as _, net::SocketAddr};

use gateway::config::{Config, RELOADABLE};
use rstest::rstest;
use serde_json::{Value, json};

use super::helm::{EVERYTHING, Helm, NAMESPACE};

fn load(text: &str) -> Config {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    Config::load(Some(file.path()), std::iter::empty()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn three_replicas_know_who_they_are() {
    let Some(helm) = Helm::find() else { return };
    let release = helm.render("");
    assert_eq!(release.named("Deployment", "gateway")["spec"]["replicas"], 3);
    let from = |path: &str| json!({ "fieldRef": { "fieldPath": path } });
    assert_eq!(
        release.container()["env"],
        json!([
            { "name": "GATEWAY_CONFIG_FILE", "value": "/etc/gateway/config.yaml" },
            { "name": "POD_NAME", "valueFrom": from("metadata.name") },
            { "name": "POD_NAMESPACE", "valueFrom": from("metadata.namespace") },
            { "name": "POD_UID", "valueFrom": from("metadata.uid") },
        ])
    );
}

#[rstest]
#[case::defaults("", Config::default())]
#[case::dual_stack("bindAddress: '[::]'", {
    let mut config = Config::default();
    config.server.listen_addr.set_ip("::".parse().unwrap());
    config.server.health_addr.set_ip("::".parse().unwrap());
    config.server.metrics_addr.set_ip("::".parse().unwrap());
    config
})]
#[case::own("terminationGracePeriodSeconds: 85\nreleaseClaims: {wait: 1m30s}\n\
    config: {server: {maxConnections: 7, drainTimeout: 1m1s}, scope: {requireManagedLabel: false}}", {
    let mut config = Config::default();
    config.server.max_connections = 7;
    config.server.drain_timeout = std::time::Duration::from_secs(61);
    config.scope.require_managed_label = false;
    config
})]
fn the_gateway_understands_the_configuration_that_is_rendered(#[case] values: &str, #[case] mut expected: Config) {
    let Some(helm) = Helm::find() else { return };
    // The chart grants what this needs.
    expected.signal.node_by_instance = true;
    let release = helm.render(values);
    assert_eq!(load(release.config()), expected);
    let mounts = &release.container()["volumeMounts"];
    assert_eq!(*mounts, json!([{ "name": "config", "mountPath": "/etc/gateway", "readOnly": true }]));
    assert_eq!(release.pod()["spec"]["volumes"], json!([{ "name": "config", "configMap": { "name": "gateway" } }]));
    let env = release.container()["env"].as_array().unwrap();
    assert!(env.contains(&json!({ "name": "GATEWAY_CONFIG_FILE", "value": "/etc/gateway/config.yaml" })));
    assert!(release.container()["args"].is_null());
}

#[test]
fn ports_and_probes_are_where_the_gateway_listens() {
    let Some(helm) = Helm::find() else { return };
    let release = helm.render("");
    let server = load(release.config()).server;
    let listens = |name: &str, address: SocketAddr| json!({ "name": name, "containerPort": address.port() });
    assert_eq!(
        release.container()["ports"],
        json!([
            listens("api", server.listen_addr),
            listens("health", server.health_addr),
            listens("metrics", server.metrics_addr),
        ])
    );
    for (probe, path) in [("livenessProbe", "/livez"), ("startupProbe", "/livez"), ("readinessProbe", "/readyz")] {
        assert_eq!(release.container()[probe]["httpGet"], json!({ "path": path, "port": "health" }), "{probe}");
    }
    let ports = |service: &str| release.named("Service", service)["spec"]["ports"].clone();
    assert_eq!(ports("gateway"), json!([{ "name": "api", "port": 8080, "targetPort": "api" }]));
    assert_eq!(ports("gateway-metrics"), json!([{ "name": "metrics", "port": 9090, "targetPort": "metrics" }]));
}

#[test]
fn a_pod_can_do_nothing_but_its_work() {
    let Some(helm) = Helm::find() else { return };
    let release = helm.render("");
    let (pod, container) = (&release.pod()["spec"], release.container());
    let expected = json!({ "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532,
        "seccompProfile": { "type": "RuntimeDefault" } });
    assert_eq!(pod["securityContext"], expected);
    let expected = json!({ "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
        "capabilities": { "drop": ["ALL"] } });
    assert_eq!(container["securityContext"], expected);
    assert_eq!((&pod["enableServiceLinks"], &pod["automountServiceAccountToken"]), (&json!(false), &json!(true)));
    let account = release.named("ServiceAccount", "gateway");
    assert_eq!(account["automountServiceAccountToken"], false);
    for bound in ["/requests/cpu", "/requests/memory", "/limits/memory"] {
        assert!(container["resources"].pointer(bound).is_some(), "{bound}");
    }
}

#[rstest]
#[case::default("", Ok(5))]
#[case::slow_proxies("preStopSeconds: 9", Ok(9))]
#[case::just_too_long("preStopSeconds: 15", Err("takes up to 45 s"))]
#[case::long_drain("config: {server: {drainTimeout: 1m}}", Err("takes up to 75 s"))]
#[case::drain_in_milliseconds("config: {server: {drainTimeout: 29500ms}}", Err("takes up to 45 s"))]
#[case::units("config: {server: {drainTimeout: 1m30s}}", Err("takes up to 105 s"))]
#[case::part_of_a_second("config: {server: {drainTimeout: 1h1m1s1ms}}", Err("takes up to 3677 s"))]
#[case::enough("{terminationGracePeriodSeconds: 80, config: {server: {drainTimeout: 1m}}}", Ok(5))]
#[case::too_short_a_wait("releaseClaims: {wait: 45s}", Err("releaseClaims.wait is 45s"))]
#[case::no_wait("releaseClaims: {enabled: false, wait: 45s}", Ok(5))]
fn a_pod_has_the_time_that_an_orderly_end_takes(#[case] values: &str, #[case] expected: Result<u64, &str>) {
    let Some(helm) = Helm::find() else { return };
    match (helm.try_render(values), expected) {
        (Ok(release), Ok(sleep)) => {
            assert_eq!(release.container()["lifecycle"]["preStop"], json!({ "sleep": { "seconds": sleep } }));
        }
        (Err(complaint), Err(why)) => assert!(complaint.contains(why), "{complaint}"),
        (result, _) => panic!("{values}: {:?}", result.err()),
    }
}

#[rstest]
#[case::default("", json!({ "type": "Recreate" }))]
#[case::reused_values_of_a_release_without_it("strategy: null", json!({ "type": "Recreate" }))]
#[case::same_protocol("strategy: {type: RollingUpdate}", json!({
    "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 0 },
}))]
#[case::in_a_full_cluster("strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 0, maxUnavailable: 50%}}", json!({
    "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 0, "maxUnavailable": "50%" },
}))]
fn no_new_pod_starts_beside_old_ones_unless_the_operator_says_so(#[case] values: &str, #[case] expected: Value) {
    let Some(helm) = Helm::find() else { return };
    assert_eq!(helm.render(values).named("Deployment", "gateway")["spec"]["strategy"], expected);
    let warned = helm.notes(values).contains("set it to Recreate before an upgrade");
    assert_eq!(warned, expected["type"] == "RollingUpdate");
}

#[test]
fn pods_are_replaced_when_their_configuration_changes_and_only_then() {
    let Some(helm) = Helm::find() else { return };
    let template = |values: &str| helm.render(values).pod().clone();
    let before = template("");
    assert!(before["metadata"]["annotations"]["checksum/config"].as_str().is_some_and(|sum| sum.len() == 64));
    assert_eq!(template("{replicaCount: 5, service: {port: 80}, podDisruptionBudget: {enabled: false}}"), before);
    assert_ne!(template("config: {lock: {waitTimeout: 1s}}"), before);
}

/// Each key that a running gateway follows, with a value that is not the chart's.
#[test]
fn pods_stay_when_only_that_changes_which_they_follow_anyway() {
    let Some(helm) = Helm::find() else { return };
    let before = helm.render("").pod().clone();
    let target = "{vm: {group: a.b, version: v1, kind: Vm, plural: vms}}";
    let values: [&str; RELOADABLE.len()] =
        ["'info,gateway=debug'", "false", "[snmp-exporter]", "['team=\"db\"']", "2048", target];
    for (key, value) in RELOADABLE.iter().zip(values) {
        let (section, key) = key.split_once('.').unwrap();
        let release = helm.render(&format!("config: {{{section}: {{{key}: {value}}}}}"));
        assert_eq!(*release.pod(), before, "{section}.{key}");
        assert_ne!(
            release.named("ConfigMap", "gateway"),
            helm.render("").named("ConfigMap", "gateway"),
            "{section}.{key}"
        );
    }
}

#[test]
fn everything_that_selects_pods_selects_these() {
    let Some(helm) = Helm::find() else { return };
    let release = helm.render("{serviceMonitor: {enabled: true}, podLabels: {team: a}, commonLabels: {part: b}}");
    let contains = |labels: &Value, selector: &Value| {
        selector.as_object().unwrap().iter().all(|(key, value)| labels[key] == *value)
    };
    let labels = &release.pod()["metadata"]["labels"];
    assert_eq!((&labels["team"], &labels["part"]), (&json!("a"), &json!("b")));
    let pod = &release.pod()["spec"];
    let selectors = [
        &release.named("Deployment", "gateway")["spec"]["selector"]["matchLabels"],
        &release.named("PodDisruptionBudget", "gateway")["spec"]["selector"]["matchLabels"],
        &release.named("NetworkPolicy", "gateway")["spec"]["podSelector"]["matchLabels"],
        &release.named("Service", "gateway")["spec"]["selector"],
        &release.named("Service", "gateway-metrics")["spec"]["selector"],
        &pod["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
        &pod["topologySpreadConstraints"][1]["labelSelector"]["matchLabels"],
    ];
    for selector in selectors {
        assert!(selector.as_object().is_some_and(|s| s.len() == 2) && contains(labels, selector), "{selector}");
    }
    let monitored = &release.named("ServiceMonitor", "gateway")["spec"]["selector"]["matchLabels"];
    let chosen: Vec<_> =
        release.all("Service").filter(|service| contains(&service["metadata"]["labels"], monitored)).collect();
    assert_eq!(chosen.len(), 1);
    assert_eq!(chosen[0]["metadata"]["name"], "gateway-metrics");
}

#[test]
fn every_object_is_labelled_and_in_the_release_s_namespace_or_in_none() {
    let Some(helm) = Helm::find() else { return };
    for (own, namespace) in [("", NAMESPACE), ("namespaceOverride: other", "other")] {
        let release = helm.render(&format!("{EVERYTHING}\n{own}"));
        assert_eq!(release.objects().len(), 29);
        for object in release.objects() {
            let (kind, metadata) = (object["kind"].as_str().unwrap(), &object["metadata"]);
            assert_eq!(metadata["labels"]["app.kubernetes.io/instance"], "gateway", "{kind}");
            assert_eq!(
                (&metadata["labels"]["team"], &metadata["annotations"]["note"]),
                (&json!("a"), &json!("b")),
                "{kind}"
            );
            let of_the_cluster = kind.starts_with("Cluster") || kind == "CustomResourceDefinition";
            assert_eq!(metadata["namespace"], if of_the_cluster { Value::Null } else { namespace.into() }, "{kind}");
            let subjects = object["subjects"].as_array().into_iter().flatten();
            assert!(subjects.into_iter().all(|subject| subject["namespace"] == namespace), "{kind}");
        }
        let pods = [release.pod(), &release.named("Job", "gateway-release")["spec"]["template"]];
        for pod in pods {
            let (labels, annotations) = (&pod["metadata"]["labels"], &pod["metadata"]["annotations"]);
            assert_eq!((&labels["team"], &annotations["note"]), (&json!("a"), &json!("b")));
        }
    }
}

#[test]
fn before_the_release_goes_a_job_ends_the_gateways_and_releases_their_claims() {
    let Some(helm) = Helm::find() else { return };
    let release = helm.render("image: {repository: r/g, tag: dev}");
    let job = release.named("Job", "gateway-release");
    let hook = |object: &Value, key: &str| object["metadata"]["annotations"][format!("helm.sh/{key}")].clone();
    for kind in ["ServiceAccount", "Role", "RoleBinding"] {
        let object = release.named(kind, "gateway-release");
        assert_eq!((hook(object, "hook"), hook(object, "hook-weight")), (json!("pre-delete"), json!("-1")), "{kind}");
    }
    assert_eq!((hook(job, "hook"), hook(job, "hook-weight")), (json!("pre-delete"), Value::Null), "after its rights");
    let pod = &job["spec"]["template"];
    let container = &pod["spec"]["containers"][0];
    let args = ["release-claims", "--namespace=kubernaut-system", "--scale-down=deployment/gateway", "--wait=90s"];
    assert_eq!((&container["image"], &container["args"]), (&json!("r/g:dev"), &json!(args)));
    assert_eq!(pod["spec"]["serviceAccountName"], "gateway-release");
    assert_eq!(container["securityContext"], release.container()["securityContext"]);
    assert_eq!(job["spec"]["activeDeadlineSeconds"], 330);
    let selector = &release.named("Deployment", "gateway")["spec"]["selector"]["matchLabels"];
    let selected = selector.as_object().unwrap().iter().all(|(key, value)| pod["metadata"]["labels"][key] == *value);
    assert!(!selected, "it would wait for itself");
    assert_eq!(
        release.named("Role", "gateway-release")["rules"],
        json!([
            { "apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["gateway"], "verbs": ["get"] },
            { "apiGroups": ["apps"], "resources": ["deployments/scale"], "resourceNames": ["gateway"], "verbs": ["patch"] },
            { "apiGroups": [""], "resources": ["pods"], "verbs": ["list"] },
            { "apiGroups": ["kubernaut.ai"], "resources": ["remediationrequests"], "verbs": ["list", "patch"] },
        ])
    );
    assert_eq!(helm.render("releaseClaims: {enabled: false}").all("Job").count(), 0);
}

#[test]
fn tls_is_configured_and_mounted_together() {
    let Some(helm) = Helm::find() else { return };
    let release = helm.render("tls: {secretName: certificate, clientCa: true}");
    let config = super::helm::yaml(release.config());
    let expected = json!({ "certFile": "/etc/gateway-tls/tls.crt", "keyFile": "/etc/gateway-tls/tls.key",
        "clientCaFile": "/etc/gateway-tls/ca.crt" });
    assert_eq!(config["server"]["tls"], expected);
    let mount = json!({ "name": "tls", "mountPath": "/etc/gateway-tls", "readOnly": true });
    assert_eq!(release.container()["volumeMounts"][1], mount);
    assert_eq!(
        release.pod()["spec"]["volumes"][1],
        json!({ "name": "tls", "secret": { "secretName": "certificate" } })
    );
}

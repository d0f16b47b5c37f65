//! What operators may add to pods, and what they may leave out.

use rstest::rstest;
use serde_json::{Value, json};

use super::helm::{Helm, yaml};

#[rstest]
#[case::version("image: {repository: r/g}", concat!("r/g:", env!("CARGO_PKG_VERSION")))]
#[case::tag("image: {repository: r/g, tag: dev}", "r/g:dev")]
#[case::digest(
    "image: {repository: r/g, tag: dev, digest: 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'}",
    "r/g@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)]
#[case::registry("image: {registry: 'r:5000', repository: g}", concat!("r:5000/g:", env!("CARGO_PKG_VERSION")))]
#[case::registry_of_the_parent("{image: {registry: r, repository: g}, global: {imageRegistry: p}}", concat!("p/g:", env!("CARGO_PKG_VERSION")))]
fn the_image_is_named_by_registry_and_tag_or_digest(#[case] values: &str, #[case] image: &str) {
    let Some(helm) = Helm::find() else { return };
    let release = helm.render(values);
    assert_eq!(release.container()["image"], image);
    assert_eq!(release.named("Job", "gateway-release")["spec"]["template"]["spec"]["containers"][0]["image"], image);
}

#[test]
fn secrets_for_registries_come_from_the_parent_chart_and_from_this_one() {
    let Some(helm) = Helm::find() else { return };
    let release = helm.render("{global: {imagePullSecrets: [a, {name: b}]}, imagePullSecrets: [{name: c}]}");
    let job = &release.named("Job", "gateway-release")["spec"]["template"]["spec"];
    for pod in [&release.pod()["spec"], job, &release.named("Pod", "gateway-test")["spec"]] {
        assert_eq!(pod["imagePullSecrets"], json!([{ "name": "a" }, { "name": "b" }, { "name": "c" }]));
    }
    assert_eq!(helm.render("").pod()["spec"]["imagePullSecrets"], Value::Null);
}

#[rstest]
#[case::slow("livenessProbe: {timeoutSeconds: 9}", "livenessProbe", json!({
    "httpGet": { "path": "/livez", "port": "health" }, "periodSeconds": 10, "timeoutSeconds": 9, "failureThreshold": 3,
}))]
#[case::none("startupProbe: null", "startupProbe", Value::Null)]
fn probes_are_the_chart_s_at_the_operator_s_pace(#[case] values: &str, #[case] name: &str, #[case] probe: Value) {
    let Some(helm) = Helm::find() else { return };
    let release = helm.render(values);
    assert_eq!(release.container()[name], probe);
    assert_eq!(release.container()["readinessProbe"]["httpGet"]["path"], "/readyz");
}

/// In the pod, by JSON pointer.
#[rstest]
#[case::arguments("extraArgs: [--config=/own.yaml]", "/containers/0/args", "[--config=/own.yaml]")]
#[case::environment("extraEnv: [{name: A, value: b}]", "/containers/0/env/4", "{name: A, value: b}")]
#[case::environment_from("extraEnvFrom: [{secretRef: {name: s}}]", "/containers/0/envFrom", "[{secretRef: {name: s}}]")]
#[case::before("extraInitContainers: [{name: i, image: j}]", "/initContainers", "[{name: i, image: j}]")]
#[case::beside("extraContainers: [{name: p, image: q}]", "/containers/1", "{name: p, image: q}")]
#[case::volume("extraVolumes: [{name: v, emptyDir: {}}]", "/volumes/1", "{name: v, emptyDir: {}}")]
#[case::mount(
    "extraVolumeMounts: [{name: v, mountPath: /v}]",
    "/containers/0/volumeMounts/1",
    "{name: v, mountPath: /v}"
)]
#[case::resolver("dnsPolicy: Default", "/dnsPolicy", "Default")]
#[case::resolver_options("dnsConfig: {options: [{name: ndots, value: '1'}]}", "/dnsConfig/options/0/name", "ndots")]
#[case::hosts("hostAliases: [{ip: 10.0.0.1, hostnames: [a]}]", "/hostAliases/0/hostnames", "[a]")]
#[case::runtime("runtimeClassName: gvisor", "/runtimeClassName", "gvisor")]
#[case::priority("priorityClassName: high", "/priorityClassName", "high")]
#[case::tolerations("tolerations: [{operator: Exists}]", "/tolerations", "[{operator: Exists}]")]
fn what_is_added_to_pods_is_there_and_nowhere_by_default(
    #[case] values: &str,
    #[case] pointer: &str,
    #[case] expected: &str,
) {
    let Some(helm) = Helm::find() else { return };
    assert_eq!(helm.render(values).pod()["spec"].pointer(pointer), Some(&yaml(expected)));
    assert_eq!(helm.render("").pod()["spec"].pointer(pointer), None);
}

#[rstest]
#[case::default("", json!(10))]
#[case::none_kept("revisionHistoryLimit: 0", json!(0))]
#[case::as_kubernetes_has_it("revisionHistoryLimit: null", Value::Null)]
fn as_many_revisions_are_kept_as_are_asked_for(#[case] values: &str, #[case] limit: Value) {
    let Some(helm) = Helm::find() else { return };
    assert_eq!(helm.render(values).named("Deployment", "gateway")["spec"]["revisionHistoryLimit"], limit);
}

#[test]
fn annotations_go_where_they_are_meant_to_and_hooks_remain_hooks() {
    let Some(helm) = Helm::find() else { return };
    let values = "{commonAnnotations: {helm.sh/hook-delete-policy: none, a: all}, deploymentAnnotations: {a: deployment}, podAnnotations: {a: pod},
        service: {annotations: {a: service}, labels: {l: service}, metrics: {annotations: {a: metrics}, labels: {l: metrics}}},
        crd: {annotations: {a: crd}}, podDisruptionBudget: {annotations: {a: budget}}, networkPolicy: {annotations: {a: policy}},
        releaseClaims: {podAnnotations: {a: job}}}";
    let release = helm.render(values);
    let of = |kind: &str, name: &str| release.named(kind, name)["metadata"]["annotations"]["a"].clone();
    assert_eq!(of("Deployment", "gateway"), "deployment");
    assert_eq!(release.pod()["metadata"]["annotations"]["a"], "pod");
    assert_eq!((of("Service", "gateway"), of("Service", "gateway-metrics")), (json!("service"), json!("metrics")));
    assert_eq!(release.named("Service", "gateway-metrics")["metadata"]["labels"]["l"], "metrics");
    assert_eq!(of("CustomResourceDefinition", "remediationrequests.kubernaut.ai"), "crd");
    assert_eq!(
        (of("PodDisruptionBudget", "gateway"), of("NetworkPolicy", "gateway")),
        (json!("budget"), json!("policy"))
    );
    assert_eq!(of("ConfigMap", "gateway"), "all");
    let job = release.named("Job", "gateway-release");
    let policy = &job["metadata"]["annotations"]["helm.sh/hook-delete-policy"];
    assert_eq!(*policy, "before-hook-creation,hook-succeeded");
    assert_eq!(job["spec"]["template"]["metadata"]["annotations"]["a"], "job");
}

#[test]
fn more_objects_are_part_of_the_release_with_their_templates_filled_in() {
    let Some(helm) = Helm::find() else { return };
    let values = r#"
extraObjects:
  - {apiVersion: v1, kind: Secret, metadata: {name: "{{ .Release.Name }}-more"}}
  - |
    apiVersion: v1
    kind: Secret
    metadata: {name: {{ include "gateway.fullname" . }}-text}
"#;
    let release = helm.render(values);
    let names: Vec<_> = release.all("Secret").map(|secret| secret["metadata"]["name"].clone()).collect();
    assert_eq!(names, ["gateway-more", "gateway-text"]);
}

#[test]
fn a_release_that_reuses_the_values_of_the_first_version_gets_what_it_had() {
    let Some(helm) = Helm::find() else { return };
    let new = [
        "global",
        "revisionHistoryLimit",
        "autoscaling",
        "namespaceOverride",
        "commonAnnotations",
        "certificate",
        "ingress",
        "httpRoute",
        "deploymentAnnotations",
        "runtimeClassName",
        "dnsPolicy",
        "dnsConfig",
        "hostAliases",
        "extraEnvFrom",
        "extraArgs",
        "extraInitContainers",
        "extraContainers",
        "extraObjects",
        "tests",
    ];
    let values: String = new.iter().map(|name| format!("{name}: null\n")).collect();
    let within = "crd: {annotations: null, adopt: null}
podDisruptionBudget: {minAvailable: null, unhealthyPodEvictionPolicy: null, annotations: null}
service: {metrics: null, labels: null, ipFamilies: null}
runbookUrl: null
networkPolicy: {egress: {enabled: true, dnsPorts: null, apiServerPorts: null, datastoragePorts: null}}
prometheusRule: {enabled: true, absentSelector: null, disabled: null, silence: null, certificateExpiryDays: null, additionalRuleLabels: null}
dashboard: {enabled: true, annotations: null, folder: null, folderAnnotation: null, namespace: null}
serviceMonitor: {enabled: true, annotations: null, relabelings: null, namespace: null, scrapeTimeout: null}";
    let release = helm.render(&format!("{values}{within}"));
    assert_eq!(release.named("PodDisruptionBudget", "gateway")["spec"]["maxUnavailable"], 1);
    assert_eq!(release.pod()["spec"]["containers"][0]["image"], concat!("signal-gateway:", env!("CARGO_PKG_VERSION")));
    assert_eq!(release.all("Pod").count(), 0);
    // A rule without ports would open all of them.
    let rules = release.named("NetworkPolicy", "gateway")["spec"]["egress"].as_array().unwrap().clone();
    assert!(rules.iter().all(|rule| rule["ports"].is_array()), "{rules:?}");
}

#[test]
fn the_test_of_a_release_sends_what_creates_nothing_with_the_right_to_send() {
    let Some(helm) = Helm::find() else { return };
    let script = |release: &super::helm::Release| -> String {
        release.named("Pod", "gateway-test")["spec"]["containers"][0]["command"][2].as_str().unwrap().to_owned()
    };
    let release = helm.render("");
    let pod = release.named("Pod", "gateway-test");
    assert_eq!(pod["metadata"]["annotations"]["helm.sh/hook"], "test");
    assert_eq!(
        (&pod["spec"]["serviceAccountName"], &pod["spec"]["automountServiceAccountToken"]),
        (&json!("gateway-test"), &json!(true))
    );
    assert!(script(&release).contains("http://gateway.kubernaut-system:8080/api/v1/signals/prometheus"));
    assert!(script(&release).contains(r#"{"alerts": [{"status": "resolved", "labels": {"alertname": "HelmTest"}}]}"#));
    let binding = release.named("ClusterRoleBinding", "gateway-role-test");
    assert_eq!(
        (&binding["roleRef"]["name"], &binding["subjects"][0]["name"]),
        (&json!("gateway-role-sender"), &json!("gateway-test"))
    );
    let selector = &release.named("Service", "gateway")["spec"]["selector"];
    assert_ne!(
        pod["metadata"]["labels"]["app.kubernetes.io/name"], selector["app.kubernetes.io/name"],
        "it is sent nothing"
    );
    assert!(script(&helm.render("tls: {secretName: s}")).contains("https://gateway."));

    let open = helm.render("{config: {auth: {mode: none}}, rbac: {create: false}}");
    assert_eq!(open.named("Pod", "gateway-test")["spec"]["automountServiceAccountToken"], false);
    for without in ["tests: {enabled: false}", "tls: {secretName: s, clientCa: true}", "rbac: {create: false}"] {
        assert_eq!(helm.render(without).all("Pod").count(), 0, "{without}");
        assert!(!helm.notes(without).contains("helm test"), "{without}");
    }
}

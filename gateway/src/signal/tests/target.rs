//! Which resource an alert is about.

use std::collections::BTreeMap;

use rstest::rstest;
use serde_json::Value;

use super::sent_of;
use crate::{
    remediation::{Fingerprint, TargetResource},
    signal::{Rules, candidates, kind, target},
};

fn target_of(labels: &[(&str, &str)]) -> String {
    let TargetResource { api_version, kind, name, namespace } = sent_of(labels).target;
    format!("{api_version} {kind} {namespace}/{name}")
}

#[rstest]
#[case(&[("pod", "a-0")], "v1 Pod shop/a-0")]
#[case(&[("deployment", "a")], "apps/v1 Deployment shop/a")]
#[case(&[("statefulset", "a")], "apps/v1 StatefulSet shop/a")]
#[case(&[("daemonset", "a")], "apps/v1 DaemonSet shop/a")]
#[case(&[("replicaset", "a")], "apps/v1 ReplicaSet shop/a")]
#[case(&[("job_name", "a")], "batch/v1 Job shop/a")]
#[case(&[("cronjob", "a")], "batch/v1 CronJob shop/a")]
#[case(&[("horizontalpodautoscaler", "a")], "autoscaling/v2 HorizontalPodAutoscaler shop/a")]
#[case(&[("persistentvolumeclaim", "a")], "v1 PersistentVolumeClaim shop/a")]
#[case(&[("poddisruptionbudget", "a")], "policy/v1 PodDisruptionBudget shop/a")]
#[case(&[("persistentvolume", "pvc-1")], "v1 PersistentVolume /pvc-1")]
#[case(&[("node", "ip-10-0-0-1.eu.internal"), ("namespace", "")], "v1 Node /ip-10-0-0-1.eu.internal")]
fn a_label_names_the_kind(#[case] labels: &[(&str, &str)], #[case] target: &str) {
    assert_eq!(target_of(labels), target);
}

#[rstest]
#[case(&[("pod", "a-0"), ("deployment", "a")], "apps/v1 Deployment shop/a")]
#[case(&[("pod", "a-0"), ("replicaset", "a")], "v1 Pod shop/a-0")]
#[case(&[("pod", "a-0"), ("ingress", "a")], "networking.k8s.io/v1 Ingress shop/a")]
#[case(&[("persistentvolume", "pv"), ("persistentvolumeclaim", "c")], "v1 PersistentVolumeClaim shop/c")]
#[case(&[("job_name", "j"), ("cronjob", "c")], "batch/v1 CronJob shop/c")]
#[case(&[("pod", "exporter-0"), ("exported_pod", "a-0"), ("exported_namespace", "real")], "v1 Pod real/a-0")]
#[case(&[("hpa", "old"), ("horizontalpodautoscaler", "new")], "autoscaling/v2 HorizontalPodAutoscaler shop/new")]
fn controllers_win_over_managed_kinds_and_those_over_leaves(#[case] labels: &[(&str, &str)], #[case] target: &str) {
    assert_eq!(target_of(labels), target);
}

/// Where Services are scraped by annotations without `honor_labels`, `namespace` collides and `pod` does not.
#[rstest]
#[case(&[("namespace", "monitoring"), ("exported_namespace", "shop"), ("pod", "a-0"), ("uid", "1")], "v1 Pod shop/a-0")]
#[case(&[("namespace", "monitoring"), ("exported_namespace", "monitoring"), ("pod", "a-0"), ("uid", "1")], "v1 Pod monitoring/a-0")]
#[case(&[("namespace", "monitoring"), ("exported_namespace", "monitoring"), ("pod", "a-0")], " Alert monitoring/")]
#[case(&[("namespace", "monitoring"), ("exported_namespace", "shop"), ("pod", "kube-state-metrics-0"), ("uid", "1")], " Alert shop/")]
fn a_pod_that_did_not_collide_is_the_subject_if_kube_state_metrics_tells_its_uid(
    #[case] labels: &[(&str, &str)],
    #[case] target: &str,
) {
    let labels = [labels, &[("job", "kubernetes-service-endpoints"), ("service", "kube-state-metrics")]].concat();
    let found = target_of(&labels);
    assert!(found.starts_with(target), "{found}");
}

#[test]
fn what_describes_the_scrape_is_never_a_target() {
    let reserved = ["job", "service", "instance", "endpoint", "container", "namespace"];
    let known = kind::KINDS.iter().flat_map(|kind| kind.labels);
    assert!(known.into_iter().all(|label| !reserved.contains(label)));
    let labels = reserved.map(|label| (label, "kube-state-metrics"));
    assert_eq!(sent_of(&labels).target.kind, target::ALERT_KIND);
}

#[test]
fn the_table_is_sorted_so_that_kinds_are_found_and_ties_are_decided_by_name() {
    assert!(kind::KINDS.is_sorted_by(|a, b| a.name < b.name));
    assert!(kind::KINDS.iter().all(|kind| kind::Kind::named(&kind.name) == Some(kind)));
}

#[test]
fn a_namespaced_resource_without_namespace_is_in_default() {
    let labels = BTreeMap::from([("deployment".to_owned(), "a".to_owned())]);
    let candidates = candidates::of_labels(&labels, None, &Rules::default());
    assert_eq!(candidates.unseen().namespace, "default");
}

#[rstest]
#[case(&[("pod", "")], "Alert shop")]
#[case(&[("pod", "Pod_A")], "Alert shop")]
#[case(&[("pod", "-a")], "Alert shop")]
#[case(&[("pod", "a..b")], "Alert shop")]
#[case(&[("pod", "a"), ("node", "rabbit@host")], "Pod shop")]
#[case(&[("deployment", "A"), ("pod", "a-0")], "Pod shop")]
#[case(&[("pod", "a-0"), ("namespace", "a.b")], "Pod default")]
#[case(&[("pod", "a-0"), ("exported_namespace", "")], "Pod shop")]
#[case(&[("namespace", "AWS/RDS")], "Alert default")]
fn a_value_that_no_object_can_have_names_nothing(#[case] labels: &[(&str, &str)], #[case] expected: &str) {
    let TargetResource { kind, namespace, .. } = sent_of(labels).target;
    assert_eq!(format!("{kind} {namespace}"), expected);
}

#[test]
fn alerts_that_name_no_resource_have_incidents_of_their_own() {
    let (one, other) = (sent_of(&[("queue", "a")]).target, sent_of(&[("queue", "b")]).target);
    assert_eq!((one.kind.as_str(), one.namespace.as_str(), one.api_version.as_str()), ("Alert", "shop", ""));
    assert_ne!(one, other);
    assert_ne!(Fingerprint::of_target(None, &one), Fingerprint::of_target(None, &other));
}

#[test]
fn an_alert_without_fingerprint_gets_the_one_alertmanager_would_have_sent() {
    let body = include_str!("../../../tests/fixtures/alertmanager/firing_group.json");
    let body: Value = serde_json::from_str(body).unwrap();
    for alert in body["alerts"].as_array().unwrap() {
        let labels: BTreeMap<String, String> = serde_json::from_value(alert["labels"].clone()).unwrap();
        assert_eq!(target::alertmanager_fingerprint(&labels), alert["fingerprint"].as_str().unwrap());
    }
}

#[rstest]
#[case(Some("10DB17875a7d824a"), "10db17875a7d824a")]
#[case(Some("no hex"), "003b0a0f7d3fa569")]
#[case(Some(""), "003b0a0f7d3fa569")]
#[case(None, "003b0a0f7d3fa569")]
fn a_fingerprint_that_is_sent_counts_if_it_is_one(#[case] sent: Option<&str>, #[case] name: &str) {
    let labels = BTreeMap::from([("alertname".to_owned(), "Watchdog".to_owned())]);
    assert_eq!(target::of_alert(&labels, sent, String::new()).name, name);
}

#[test]
fn the_incident_is_the_sha256_of_namespace_kind_and_name() {
    let target = sent_of(&[("deployment", "checkout")]).target;
    assert_eq!(Fingerprint::of_target(None, &target), Fingerprint::of("shop:Deployment:checkout"));
    assert_eq!(Fingerprint::of_target(Some("eu-1"), &target), Fingerprint::of("eu-1:shop:Deployment:checkout"));
}

//! One subject, one incident: over random clusters and all that honest exporters tell of them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
};

use super::{
    ITSELF, Labels,
    cluster::{self, NAMESPACES, Workload},
    honest::{Honest, Subject, honest},
    in_virtual_time, shown,
    world::World,
};
use crate::{config::Signals, remediation::Fingerprint, signal::kind::KINDS};

fn nodes_by_address() -> Signals {
    Signals { node_by_instance: true, ..Signals::default() }
}

/// A cluster and honest alerts about what is in it.
fn cluster_and_alerts() -> impl Strategy<Value = (Vec<Workload>, Vec<Honest>)> {
    cluster::workloads().prop_flat_map(|workloads| {
        let alerts = vec(honest(workloads.clone()), 1..24);
        (Just(workloads), alerts)
    })
}

/// A label that names nothing.
fn noise() -> impl Strategy<Value = (String, String)> {
    let unknown = [
        "team",
        "reason",
        "exported_job",
        "exported_service",
        "exported_instance",
        "exported_endpoint",
        "exported_container",
        "endpoint",
        "container",
        "k8s_pod_uid",
        "k8s.cluster.name",
        "k8s_gadget_name",
        "kubernetes_pod_ip",
        "Pod",
        "pod ",
        "exported_",
        "exported_exported_pod",
        "pöd",
    ];
    let known: Vec<_> = KINDS.iter().flat_map(|kind| kind.labels).copied().collect();
    let others = [
        "namespace",
        "k8s_pod_name",
        "k8s.deployment.name",
        "k8s_namespace_name",
        "kubernetes_pod_name",
        "kubernetes_node",
    ];
    let known = (select([&known[..], &others[..]].concat()), any::<bool>())
        .prop_map(|(label, exported)| if exported { format!("exported_{label}") } else { label.to_owned() });
    let invalid = vec!["", "Rabbit@Host", "-a", "a_b", "a..b", "AWS/RDS", "Windowed WordCount", "a/b", "ä", " "];
    prop_oneof![
        (select(unknown.to_vec()).prop_map(str::to_owned), "[a-z0-9-]{1,9}|[ -~]{0,9}"),
        (known, select(invalid).prop_map(str::to_owned)),
        (select(vec!["uid", "phase", "nodename"]).prop_map(str::to_owned), Just(String::new())),
    ]
}

/// Labels of any kinds and voices at once, of names that exist and names that do not; a quarter are of what is gone.
fn mixed_labels() -> impl Strategy<Value = Labels> {
    prop_oneof![3 => any_labels(), 1 => labels_of_the_gone()]
}

/// Labels of one thing that is gone and was never seen, beside a workload that may be there.
fn labels_of_the_gone() -> impl Strategy<Value = Labels> {
    let workload = select(vec!["web", "api", "web-api", "web-1", "web-0", "gone"]);
    let owned = vec!["-7d9f8b6cb", "-29410080", "-7d9f8b6cb-zzzzz", "-29410080-zzzzz", "-zzzzz", "-3-zzzzz", "-7"];
    let label = select(vec!["pod", "pod", "replicaset", "job_name"]);
    (select(NAMESPACES.to_vec()), workload, select(owned), label).prop_map(|(namespace, workload, suffix, label)| {
        super::labels(&[("namespace", namespace), (label, &format!("{workload}{suffix}"))])
    })
}

/// Labels of a pod of each of the workloads, one that is gone.
fn gone_pods(workloads: &[Workload]) -> impl Iterator<Item = Labels> {
    workloads.iter().filter_map(|workload| {
        let mut pod = workload.pods.first()?.clone();
        pod.pop();
        Some(super::labels(&[("namespace", workload.namespace), ("pod", &format!("{pod}z"))]))
    })
}

fn any_labels() -> impl Strategy<Value = Labels> {
    let known: Vec<_> = KINDS.iter().flat_map(|kind| kind.labels).copied().collect();
    let others = [
        "namespace",
        "namespace",
        "pod",
        "node",
        "deployment",
        "replicaset",
        "k8s_pod_name",
        "k8s_namespace_name",
        "kubernetes_namespace",
        "kubernetes_pod_name",
        "kubernetes_node",
        "job",
        "service",
        "uid",
        "phase",
    ];
    let label = prop_oneof![select(known), select(others.to_vec())];
    let label = (label, prop::bool::weighted(0.25))
        .prop_map(|(label, exported)| if exported { format!("exported_{label}") } else { label.to_owned() });
    let values = vec![
        "shop",
        "store",
        "elsewhere",
        "web",
        "api",
        "web-1",
        "api-0",
        "worker-1",
        "web-7d9f8b6cb",
        "web-7d9f8b6cb-x2kbb",
        "gone-7d9f8b6cb-x2kbb",
        "web-29410080",
        "gone-29410080-x2kbb",
        "kube-state-metrics",
        "kubelet",
        "node-exporter",
        "Active",
        "stack-kube-state-metrics-6c9d4f7b8-x2k4q",
        "monitoring",
    ];
    proptest::collection::btree_map(label, select(values).prop_map(str::to_owned), 1..8)
}

/// Whether `labels` name the `kind` called `name`.
fn names(labels: &Labels, kind: &str, name: &str) -> bool {
    let spelled = |label: &str| {
        label.to_lowercase().contains(&kind.to_lowercase())
            || (kind == "Job" && label.contains("job"))
            || (kind == "HorizontalPodAutoscaler" && label.ends_with("hpa"))
            || (kind == "Namespace" && label.contains("namespace"))
    };
    labels.iter().any(|(label, value)| value == name && spelled(label))
}

/// A quarter of the usual number: each case builds a cluster.
fn cases() -> ProptestConfig {
    let usual = ProptestConfig::default();
    let cases = usual.cases.div_ceil(4);
    // About twenty alerts per case are of exporters that do not tell of their subject.
    ProptestConfig { cases, max_local_rejects: cases.saturating_mul(1000), ..usual }
}

proptest! {
    #![proptest_config(cases())]

    /// Whatever scrapes it, and whichever of its objects is named: the expected target of each alert is computed from the
    /// cluster alone, so alerts about one subject meet and alerts about two never do.
    #[test]
    fn an_honest_alert_is_about_its_subject_however_it_was_scraped(
        (workloads, alerts) in cluster_and_alerts(),
        keys in vec(any::<u8>(), 16),
    ) {
        in_virtual_time(async {
            let world = World::unscoped_with(&nodes_by_address());
            cluster::build(&world, &workloads, &keys);
            let mut incidents = BTreeMap::<Fingerprint, String>::new();
            let mut subjects = BTreeMap::<String, Fingerprint>::new();
            for alert in &alerts {
                let labels = alert.labels(&workloads).unwrap();
                let signal = world.resolve_labels(&labels).await.unwrap();
                let subject = alert.target(&workloads);
                prop_assert_eq!(shown(&signal.target), subject.clone(), "{:?} {:#?}", alert, labels);
                let known = incidents.entry(signal.fingerprint.clone()).or_insert_with(|| subject.clone());
                prop_assert_eq!(&*known, &subject);
                let known = subjects.entry(subject).or_insert_with(|| signal.fingerprint.clone());
                prop_assert_eq!(&*known, &signal.fingerprint);
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_label_that_names_nothing_changes_nothing(
        (workloads, alerts) in cluster_and_alerts(),
        mixed in vec(mixed_labels(), 1..8),
        noises in vec(noise(), 1..6),
    ) {
        in_virtual_time(async {
            let world = World::unscoped_with(&nodes_by_address());
            cluster::build(&world, &workloads, &[]);
            let honest = alerts.iter().map(|alert| alert.labels(&workloads).unwrap());
            for labels in honest.chain(mixed) {
                let mut noisy = labels.clone();
                for (label, value) in &noises {
                    noisy.entry(label.clone()).or_insert_with(|| value.clone());
                }
                let signal = world.resolve_labels(&labels).await.unwrap();
                let other = world.resolve_labels(&noisy).await.unwrap();
                prop_assert_eq!(&signal.target, &other.target, "{:#?} {:#?}", labels, noisy);
                prop_assert_eq!(signal.fingerprint, other.fingerprint);
            }
            Ok(())
        })?;
    }

    #[test]
    fn a_target_exists_or_is_named_or_is_the_alert_itself(
        workloads in cluster::workloads(),
        mixed in vec(mixed_labels(), 1..24),
    ) {
        in_virtual_time(async {
            let world = World::unscoped_with(&nodes_by_address());
            cluster::build(&world, &workloads, &[]);
            let paths = world.paths();
            let unknown: BTreeSet<_> = workloads.iter().map(|workload| workload.target(0)).collect();
            for labels in mixed {
                let target = world.resolve_labels(&labels).await.unwrap().target;
                let shown = shown(&target);
                let exists = unknown.contains(&shown) || paths.iter().any(|path| {
                    let plural = KINDS.iter().find(|kind| *kind.name == *target.kind).map_or("", |kind| &*kind.plural);
                    let namespace = if target.namespace.is_empty() { String::new() } else { format!("/namespaces/{}", target.namespace) };
                    path.ends_with(&format!("{namespace}/{plural}/{}", target.name))
                });
                let is_itself = target.kind == "Alert" && target.name == ITSELF;
                let is_named = names(&labels, &target.kind, &target.name);
                let begins = |value: &String| value.starts_with(&format!("{}-", target.name));
                let is_told = ["Deployment", "CronJob"].contains(&&*target.kind) && labels.values().any(begins);
                let is_unknown_here = !NAMESPACES.contains(&&*target.namespace);
                prop_assert!(exists || is_itself || is_named || (is_told && is_unknown_here), "{} {:#?}", shown, labels);
                if !target.namespace.is_empty() && target.namespace != "default" {
                    prop_assert!(labels.values().any(|value| *value == target.namespace), "{} {:#?}", shown, labels);
                }
            }
            Ok(())
        })?;
    }

    #[test]
    fn replicas_that_remember_different_things_agree_in_whatever_order_they_ask(
        (workloads, alerts) in cluster_and_alerts(),
        mixed in vec(mixed_labels(), 1..12),
        warmed in vec(any::<Index>(), 0..12),
        keys in vec(any::<u8>(), 16),
        pause in 0..400_u64,
    ) {
        in_virtual_time(async {
            let warm = World::unscoped_with(&nodes_by_address());
            cluster::build(&warm, &workloads, &keys);
            let honest = alerts.iter().map(|alert| alert.labels(&workloads).unwrap());
            let alerts: Vec<_> = honest.chain(mixed).chain(gone_pods(&workloads)).collect();
            for place in warmed {
                warm.resolve_labels(place.get(&alerts)).await.unwrap();
            }
            warm.context.sleep(std::time::Duration::from_secs(pause)).await;
            let (cold, rebuilt) = (warm.replica(), World::unscoped_with(&nodes_by_address()));
            cluster::build(&rebuilt, &workloads, &[]);
            let mut targets = Vec::new();
            for labels in &alerts {
                targets.push(shown(&warm.resolve_labels(labels).await.unwrap().target));
            }
            for (labels, target) in alerts.iter().zip(targets).rev() {
                prop_assert_eq!(shown(&cold.resolve_labels(labels).await.unwrap().target), target.clone(), "{:#?}", labels);
                prop_assert_eq!(shown(&rebuilt.resolve_labels(labels).await.unwrap().target), target, "{:#?}", labels);
            }
            Ok(())
        })?;
    }

    #[test]
    fn what_was_seen_keeps_its_incident_whatever_of_it_is_deleted(
        (workloads, alerts) in cluster_and_alerts(),
        deleted in vec(any::<Index>(), 1..12),
        pause in 0..400_u64,
    ) {
        in_virtual_time(async {
            let world = World::unscoped_with(&nodes_by_address());
            cluster::build(&world, &workloads, &[]);
            let of_pods = |alert: &&Honest| matches!(alert.subject, Subject::Pod(..) | Subject::Between(_));
            let alerts: Vec<_> = alerts.iter().filter(of_pods).map(|alert| alert.labels(&workloads).unwrap()).collect();
            let mut before = Vec::new();
            for labels in &alerts {
                before.push(shown(&world.resolve_labels(labels).await.unwrap().target));
            }
            let objects: Vec<_> = workloads.iter().flat_map(Workload::objects).map(|(path, _)| path).collect();
            let deleted: BTreeSet<_> = deleted.iter().map(|place| place.get(&objects)).collect();
            for path in deleted {
                world.delete(path);
            }
            world.context.sleep(std::time::Duration::from_secs(pause)).await;
            for (labels, target) in alerts.iter().zip(before) {
                prop_assert_eq!(shown(&world.resolve_labels(labels).await.unwrap().target), target, "{:#?}", labels);
            }
            Ok(())
        })?;
    }
}

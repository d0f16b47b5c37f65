//! Any labels, any configuration, any answers: no panic, and bounded output for bounded requests.

use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::json;

use super::{
    Labels, in_virtual_time, now, webhook,
    world::{Mood, World},
};
use crate::{
    config::{Cluster, Config, Matchers, Scope, Signals, TargetKind},
    rfc1123::is_subdomain,
    signal::{Parsed, ResolveError, Rules, alertmanager},
};

fn label() -> impl Strategy<Value = String> {
    let known = [
        "namespace",
        "pod",
        "pod_name",
        "node",
        "deployment",
        "job_name",
        "replicaset",
        "k8s.pod.name",
        "k8s_node_name",
        "k8s_namespace_name",
        "k8s._name",
        "k8s_name",
        "kubernetes_namespace",
        "kubernetes_pod",
        "job",
        "service",
        "instance",
        "nodename",
        "uid",
        "phase",
        "cluster",
        "alertname",
        "severity",
        "vm",
        "statefulset",
        "ingress",
        "hpa",
    ];
    let known = (select(known.to_vec()), 0..3_usize).prop_map(|(label, times)| "exported_".repeat(times) + label);
    prop_oneof![3 => known, 1 => "\\PC{0,12}", 1 => any::<String>()]
}

fn value() -> impl Strategy<Value = String> {
    let known = [
        "shop",
        "web",
        "web-7d9f8b6c5d-x2k4q",
        "web-29410080-x2k4q",
        "web-0",
        "node-exporter",
        "kube-state-metrics",
        "kubelet",
        "pushgateway",
        "mysqld_exporter",
        "10.0.0.1:9100",
        "[fd00::1]:9100",
        "[",
        "[]",
        ":",
        "::1",
        "[fd00::1",
        "Active",
        "-",
        "--",
        "-0",
        "0-",
    ];
    let long = ("[a-z0-9.-]{1,8}", 1..900_usize).prop_map(|(text, times)| text.repeat(times));
    prop_oneof![4 => select(known.to_vec()).prop_map(str::to_owned), 1 => any::<String>(), 1 => long, 1 => "[a-z0-9-]{0,12}"]
}

fn address() -> impl Strategy<Value = String> {
    let hosts = vec!["10.0.0.1", "fd00::1", "[fd00::1]", "[", "[]", "]", "[é", "", "worker-1"];
    (select(hosts), select(vec!["", ":", ":9100", ":é"])).prop_map(|(host, port)| format!("{host}{port}"))
}

fn labels() -> impl Strategy<Value = Labels> {
    let exporter = select(vec!["node-exporter", "kubelet", "kube-state-metrics"]).prop_map(str::to_owned);
    let machine = (exporter, prop_oneof![address(), value()])
        .prop_map(|(job, instance)| Labels::from([("job".to_owned(), job), ("instance".to_owned(), instance)]));
    let subjects = ["vm", "deployment", "statefulset", "hpa", "ingress", "pod"];
    let crowd = vec(select(vec!["shop", "web", "web-0"]), subjects.len()).prop_map(move |values| {
        subjects.into_iter().zip(values).map(|(label, value)| (label.to_owned(), value.to_owned())).collect()
    });
    // A node, and where it was measured.
    let measured = (value(), value()).prop_map(|(service, pod)| {
        let of = [("job", "kube-state-metrics"), ("namespace", "shop"), ("node", "worker-1")];
        let of = of.map(|(label, value)| (label.to_owned(), value.to_owned()));
        of.into_iter().chain([("service".to_owned(), service), ("pod".to_owned(), pod)]).collect()
    });
    let any = proptest::collection::btree_map(label(), value(), 0..12);
    prop_oneof![6 => any, 1 => machine, 1 => crowd, 1 => measured]
}

/// Any section `signal` that a gateway starts with.
fn signals() -> impl Strategy<Value = Signals> {
    let kinds = select(vec!["Pod", "Job", "Node", "Namespace", "Service", "VirtualMachine", "Alert"]);
    let plurals = select(vec!["pods", "jobs", "vms", "nodes"]);
    let groups = select(vec!["", "batch", "kubevirt.io", "apps"]);
    let target = (kinds, plurals, groups, any::<bool>()).prop_map(|(kind, plural, group, namespaced)| TargetKind {
        group: group.to_owned(),
        version: "v1".to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        namespaced,
    });
    let targets = proptest::collection::btree_map(label(), target, 0..5);
    let exporters = vec(prop_oneof!["[a-z0-9]{3,9}", Just("web".to_owned()), Just("otel-collector".to_owned())], 0..3);
    let cluster = (select(vec!["", "eu-1"]), prop_oneof![2 => Just("cluster".to_owned()), 1 => label()]);
    let ignore = vec(select(vec!["severity=\"none\"", "pod=~\".*-0\"", "vm!~\"\""]), 0..2);
    let parts = (targets, exporters, cluster, ignore, any::<bool>(), 1024..262_145_usize);
    let signals =
        parts.prop_map(|(targets, exporters, (name, label), ignore, node_by_instance, max_payload_bytes)| Signals {
            targets,
            exporters,
            cluster: Cluster { name: name.to_owned(), label },
            ignore: ignore.into_iter().map(|text| text.parse::<Matchers>().unwrap()).collect(),
            node_by_instance,
            max_payload_bytes,
        });
    signals
        .prop_filter("it validates", |signal| Config { signal: signal.clone(), ..Config::default() }.validate().is_ok())
}

/// Requests for one signal at most: for candidates and owners that a name tells; for the namespace and the ReplicaSets in
/// it; for three owners; for the scope.
const MAX_REQUESTS: usize = 4 + 2 + 3 + 2;

proptest! {
    #[test]
    fn any_alert_is_resolved_or_refused_within_bounds(
        alerts in vec((labels(), any::<String>()), 1..5),
        signals in signals(),
        moods in vec((select(vec!["/namespaces", "/pods/", "LIST", "replicasets", "/v", "jobs"]), 0..4_u8), 0..3),
        require_managed_label in any::<bool>(),
    ) {
        in_virtual_time(async {
            let world = World::with(Scope { require_managed_label, ..Scope::default() }, &signals);
            world.put_checkout();
            world.put_node("worker-1", &["10.0.0.1", "fd00::1"]);
            world.put("api/v1/namespaces/shop", None, false);
            let is_well = moods.is_empty();
            for (text, mood) in moods {
                let mood = [Mood::Well, Mood::Fails(403), Mood::Fails(500), Mood::Hangs][usize::from(mood)];
                world.set_mood_of(text, mood);
            }
            let rules = Rules::new(&signals);
            for (labels, sent) in alerts {
                let body = webhook(&[json!({"labels": labels, "fingerprint": sent})]).to_string();
                let Ok(mut parsed) = alertmanager::parse(body.as_bytes(), now(), &rules) else { continue };
                let Ok(Parsed::Signal(unresolved)) = parsed.alerts.remove(0) else { continue };
                let candidates = &unresolved.candidates;
                prop_assert!(candidates.list.len() <= 4 && candidates.addresses.len() <= 2);
                prop_assert!(candidates.set_aside.len() <= labels.len());
                let is_ours = |target: &crate::remediation::TargetResource| {
                    is_subdomain(&target.name) && target.namespace.len() <= 63 && target.kind.len() <= 63 && !target.kind.is_empty()
                };
                prop_assert!(is_ours(&unresolved.signal.target), "{:?}", unresolved.signal.target);
                match world.resolve(*unresolved).await {
                    Ok(signal) => {
                        prop_assert!(is_ours(&signal.target), "{:?}", signal.target);
                        prop_assert!(signal.original_payload.len() <= signals.max_payload_bytes);
                        prop_assert!(signal.labels.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() <= 64 * 1024);
                    }
                    Err(ResolveError::OutOfScope { .. }) => prop_assert!(require_managed_label),
                    Err(error) => prop_assert!(!is_well, "no label is a reason to answer 500: {}", error),
                }
                let requests = world.requests();
                prop_assert!(requests.len() <= MAX_REQUESTS, "{:#?}", requests);
            }
            world.resolver.remembered();
            Ok(())
        })?;
    }
}

//! What honest exporters tell of a cluster's objects, and what Prometheus makes of it, however it scrapes them.

use proptest::{prelude::*, sample::select};

use super::{
    Labels,
    cluster::{CLAIM, Family, MONITORING, NAMESPACES, NODES, STATE_METRICS, STATE_METRICS_POD, Workload},
};

/// What an alert is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Subject {
    /// A pod of the workload at the first place.
    Pod(usize, usize),
    /// What is between the workload and its pods.
    Between(usize),
    Workload(usize),
    Claim(&'static str),
    Node(usize),
    Namespace(&'static str),
}

/// Who measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exporter {
    StateMetrics,
    Kubelet,
    Machine,
    /// The application itself.
    Own,
    /// OpenTelemetry's collector.
    Collector,
}

/// How Prometheus finds and labels what it scrapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Discovery {
    /// The operator's ServiceMonitors.
    Operator,
    /// The same, with `labeldrop` of pod, service, endpoint and namespace.
    OperatorWithout,
    /// Annotations of Services and pods, as the usual chart relabels them.
    Annotations,
    /// The same, as the first examples did: `kubernetes_namespace`.
    Classic,
    /// No Prometheus: labels as measured.
    Pushed,
}

/// One alert of an honest exporter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Honest {
    pub(super) subject: Subject,
    pub(super) exporter: Exporter,
    discovery: Discovery,
    /// `honor_labels`: what collides stays the subject's.
    honours: bool,
    /// The rule aggregates by the subject's labels, which only works where those are honoured.
    aggregates: bool,
    /// Whether the alert has the labels `uid`, `container` and `node` of its pod.
    details: bool,
    /// OpenTelemetry's names with dots.
    dots: bool,
}

/// An alert about some object of a cluster with `workloads`, of whatever exporter tells of such an object.
pub(super) fn honest(workloads: Vec<Workload>) -> impl Strategy<Value = Honest> {
    let exporters =
        vec![Exporter::StateMetrics, Exporter::Kubelet, Exporter::Machine, Exporter::Own, Exporter::Collector];
    let discoveries = vec![
        Discovery::Operator,
        Discovery::OperatorWithout,
        Discovery::Annotations,
        Discovery::Classic,
        Discovery::Pushed,
    ];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let parts = (subject(&workloads), select(exporters), select(discoveries), flags);
    let honest = parts.prop_map(|(subject, exporter, discovery, (honours, aggregates, details, dots))| Honest {
        subject,
        exporter,
        discovery,
        honours,
        aggregates,
        details,
        dots,
    });
    honest.prop_filter_map("no such exporter tells of it", move |honest| honest.labels(&workloads).map(|_| honest))
}

fn subject(workloads: &[Workload]) -> impl Strategy<Value = Subject> + use<> {
    let pods = workloads
        .iter()
        .enumerate()
        .flat_map(|(at, workload)| (0..workload.pods.len()).map(move |pod| Subject::Pod(at, pod)));
    let between =
        workloads.iter().enumerate().filter(|(_, it)| it.between.is_some()).map(|(at, _)| Subject::Between(at));
    let tops = workloads
        .iter()
        .enumerate()
        .filter(|(_, it)| kind_label(it.family).is_some())
        .map(|(at, _)| Subject::Workload(at));
    let of_workloads: Vec<_> = pods.chain(between).chain(tops).collect();
    let others = [0, 1, 2]
        .map(Subject::Node)
        .into_iter()
        .chain(NAMESPACES.map(Subject::Claim))
        .chain(NAMESPACES.map(Subject::Namespace));
    prop_oneof![6 => select(of_workloads), 1 => select(others.collect::<Vec<_>>())]
}

/// The label of kube-state-metrics for what the family's own objects are.
fn kind_label(family: Family) -> Option<&'static str> {
    Some(match family {
        Family::Deployment => "deployment",
        Family::StatefulSet => "statefulset",
        Family::DaemonSet => "daemonset",
        Family::CronJob => "cronjob",
        Family::Job => "job_name",
        Family::ReplicationController => "replicationcontroller",
        Family::Rollout | Family::DeploymentConfig | Family::PodSet | Family::Bare | Family::Static => return None,
    })
}

fn between_label(workload: &Workload) -> Option<&'static str> {
    let (_, kind, _) = workload.between_resource()?;
    Some(match kind {
        "ReplicaSet" => "replicaset",
        "Job" => "job_name",
        _ => "replicationcontroller",
    })
}

type Pairs = Vec<(String, String)>;

fn pairs(pairs: &[(&str, &str)]) -> Pairs {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

impl Honest {
    /// What it is about, as `Kind namespace/name`.
    pub(super) fn target(&self, workloads: &[Workload]) -> String {
        match self.subject {
            Subject::Pod(at, pod) => workloads[at].target(pod),
            Subject::Between(at) | Subject::Workload(at) => workloads[at].target(0),
            Subject::Claim(namespace) => format!("PersistentVolumeClaim {namespace}/{CLAIM}"),
            Subject::Node(at) => format!("Node /{}", NODES[at].0),
            Subject::Namespace(name) => format!("Namespace /{name}"),
        }
    }

    /// The alert's labels; none if such an exporter does not tell of it, or if nothing in them tells the two apart.
    pub(super) fn labels(&self, workloads: &[Workload]) -> Option<Labels> {
        let told = match self.exporter {
            Exporter::StateMetrics => self.state_metrics(workloads)?,
            Exporter::Kubelet => self.kubelet(workloads)?,
            Exporter::Collector => self.collector(workloads)?,
            Exporter::Machine => matches!(self.subject, Subject::Node(_)).then(|| pairs(&[("device", "sda")]))?,
            Exporter::Own => matches!(self.subject, Subject::Pod(..)).then(|| pairs(&[("queue", "q")]))?,
        };
        let told: Labels = told.into_iter().collect();
        // Renamed, a namespace that is also the exporter's leaves open whose pod it is, unless there is a uid.
        let is_open = self.exporter == Exporter::StateMetrics
            && told.contains_key("pod")
            && !told.contains_key("uid")
            && told.get("namespace").is_some_and(|namespace| namespace == MONITORING);
        if is_open && self.discovery == Discovery::Annotations && !self.honours {
            return None;
        }
        if self.discovery == Discovery::Pushed || self.aggregates {
            let enough = match self.exporter {
                Exporter::Collector => true,
                Exporter::StateMetrics | Exporter::Kubelet => {
                    self.honours
                        && (told.contains_key("namespace") || told.contains_key("node"))
                        && !told.contains_key("phase")
                }
                Exporter::Machine | Exporter::Own => false,
            };
            return enough.then_some(told);
        }
        let mut labels: Labels = self.scraped(workloads)?.into_iter().collect();
        for (name, value) in told {
            if labels.contains_key(&name) && !self.honours {
                labels.insert(format!("exported_{name}"), value);
            } else {
                labels.insert(name, value);
            }
        }
        Some(labels)
    }

    fn state_metrics(&self, workloads: &[Workload]) -> Option<Pairs> {
        Some(match self.subject {
            Subject::Pod(at, pod) => {
                let workload = &workloads[at];
                let pod = &*workload.pods[pod];
                let mut told = pairs(&[("namespace", workload.namespace), ("pod", pod)]);
                // Without its uid it cannot be told from the exporter.
                if self.details || pod.contains("kube-state-metrics") {
                    told.extend(pairs(&[("uid", "8f6c"), ("container", "main"), ("node", NODES[0].0)]));
                }
                told
            }
            Subject::Between(at) => {
                let workload = &workloads[at];
                pairs(&[("namespace", workload.namespace), (between_label(workload)?, workload.between.as_deref()?)])
            }
            Subject::Workload(at) => {
                let workload = &workloads[at];
                pairs(&[("namespace", workload.namespace), (kind_label(workload.family)?, &workload.name)])
            }
            Subject::Claim(namespace) => pairs(&[("namespace", namespace), ("persistentvolumeclaim", CLAIM)]),
            Subject::Node(at) => pairs(&[("node", NODES[at].0), ("condition", "Ready"), ("status", "true")]),
            Subject::Namespace(name) => pairs(&[("namespace", name), ("phase", "Terminating")]),
        })
    }

    fn kubelet(&self, workloads: &[Workload]) -> Option<Pairs> {
        Some(match self.subject {
            Subject::Pod(at, pod) => {
                let workload = &workloads[at];
                let told = [
                    ("namespace", workload.namespace),
                    ("pod", &workload.pods[pod]),
                    ("container", "main"),
                    ("id", "/a"),
                ];
                pairs(&told)
            }
            Subject::Claim(namespace) => pairs(&[("namespace", namespace), ("persistentvolumeclaim", CLAIM)]),
            Subject::Node(_) => pairs(&[("operation_type", "create")]),
            Subject::Between(_) | Subject::Workload(_) | Subject::Namespace(_) => return None,
        })
    }

    fn collector(&self, workloads: &[Workload]) -> Option<Pairs> {
        let name =
            |resource: &str| if self.dots { format!("k8s.{resource}.name") } else { format!("k8s_{resource}_name") };
        let told = match self.subject {
            Subject::Pod(at, pod) => {
                let workload = &workloads[at];
                let mut told =
                    vec![("namespace", workload.namespace), ("pod", &*workload.pods[pod]), ("node", NODES[0].0)];
                if self.details {
                    let top =
                        kind_label(workload.family).map(|label| (label.trim_end_matches("_name"), &*workload.name));
                    let between = between_label(workload).zip(workload.between.as_deref());
                    told.extend(top);
                    told.extend(between.map(|(label, name)| (label.trim_end_matches("_name"), name)));
                }
                told
            }
            Subject::Workload(at) => {
                let workload = &workloads[at];
                let label = kind_label(workload.family)?.trim_end_matches("_name");
                vec![("namespace", workload.namespace), (label, &workload.name)]
            }
            _ => return None,
        };
        Some(told.into_iter().map(|(resource, value)| (name(resource), value.to_owned())).collect())
    }

    /// The labels of what was scraped.
    fn scraped(&self, workloads: &[Workload]) -> Option<Pairs> {
        let (namespace, service, pod, node) = match (self.exporter, self.subject) {
            (Exporter::StateMetrics, _) => (MONITORING, STATE_METRICS, STATE_METRICS_POD, 0),
            (Exporter::Kubelet, Subject::Node(at)) => ("kube-system", "kubelet", "", at),
            (Exporter::Kubelet, _) => ("kube-system", "kubelet", "", 0),
            (Exporter::Machine, Subject::Node(at)) => {
                (MONITORING, "stack-node-exporter", "stack-node-exporter-x2k4q", at)
            }
            (Exporter::Collector, _) => ("observability", "otel-collector", "otel-collector-6c9d4f7b8-x2k4q", 0),
            (Exporter::Own, Subject::Pod(at, pod)) => {
                let workload = &workloads[at];
                (workload.namespace, "frontend", &*workload.pods[pod], 0)
            }
            (Exporter::Machine | Exporter::Own, _) => return None,
        };
        let (node, address) = NODES[node];
        let port = if address.contains(':') { format!("[{address}]:9100") } else { format!("{address}:9100") };
        let mut labels = match self.discovery {
            Discovery::Operator => {
                let mut labels =
                    pairs(&[("job", service), ("namespace", namespace), ("service", service), ("endpoint", "http")]);
                if self.exporter == Exporter::Kubelet {
                    labels.extend(pairs(&[("node", node), ("metrics_path", "/metrics/cadvisor")]));
                } else {
                    labels.extend(pairs(&[("pod", pod), ("container", "main")]));
                }
                labels
            }
            Discovery::OperatorWithout if self.exporter == Exporter::Own => return None,
            Discovery::OperatorWithout => pairs(&[("job", service), ("container", "main")]),
            Discovery::Annotations if self.exporter == Exporter::Kubelet => {
                let labels = pairs(&[("job", "kubernetes-nodes-cadvisor"), ("kubernetes_io_hostname", node)]);
                return Some(labels.into_iter().chain(pairs(&[("instance", node)])).collect());
            }
            Discovery::Annotations if self.exporter == Exporter::Own => pairs(&[
                ("job", "kubernetes-pods"),
                ("namespace", namespace),
                ("pod", pod),
                ("node", node),
                ("app", "a"),
            ]),
            Discovery::Annotations => {
                let job = ("job", "kubernetes-service-endpoints");
                pairs(&[job, ("namespace", namespace), ("service", service), ("node", node)])
            }
            // Nothing in them tells who measured.
            Discovery::Classic if self.exporter != Exporter::Own => return None,
            Discovery::Classic => {
                pairs(&[("job", "kubernetes-pods"), ("kubernetes_namespace", namespace), ("kubernetes_pod_name", pod)])
            }
            Discovery::Pushed => Vec::new(),
        };
        labels.extend(pairs(&[("instance", &*port)]));
        Some(labels)
    }
}

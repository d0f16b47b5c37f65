//! The built-in resources, those that gateways and kubectl meet.

use std::sync::LazyLock;

use super::resources::{Kept, NameRule, Registry, Resource, SelectableField};

/// group, version, kind, plural, short names, traits.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static [&'static str], &'static str);

/// Traits: `C` cluster-scoped, `S` status subresource, `G` generation is counted, `P` PUT may create, `R` PUT needs a
/// resourceVersion, `X` scale subresource, `A` in the category `all`, `V` computed. As registered in `k8s.io/kubernetes/pkg/registry`.
const ROWS: &[Row] = &[
    ("", "v1", "Namespace", "namespaces", &["ns"], "CS"),
    ("", "v1", "Pod", "pods", &["po"], "SGA"),
    ("", "v1", "Service", "services", &["svc"], "SPA"),
    ("", "v1", "Endpoints", "endpoints", &["ep"], "P"),
    ("", "v1", "ConfigMap", "configmaps", &["cm"], ""),
    ("", "v1", "Secret", "secrets", &[], ""),
    ("", "v1", "ServiceAccount", "serviceaccounts", &["sa"], ""),
    ("", "v1", "Node", "nodes", &["no"], "CS"),
    ("", "v1", "Event", "events", &["ev"], "P"),
    ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", &["pvc"], "S"),
    ("", "v1", "PersistentVolume", "persistentvolumes", &["pv"], "CS"),
    ("", "v1", "ReplicationController", "replicationcontrollers", &["rc"], "SGXA"),
    ("apps", "v1", "Deployment", "deployments", &["deploy"], "SGXA"),
    ("apps", "v1", "ReplicaSet", "replicasets", &["rs"], "SGXA"),
    ("apps", "v1", "StatefulSet", "statefulsets", &["sts"], "SGXA"),
    ("apps", "v1", "DaemonSet", "daemonsets", &["ds"], "SGA"),
    ("batch", "v1", "Job", "jobs", &[], "SGA"),
    ("batch", "v1", "CronJob", "cronjobs", &["cj"], "SGA"),
    ("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", &["hpa"], "SA"),
    ("coordination.k8s.io", "v1", "Lease", "leases", &[], "PR"),
    ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", &["pdb"], "SGR"),
    ("networking.k8s.io", "v1", "Ingress", "ingresses", &["ing"], "SG"),
    ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", &["netpol"], "G"),
    ("events.k8s.io", "v1", "Event", "events", &["ev"], "P"),
    ("rbac.authorization.k8s.io", "v1", "Role", "roles", &[], "P"),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", &[], "P"),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", &[], "CP"),
    ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", &[], "CP"),
    ("authentication.k8s.io", "v1", "TokenReview", "tokenreviews", &[], "CV"),
    ("authorization.k8s.io", "v1", "SubjectAccessReview", "subjectaccessreviews", &[], "CV"),
    ("authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", &[], "CV"),
    ("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", &["crd", "crds"], "CSGR"),
];

/// A registry of all built-in resources. Filled once: thousands of simulations begin with it.
pub(super) fn registry() -> Registry {
    static BUILT_IN: LazyLock<Registry> = LazyLock::new(|| {
        let mut registry = Registry::default();
        resources().for_each(|resource| {
            registry.add(resource);
        });
        registry
    });
    BUILT_IN.clone()
}

fn resources() -> impl Iterator<Item = Resource> {
    ROWS.iter().map(|&(group, version, kind, plural, short_names, traits)| {
        let has = |letter: char| traits.contains(letter);
        let mut resource = Resource::new(group, version, kind, plural);
        resource.short_names = short_names.iter().map(|&name| name.to_owned()).collect();
        resource.categories = if has('A') { vec!["all".to_owned()] } else { Vec::new() };
        resource.namespaced = !has('C');
        resource.kept = if has('V') { Kept::Computed } else { Kept::Stored };
        resource.status = has('S');
        resource.scale = has('X');
        resource.generation = has('G');
        resource.unconditional_update = !has('R');
        resource.create_on_update = has('P');
        resource.names = match (group, plural) {
            ("", "namespaces") => NameRule::Label,
            ("", "services") => NameRule::ServiceLabel,
            ("rbac.authorization.k8s.io", _) => NameRule::PathSegment,
            _ => NameRule::Subdomain,
        };
        resource.fields = selectable(group, plural).iter().map(|label| SelectableField::new(label)).collect();
        resource
    })
}

fn selectable(group: &str, plural: &str) -> &'static [&'static str] {
    match (group, plural) {
        ("", "pods") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        ("", "events") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "type",
        ],
        ("events.k8s.io", "events") => &[
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "reason",
            "reportingController",
            "type",
        ],
        ("", "namespaces") => &["status.phase"],
        ("", "nodes") => &["spec.unschedulable"],
        ("", "secrets") => &["type"],
        ("", "services") => &["spec.clusterIP", "spec.type"],
        ("", "replicationcontrollers") | ("apps", "replicasets") => &["status.replicas"],
        ("batch", "jobs") => &["status.successful"],
        _ => &[],
    }
}

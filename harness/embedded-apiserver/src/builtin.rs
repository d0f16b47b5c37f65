//! The built-in resources, those that clients commonly meet, and what a new cluster has of them.

mod system;

use std::sync::LazyLock;

use super::{
    resources::{Kept, NameRule, Registry, Resource, SelectableField},
    scalable::Scalable,
};

pub(super) use system::objects as system_objects;

/// group, version, kind, plural, short names, traits.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static [&'static str], &'static str);

/// Traits: `C` cluster-scoped, `S` status subresource, `G` generation is counted, `P` PUT may create, `R` PUT needs a
/// resourceVersion, `X` scale subresource, `A` in the category `all`, `V` computed, `O` only read, `D` DELETE answers with the
/// object. As registered in `k8s.io/kubernetes/pkg/registry`.
const ROWS: &[Row] = &[
    ("", "v1", "Namespace", "namespaces", &["ns"], "CS"),
    ("", "v1", "Pod", "pods", &["po"], "SGAD"),
    ("", "v1", "Service", "services", &["svc"], "SPAD"),
    ("", "v1", "Endpoints", "endpoints", &["ep"], "P"),
    ("", "v1", "ConfigMap", "configmaps", &["cm"], ""),
    ("", "v1", "Secret", "secrets", &[], ""),
    ("", "v1", "ServiceAccount", "serviceaccounts", &["sa"], "D"),
    ("", "v1", "Node", "nodes", &["no"], "CS"),
    ("", "v1", "Event", "events", &["ev"], "P"),
    ("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", &["pvc"], "SD"),
    ("", "v1", "PersistentVolume", "persistentvolumes", &["pv"], "CSD"),
    ("", "v1", "ReplicationController", "replicationcontrollers", &["rc"], "SGXA"),
    ("", "v1", "PodTemplate", "podtemplates", &[], "GD"),
    ("", "v1", "ResourceQuota", "resourcequotas", &["quota"], "SD"),
    ("", "v1", "LimitRange", "limitranges", &["limits"], ""),
    ("", "v1", "ComponentStatus", "componentstatuses", &["cs"], "CO"),
    ("apps", "v1", "Deployment", "deployments", &["deploy"], "SGXA"),
    ("apps", "v1", "ReplicaSet", "replicasets", &["rs"], "SGXA"),
    ("apps", "v1", "StatefulSet", "statefulsets", &["sts"], "SGXA"),
    ("apps", "v1", "DaemonSet", "daemonsets", &["ds"], "SGA"),
    ("apps", "v1", "ControllerRevision", "controllerrevisions", &[], ""),
    ("batch", "v1", "Job", "jobs", &[], "SGA"),
    ("batch", "v1", "CronJob", "cronjobs", &["cj"], "SGA"),
    ("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", &["hpa"], "SA"),
    ("coordination.k8s.io", "v1", "Lease", "leases", &[], "PR"),
    ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", &["pdb"], "SGR"),
    ("networking.k8s.io", "v1", "Ingress", "ingresses", &["ing"], "SG"),
    ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", &["netpol"], "G"),
    ("networking.k8s.io", "v1", "IngressClass", "ingressclasses", &[], "CG"),
    ("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", &[], "GP"),
    ("storage.k8s.io", "v1", "StorageClass", "storageclasses", &["sc"], "C"),
    ("storage.k8s.io", "v1", "CSIDriver", "csidrivers", &[], "C"),
    ("storage.k8s.io", "v1", "CSINode", "csinodes", &[], "C"),
    ("storage.k8s.io", "v1", "VolumeAttachment", "volumeattachments", &[], "CS"),
    ("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", &["pc"], "CG"),
    ("node.k8s.io", "v1", "RuntimeClass", "runtimeclasses", &[], "C"),
    ("certificates.k8s.io", "v1", "CertificateSigningRequest", "certificatesigningrequests", &["csr"], "CS"),
    ("admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", &[], "CG"),
    (
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        &[],
        "CG",
    ),
    ("apiregistration.k8s.io", "v1", "APIService", "apiservices", &[], "CSR"),
    ("events.k8s.io", "v1", "Event", "events", &["ev"], "P"),
    ("rbac.authorization.k8s.io", "v1", "Role", "roles", &[], "P"),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", &[], "P"),
    ("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", &[], "CP"),
    ("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", &[], "CP"),
    ("authentication.k8s.io", "v1", "TokenReview", "tokenreviews", &[], "CV"),
    ("authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews", &[], "CV"),
    ("authorization.k8s.io", "v1", "SubjectAccessReview", "subjectaccessreviews", &[], "CV"),
    ("authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", &[], "CV"),
    ("authorization.k8s.io", "v1", "LocalSubjectAccessReview", "localsubjectaccessreviews", &[], "V"),
    ("authorization.k8s.io", "v1", "SelfSubjectRulesReview", "selfsubjectrulesreviews", &[], "CV"),
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
        resource.kept = match (has('V'), has('O')) {
            (true, _) => Kept::Computed,
            (_, true) => Kept::ReadOnly,
            _ => Kept::Stored,
        };
        resource.status = has('S');
        resource.scale = has('X').then(Scalable::built_in);
        resource.subresources = subresources(group, plural);
        resource.generation = has('G');
        resource.unconditional_update = !has('R');
        resource.create_on_update = has('P');
        resource.returns_deleted = has('D');
        resource.names = match (group, plural) {
            ("", "namespaces") => NameRule::Label,
            ("", "services") => NameRule::ServiceLabel,
            ("rbac.authorization.k8s.io", _) => NameRule::PathSegment,
            _ => NameRule::Subdomain,
        };
        let field = |text: &&str| match text.split_once('=') {
            Some((label, absent)) => SelectableField::or(label, absent),
            None => SelectableField::new(text),
        };
        resource.fields = selectable(group, plural).iter().map(field).collect();
        resource
    })
}

/// Beside status and scale.
fn subresources(group: &str, plural: &str) -> &'static [&'static str] {
    match (group, plural) {
        ("", "pods") => {
            &["attach", "binding", "ephemeralcontainers", "eviction", "exec", "log", "portforward", "proxy", "resize"]
        }
        ("", "nodes" | "services") => &["proxy"],
        ("", "namespaces") => &["finalize"],
        ("", "serviceaccounts") => &["token"],
        ("certificates.k8s.io", "certificatesigningrequests") => &["approval"],
        _ => &[],
    }
}

/// Beside name and namespace; what follows an equals sign is the value of an object without the field.
fn selectable(group: &str, plural: &str) -> &'static [&'static str] {
    match (group, plural) {
        ("", "pods") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.hostNetwork=false",
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
        ("", "nodes") => &["spec.unschedulable=false"],
        ("", "secrets") => &["type"],
        ("", "services") => &["spec.clusterIP", "spec.type"],
        ("", "replicationcontrollers") | ("apps", "replicasets") => &["status.replicas=0"],
        ("certificates.k8s.io", "certificatesigningrequests") => &["spec.signerName"],
        ("batch", "jobs") => &["status.successful=0"],
        _ => &[],
    }
}

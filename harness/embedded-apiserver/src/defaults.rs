//! What kube-apiserver fills in where a built-in object says nothing (`SetDefaults_*` of `k8s.io/kubernetes/pkg/apis`), as far
//! as clients read it.

use serde_json::{Value, json};

use super::{object, resources::Resource};

/// A path and the JSON that stands there if there is nothing. `a.b` makes `a`; `a[].b` is said of every element, and
/// `a?.b` only where `a` is.
type Default = (&'static str, &'static str);

const POD_SPEC: &[Default] = &[
    ("restartPolicy", "\"Always\""),
    ("terminationGracePeriodSeconds", "30"),
    ("dnsPolicy", "\"ClusterFirst\""),
    ("securityContext", "{}"),
    ("schedulerName", "\"default-scheduler\""),
    ("volumes[].secret?.defaultMode", "420"),
    ("volumes[].configMap?.defaultMode", "420"),
    ("volumes[].downwardAPI?.defaultMode", "420"),
    ("volumes[].projected?.defaultMode", "420"),
    ("volumes[].projected?.sources[].serviceAccountToken?.expirationSeconds", "3600"),
    ("volumes[].hostPath?.type", "\"\""),
];

const CONTAINER: &[Default] = &[
    ("terminationMessagePath", "\"/dev/termination-log\""),
    ("terminationMessagePolicy", "\"File\""),
    ("resources", "{}"),
    ("ports[].protocol", "\"TCP\""),
    ("env[].valueFrom?.fieldRef?.apiVersion", "\"v1\""),
];

const PROBE: &[Default] = &[
    ("timeoutSeconds", "1"),
    ("periodSeconds", "10"),
    ("successThreshold", "1"),
    ("failureThreshold", "3"),
    ("httpGet?.path", "\"/\""),
    ("httpGet?.scheme", "\"HTTP\""),
    ("grpc?.service", "\"\""),
];

/// The defaults of a resource, the pod templates in it apart.
fn table(group: &str, plural: &str) -> &'static [Default] {
    match (group, plural) {
        ("", "pods") => &[
            ("spec.enableServiceLinks", "true"),
            ("status.conditions[].lastProbeTime", "null"),
            ("status.conditions[].lastTransitionTime", "null"),
        ],
        ("", "events") => &[
            ("eventTime", "null"),
            ("firstTimestamp", "null"),
            ("lastTimestamp", "null"),
            ("reportingComponent", "\"\""),
            ("reportingInstance", "\"\""),
            ("source", "{}"),
        ],
        ("events.k8s.io", "events") => {
            &[("deprecatedFirstTimestamp", "null"), ("deprecatedLastTimestamp", "null"), ("deprecatedSource", "{}")]
        }
        ("", "services") => &[
            ("spec.sessionAffinity", "\"None\""),
            ("spec.type", "\"ClusterIP\""),
            ("spec.ports[].protocol", "\"TCP\""),
            ("status.loadBalancer", "{}"),
        ],
        ("", "endpoints") => &[("subsets[].ports[].protocol", "\"TCP\"")],
        ("", "secrets") => &[("type", "\"Opaque\"")],
        ("", "replicationcontrollers") => &[("spec.replicas", "1"), ("status.replicas", "0")],
        ("", "persistentvolumeclaims") => &[("spec.resources", "{}"), ("spec.volumeMode", "\"Filesystem\"")],
        ("", "persistentvolumes") => {
            &[("spec.persistentVolumeReclaimPolicy", "\"Retain\""), ("spec.volumeMode", "\"Filesystem\"")]
        }
        ("", "nodes") => &[
            ("spec", "{}"),
            ("status.daemonEndpoints.kubeletEndpoint.Port", "0"),
            ("status.nodeInfo.machineID", "\"\""),
            ("status.nodeInfo.systemUUID", "\"\""),
            ("status.nodeInfo.bootID", "\"\""),
            ("status.nodeInfo.kernelVersion", "\"\""),
            ("status.nodeInfo.osImage", "\"\""),
            ("status.nodeInfo.containerRuntimeVersion", "\"\""),
            ("status.nodeInfo.kubeletVersion", "\"\""),
            ("status.nodeInfo.kubeProxyVersion", "\"\""),
            ("status.nodeInfo.operatingSystem", "\"\""),
            ("status.nodeInfo.architecture", "\"\""),
        ],
        ("", "resourcequotas") => &[("spec", "{}"), ("status", "{}")],
        ("apps", "deployments") => &[
            ("spec.replicas", "1"),
            ("spec.strategy.type", "\"RollingUpdate\""),
            ("spec.revisionHistoryLimit", "10"),
            ("spec.progressDeadlineSeconds", "600"),
            ("status", "{}"),
            ("status.conditions[].lastUpdateTime", "null"),
            ("status.conditions[].lastTransitionTime", "null"),
        ],
        ("apps", "replicasets") => &[("spec.replicas", "1"), ("status.replicas", "0")],
        ("apps", "statefulsets") => &[
            ("spec.replicas", "1"),
            ("spec.serviceName", "\"\""),
            ("spec.podManagementPolicy", "\"OrderedReady\""),
            ("spec.updateStrategy.type", "\"RollingUpdate\""),
            ("spec.revisionHistoryLimit", "10"),
            ("spec.persistentVolumeClaimRetentionPolicy.whenDeleted", "\"Retain\""),
            ("spec.persistentVolumeClaimRetentionPolicy.whenScaled", "\"Retain\""),
            ("spec.volumeClaimTemplates[].apiVersion", "\"v1\""),
            ("spec.volumeClaimTemplates[].kind", "\"PersistentVolumeClaim\""),
            ("spec.volumeClaimTemplates[].spec.volumeMode", "\"Filesystem\""),
            ("spec.volumeClaimTemplates[].status.phase", "\"Pending\""),
            ("status.replicas", "0"),
            ("status.availableReplicas", "0"),
        ],
        ("apps", "daemonsets") => &[
            ("spec.updateStrategy.type", "\"RollingUpdate\""),
            ("spec.revisionHistoryLimit", "10"),
            ("status.currentNumberScheduled", "0"),
            ("status.numberMisscheduled", "0"),
            ("status.desiredNumberScheduled", "0"),
            ("status.numberReady", "0"),
        ],
        ("batch", "jobs") => &[
            ("spec.backoffLimit", "6"),
            ("spec.completionMode", "\"NonIndexed\""),
            ("spec.suspend", "false"),
            ("spec.manualSelector", "false"),
            ("spec.podReplacementPolicy", "\"TerminatingOrFailed\""),
            ("status", "{}"),
        ],
        ("batch", "cronjobs") => &[
            ("spec.concurrencyPolicy", "\"Allow\""),
            ("spec.suspend", "false"),
            ("spec.successfulJobsHistoryLimit", "3"),
            ("spec.failedJobsHistoryLimit", "1"),
            ("spec.jobTemplate.metadata", "{}"),
            ("status", "{}"),
        ],
        ("autoscaling", "horizontalpodautoscalers") => &[
            ("spec.minReplicas", "1"),
            (
                "spec.metrics",
                r#"[{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]"#,
            ),
            ("status.currentMetrics", "null"),
            ("status.desiredReplicas", "0"),
        ],
        ("policy", "poddisruptionbudgets") => &[
            ("status.currentHealthy", "0"),
            ("status.desiredHealthy", "0"),
            ("status.disruptionsAllowed", "0"),
            ("status.expectedPods", "0"),
        ],
        ("networking.k8s.io", "ingresses") => &[("status.loadBalancer", "{}")],
        ("networking.k8s.io", "networkpolicies") => &[("spec.podSelector", "{}")],
        ("discovery.k8s.io", "endpointslices") => {
            &[("endpoints[].conditions", "{}"), ("ports[].name", "\"\""), ("ports[].protocol", "\"TCP\"")]
        }
        ("storage.k8s.io", "storageclasses") => {
            &[("reclaimPolicy", "\"Delete\""), ("volumeBindingMode", "\"Immediate\"")]
        }
        ("scheduling.k8s.io", "priorityclasses") => &[("preemptionPolicy", "\"PreemptLowerPriority\"")],
        ("certificates.k8s.io", "certificatesigningrequests") => &[("status", "{}")],
        _ => &[],
    }
}

/// Where the pod spec in an object of a resource is, if there is one.
pub(super) fn pod_spec(group: &str, plural: &str) -> Option<&'static str> {
    Some(match (group, plural) {
        ("", "pods") => "/spec",
        ("", "podtemplates") => "/template/spec",
        ("", "replicationcontrollers")
        | ("apps", "deployments" | "replicasets" | "statefulsets" | "daemonsets")
        | ("batch", "jobs") => "/spec/template/spec",
        ("batch", "cronjobs") => "/spec/jobTemplate/spec/template/spec",
        _ => return None,
    })
}

/// Fills in what `object` of `resource` leaves out.
pub(super) fn apply(resource: &Resource, object: &mut Value) {
    let (group, plural) = (resource.group.as_str(), resource.plural.as_str());
    match (group, plural) {
        ("", "services") => service(object),
        ("", "secrets") => secret(object),
        ("", "limitranges") => limits(object),
        ("", "replicationcontrollers") => from_template(object),
        ("apps", _) => strategy(object),
        ("batch", "jobs") => job(object),
        ("networking.k8s.io", "networkpolicies") => network_policy(object),
        _ => {}
    }
    fill_all(object, table(group, plural));
    let Some(pointer) = pod_spec(group, plural) else { return };
    if let Some(spec) = object.pointer_mut(pointer).filter(|spec| spec.is_object()) {
        pod(spec);
    }
    let template = pointer.strip_suffix("/spec").filter(|template| !template.is_empty());
    if let Some(template) = template.and_then(|it| object.pointer_mut(it)).filter(|template| template.is_object()) {
        fill(template, "metadata", "{}");
    }
}

/// `SetDefaults_PodSpec`.
fn pod(spec: &mut Value) {
    fill_all(spec, POD_SPEC);
    // Both names of one field.
    for (from, to) in [("serviceAccountName", "serviceAccount"), ("serviceAccount", "serviceAccountName")] {
        if let Some(name) = spec.get(from).filter(|name| name.as_str().is_some_and(|name| !name.is_empty())).cloned() {
            object::map_mut(spec).entry(to).or_insert(name);
        }
    }
    for volume in items(spec, "volumes") {
        if volume.as_object().is_some_and(|volume| volume.len() == 1) {
            volume["emptyDir"] = json!({});
        }
    }
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for container in items(spec, list) {
            fill_all(container, CONTAINER);
            let policy = pull_policy(container["image"].as_str().unwrap_or(""));
            if container.is_object() {
                fill(container, "imagePullPolicy", &format!("{policy:?}"));
            }
            for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
                if let Some(probe) = container.get_mut(probe).filter(|probe| probe.is_object()) {
                    fill_all(probe, PROBE);
                }
            }
        }
    }
}

/// The newest image is always looked for, one of a tag of its own only once.
fn pull_policy(image: &str) -> &'static str {
    let name = image.rsplit('/').next().unwrap_or(image);
    let is_newest = !name.contains('@') && name.split_once(':').is_none_or(|(_, tag)| tag == "latest");
    if is_newest { "Always" } else { "IfNotPresent" }
}

fn service(object: &mut Value) {
    let spec = object::map_mut(object::map_mut(object).entry("spec").or_insert(Value::Null));
    let kind = spec.get("type").and_then(Value::as_str).unwrap_or("ClusterIP").to_owned();
    if kind != "ExternalName" {
        spec.entry("internalTrafficPolicy").or_insert_with(|| "Cluster".into());
    }
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        spec.entry("externalTrafficPolicy").or_insert_with(|| "Cluster".into());
    }
    if kind == "LoadBalancer" {
        spec.entry("allocateLoadBalancerNodePorts").or_insert_with(|| true.into());
    }
    let has_port =
        |port: &Value| port.get("targetPort").is_some_and(|port| !port.is_null() && *port != 0 && *port != "");
    for port in items(object.get_mut("spec").unwrap_or(&mut Value::Null), "ports") {
        if !has_port(port) {
            port["targetPort"] = port["port"].clone();
        }
    }
}

/// `stringData` is only ever written: it becomes data.
fn secret(object: &mut Value) {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let Some(Value::Object(texts)) = object::map_mut(object).remove("stringData") else { return };
    let data = object::map_mut(object::map_mut(object).entry("data").or_insert(Value::Null));
    for (key, text) in texts {
        data.insert(key, STANDARD.encode(text.as_str().unwrap_or("")).into());
    }
}

/// The parameters of a rolling update, where it is one.
fn strategy(object: &mut Value) {
    let (key, defaults): (&str, &[Default]) = match object::kind(object) {
        "Deployment" => ("strategy", &[("maxUnavailable", "\"25%\""), ("maxSurge", "\"25%\"")]),
        "StatefulSet" => ("updateStrategy", &[("partition", "0")]),
        "DaemonSet" => ("updateStrategy", &[("maxUnavailable", "1"), ("maxSurge", "0")]),
        _ => return,
    };
    let spec = object::map_mut(object::map_mut(object).entry("spec").or_insert(Value::Null));
    let strategy = spec.entry(key).or_insert_with(|| json!({}));
    if matches!(strategy.get("type").and_then(Value::as_str), None | Some("" | "RollingUpdate")) {
        let rolling = object::map_mut(strategy).entry("rollingUpdate").or_insert_with(|| json!({}));
        fill_all(rolling, defaults);
    }
}

/// A limit of containers is what they get if they do not say otherwise.
fn limits(object: &mut Value) {
    for limit in items(object.get_mut("spec").unwrap_or(&mut Value::Null), "limits") {
        if limit["type"] != "Container" {
            continue;
        }
        for (from, to) in [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")] {
            let Some(Value::Object(amounts)) = limit.get(from).cloned() else { continue };
            let defaults = object::map_mut(object::map_mut(limit).entry(to).or_insert(Value::Null));
            for (name, amount) in amounts {
                defaults.entry(name).or_insert(amount);
            }
        }
    }
}

/// Labels and selector of a ReplicationController are those of its pods.
fn from_template(object: &mut Value) {
    let Some(labels) = object.pointer("/spec/template/metadata/labels").cloned() else { return };
    object::metadata_mut(object).entry("labels").or_insert_with(|| labels.clone());
    object::map_mut(&mut object["spec"]).entry("selector").or_insert(labels);
}

/// A job without both counts is one pod.
fn job(object: &mut Value) {
    let spec = object::map_mut(object::map_mut(object).entry("spec").or_insert(Value::Null));
    let is_absent = |key: &str| spec.get(key).is_none_or(Value::is_null);
    let (completions, parallelism) = (is_absent("completions"), is_absent("parallelism"));
    if completions && parallelism {
        spec.insert("completions".to_owned(), 1.into());
    }
    if parallelism {
        spec.insert("parallelism".to_owned(), 1.into());
    }
}

fn network_policy(object: &mut Value) {
    let spec = object::map_mut(object::map_mut(object).entry("spec").or_insert(Value::Null));
    let egress = spec.get("egress").and_then(Value::as_array).is_some_and(|rules| !rules.is_empty());
    let types = if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
    spec.entry("policyTypes").or_insert(types);
}

fn items<'a>(object: &'a mut Value, key: &str) -> impl Iterator<Item = &'a mut Value> {
    object.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten()
}

fn fill_all(object: &mut Value, defaults: &[Default]) {
    for (path, default) in defaults {
        fill(object, path, default);
    }
}

fn fill(object: &mut Value, path: &str, default: &str) {
    let (step, rest) = path.split_once('.').map_or((path, None), |(step, rest)| (step, Some(rest)));
    if let Some(list) = step.strip_suffix("[]") {
        items(object, list).for_each(|item| fill(item, rest.unwrap_or_default(), default));
        return;
    }
    let Some(rest) = rest else {
        let place = object::map_mut(object).entry(step).or_insert(Value::Null);
        // A text that is empty is one that is absent.
        if place.is_null() || *place == "" {
            *place = serde_json::from_str(default).unwrap_or_default();
        }
        return;
    };
    match step.strip_suffix('?') {
        Some(step) => {
            if let Some(inner) = object.get_mut(step).filter(|inner| inner.is_object()) {
                fill(inner, rest, default);
            }
        }
        None => fill(object::map_mut(object).entry(step).or_insert(Value::Null), rest, default),
    }
}

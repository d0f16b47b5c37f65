//! How senders reach the gateways: Service, Ingress, HTTPRoute, certificate; and how many gateways there are for them.

use rstest::rstest;
use serde_json::{Value, json};

use super::helm::{Helm, yaml};

#[rstest]
#[case::node_port("{type: NodePort, nodePort: 30080}", "/ports/0/nodePort", "30080")]
#[case::balancer("{type: LoadBalancer, loadBalancerClass: inner}", "/loadBalancerClass", "inner")]
#[case::sources("{loadBalancerSourceRanges: [10.0.0.0/8]}", "/loadBalancerSourceRanges", "[10.0.0.0/8]")]
#[case::nearby("{trafficDistribution: PreferClose}", "/trafficDistribution", "PreferClose")]
#[case::from_outside("{externalTrafficPolicy: Local}", "/externalTrafficPolicy", "Local")]
#[case::from_inside("{internalTrafficPolicy: Local}", "/internalTrafficPolicy", "Local")]
#[case::address("{clusterIP: 10.96.0.9}", "/clusterIP", "10.96.0.9")]
#[case::families("{ipFamilyPolicy: PreferDualStack, ipFamilies: [IPv6, IPv4]}", "/ipFamilies", "[IPv6, IPv4]")]
#[case::protocol("{appProtocol: https}", "/ports/0/appProtocol", "https")]
fn the_service_is_what_the_operator_says(#[case] service: &str, #[case] pointer: &str, #[case] expected: &str) {
    let Some(helm) = Helm::find() else { return };
    let spec = |values: &str| helm.render(values).named("Service", "gateway")["spec"].clone();
    assert_eq!(spec(&format!("service: {service}")).pointer(pointer), Some(&yaml(expected)));
    assert_eq!(spec("").pointer(pointer), None);
}

#[test]
fn an_ingress_admits_what_sends_signals() {
    let Some(helm) = Helm::find() else { return };
    let values = "ingress: {enabled: true, className: c, tls: [{secretName: s, hosts: [a]}], annotations: {x: z},
        hosts: [{host: a}, {paths: [{path: /api/v1/signals/prometheus, pathType: Exact}]},
        {paths: [{path: /api}]}]}";
    let release = helm.render(values);
    let ingress = release.named("Ingress", "gateway");
    let path = |path: &str, kind: &str| {
        json!({ "paths": [{ "path": path, "pathType": kind,
        "backend": { "service": { "name": "gateway", "port": { "name": "api" } } } }] })
    };
    let expected = json!({ "ingressClassName": "c", "tls": [{ "secretName": "s", "hosts": ["a"] }], "rules": [
        { "host": "a", "http": path("/api/v1/signals", "Prefix") }, { "http": path("/api/v1/signals/prometheus", "Exact") },
        { "http": path("/api", "Prefix") },
    ] });
    assert_eq!((&ingress["spec"], &ingress["metadata"]["annotations"]["x"]), (&expected, &json!("z")));
    assert!(helm.notes(values).contains("https://a/api/v1/signals/prometheus"));
    assert_eq!(helm.render("").all("Ingress").count(), 0);
}

#[test]
fn a_route_leads_to_the_service_unless_it_says_where() {
    let Some(helm) = Helm::find() else { return };
    let release = helm.render(
        "{service: {port: 80}, httpRoute: {enabled: true, parentRefs: [{name: edge}], hostnames: [a],
          rules: [{matches: [{path: {type: Exact, value: /x}}]}, {backendRefs: [{name: other, port: 1}]}]}}",
    );
    let expected = json!({ "parentRefs": [{ "name": "edge" }], "hostnames": ["a"], "rules": [
        { "matches": [{ "path": { "type": "Exact", "value": "/x" } }], "backendRefs": [{ "name": "gateway", "port": 80 }] },
        { "backendRefs": [{ "name": "other", "port": 1 }] },
    ] });
    assert_eq!(release.named("HTTPRoute", "gateway")["spec"], expected);
}

#[test]
fn a_certificate_of_cert_manager_is_for_the_service_and_used_by_the_gateways() {
    let Some(helm) = Helm::find() else { return };
    let values = "certificate: {enabled: true, issuerRef: {kind: ClusterIssuer, name: i}, duration: 2160h, extraDnsNames: [x.example]}";
    let release = helm.render(values);
    let spec = &release.named("Certificate", "gateway")["spec"];
    assert_eq!(spec["issuerRef"], json!({ "group": "cert-manager.io", "kind": "ClusterIssuer", "name": "i" }));
    let names = [
        "gateway",
        "gateway.kubernaut-system",
        "gateway.kubernaut-system.svc",
        "gateway.kubernaut-system.svc.cluster.local",
        "x.example",
    ];
    assert_eq!(
        (&spec["dnsNames"], &spec["duration"], &spec["renewBefore"]),
        (&json!(names), &json!("2160h"), &Value::Null)
    );
    assert_eq!(spec["secretName"], "gateway-tls");
    assert_eq!(release.pod()["spec"]["volumes"][1]["secret"]["secretName"], "gateway-tls");
    assert!(release.config().contains("certFile: /etc/gateway-tls/tls.crt"));
    assert!(helm.notes(values).contains("https://gateway.kubernaut-system:8080"));

    let named = helm.render(&format!("{{{values}, tls: {{secretName: own}}}}"));
    assert_eq!(named.named("Certificate", "gateway")["spec"]["secretName"], "own");
    assert_eq!(named.pod()["spec"]["volumes"][1]["secret"]["secretName"], "own");
    let complaint = helm.try_render("certificate: {enabled: true}").err().unwrap();
    assert!(complaint.contains("needs certificate.issuerRef.name"), "{complaint}");
}

#[test]
fn replicas_are_counted_by_the_operator_or_by_an_autoscaler() {
    let Some(helm) = Helm::find() else { return };
    let release = helm.render(
        "autoscaling: {enabled: true, minReplicas: 2, targetMemoryUtilizationPercentage: 90, behavior: {scaleUp: {}}}",
    );
    assert_eq!(
        release.named("Deployment", "gateway")["spec"].get("replicas"),
        None,
        "an upgrade would undo what it did"
    );
    let resource = |name: &str, share: u32| {
        json!({ "type": "ContainerResource", "containerResource": { "container": "gateway", "name": name,
        "target": { "type": "Utilization", "averageUtilization": share } } })
    };
    assert_eq!(
        release.named("HorizontalPodAutoscaler", "gateway")["spec"],
        json!({
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "gateway" },
            "minReplicas": 2, "maxReplicas": 10, "behavior": { "scaleUp": {} },
            "metrics": [resource("cpu", 80), resource("memory", 90)],
        })
    );
    let own = "autoscaling: {enabled: true, targetCPUUtilizationPercentage: null, metrics: [{type: External}]}";
    assert_eq!(
        helm.render(own).named("HorizontalPodAutoscaler", "gateway")["spec"]["metrics"],
        json!([{ "type": "External" }])
    );
    assert!(helm.notes("autoscaling: {enabled: true}").starts_with("3 to 10 gateways receive"));
}

#[rstest]
#[case::as_many_left("minAvailable: 2", "minAvailable", json!(2))]
#[case::none_left("minAvailable: 0", "minAvailable", json!(0))]
#[case::share("minAvailable: 50%", "minAvailable", json!("50%"))]
#[case::as_many_gone("maxUnavailable: 2", "maxUnavailable", json!(2))]
fn a_budget_names_what_must_be_left_or_what_may_be_gone(#[case] values: &str, #[case] key: &str, #[case] count: Value) {
    let Some(helm) = Helm::find() else { return };
    let budget =
        helm.render(&format!("podDisruptionBudget: {{{values}}}")).named("PodDisruptionBudget", "gateway")["spec"]
            .clone();
    assert_eq!(budget[key], count);
    let both = budget.get("minAvailable").is_some() && budget.get("maxUnavailable").is_some();
    assert!(!both, "Kubernetes takes one of them");
}

//! The chart grants what this module asks the Kubernetes API for, and no more.

use std::collections::BTreeSet;

use k8s_openapi::api::rbac::v1::PolicyRule;

use crate::signal::kind::KINDS;

const TEMPLATE: &str = include_str!("../../../deploy/chart/templates/clusterrole.yaml");

#[test]
fn the_chart_lets_the_gateway_read_each_kind_that_a_signal_can_be_about() {
    let (_, rules) = TEMPLATE.split_once("\nrules:\n").unwrap();
    let (rules, _) = rules.split_once("{{- if ").expect("rules that depend on values come last");
    let rules: Vec<PolicyRule> = serde_saphyr::from_str(rules.trim_end()).unwrap();
    let mut granted = BTreeSet::new();
    for rule in rules {
        if rule.resources.as_deref() == Some(&["replicasets".to_owned()]) {
            assert_eq!(rule.verbs, ["list"], "what controls other revisions of a pod that is gone");
            continue;
        }
        assert_eq!(rule.verbs, ["get"]);
        for group in rule.api_groups.as_deref().unwrap_or_default() {
            granted.extend(rule.resources.iter().flatten().map(|resource| (group.clone(), resource.clone())));
        }
    }
    let asked: BTreeSet<_> = KINDS.iter().map(|kind| (kind.group.to_string(), kind.plural.to_string())).collect();
    assert_eq!(granted, asked);
}

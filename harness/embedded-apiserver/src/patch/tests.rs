use rstest::rstest;
use serde_json::{Value, json};

use super::{merge, strategic_merge};

#[test]
fn a_merge_patch_merges_objects_removes_nulls_and_replaces_lists() {
    let mut target = json!({"a": {"b": 1, "c": 2}, "l": [1, 2]});
    merge(&mut target, &json!({"a": {"b": null, "d": {"e": null}}, "l": [3]}));
    assert_eq!(target, json!({"a": {"c": 2, "d": {}}, "l": [3]}));
}

#[rstest]
#[case::null_removes(json!({"a": 1, "b": 2}), json!({"a": null}), json!({"b": 2}))]
#[case::nulls_in_a_new_value_vanish(json!({}), json!({"a": {"b": null, "c": 1}}), json!({"a": {"c": 1}}))]
#[case::directives_in_a_new_list_vanish(json!({}),
    json!({"containers": [{"$patch": "replace"}, {"name": "a", "$patch": "delete"}, {"name": "b"}]}),
    json!({"containers": [{"name": "b"}]}))]
#[case::an_unknown_list_is_replaced(json!({"args": ["a"]}), json!({"args": ["b"]}), json!({"args": ["b"]}))]
#[case::tolerations_are_replaced(json!({"tolerations": [{"key": "a"}]}), json!({"tolerations": [{"key": "b"}]}),
    json!({"tolerations": [{"key": "b"}]}))]
#[case::containers_merge_by_name(
    json!({"containers": [{"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]}, {"name": "b"}]}),
    json!({"containers": [{"name": "a", "image": "2", "env": [{"name": "Y", "value": "2"}]}]}),
    json!({"containers": [{"name": "a", "image": "2", "env": [{"name": "Y", "value": "2"}, {"name": "X", "value": "1"}]},
        {"name": "b"}]}))]
#[case::an_element_is_deleted(json!({"containers": [{"name": "a"}, {"name": "b"}]}),
    json!({"containers": [{"name": "a", "$patch": "delete"}]}), json!({"containers": [{"name": "b"}]}))]
#[case::a_list_is_replaced(json!({"containers": [{"name": "a"}]}),
    json!({"containers": [{"$patch": "replace"}, {"name": "b"}]}), json!({"containers": [{"name": "b"}]}))]
#[case::an_object_is_replaced(json!({"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}),
    json!({"strategy": {"$patch": "replace", "type": "Recreate"}}), json!({"strategy": {"type": "Recreate"}}))]
#[case::an_object_is_emptied(json!({"strategy": {"type": "RollingUpdate"}}), json!({"strategy": {"$patch": "delete"}}),
    json!({"strategy": {}}))]
#[case::only_retained_keys_stay(json!({"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}),
    json!({"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}), json!({"strategy": {"type": "Recreate"}}))]
#[case::finalizers_are_a_set(json!({"metadata": {"finalizers": ["a", "b"]}}), json!({"metadata": {"finalizers": ["b", "c"]}}),
    json!({"metadata": {"finalizers": ["a", "b", "c"]}}))]
#[case::finalizers_are_removed_by_directive(json!({"metadata": {"finalizers": ["a", "b"]}}),
    json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}), json!({"metadata": {"finalizers": ["b"]}}))]
#[case::deletion_from_a_set_wins(json!({"metadata": {"finalizers": ["a"]}}),
    json!({"metadata": {"finalizers": ["a", "b"], "$deleteFromPrimitiveList/finalizers": ["a"]}}),
    json!({"metadata": {"finalizers": ["b"]}}))]
#[case::what_is_patched_goes_before_what_is_new_to_the_patch(
    json!({"metadata": {"ownerReferences": [{"uid": "1"}, {"uid": "2"}]}}),
    json!({"metadata": {"ownerReferences": [{"uid": "1"}, {"uid": "3"}]}}),
    json!({"metadata": {"ownerReferences": [{"uid": "1"}, {"uid": "3"}, {"uid": "2"}]}}))]
#[case::owners_merge_by_uid(json!({"metadata": {"ownerReferences": [{"uid": "1", "name": "a"}]}}),
    json!({"metadata": {"ownerReferences": [{"uid": "1", "controller": true}, {"uid": "2"}]}}),
    json!({"metadata": {"ownerReferences": [{"uid": "1", "name": "a", "controller": true}, {"uid": "2"}]}}))]
#[case::conditions_merge_by_type(json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}}),
    json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}),
    json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}))]
#[case::container_ports_merge_by_container_port(
    json!({"containers": [{"name": "a", "ports": [{"containerPort": 80, "name": "http"}]}]}),
    json!({"containers": [{"name": "a", "ports": [{"containerPort": 80, "protocol": "TCP"}, {"containerPort": 81}]}]}),
    json!({"containers": [{"name": "a",
        "ports": [{"containerPort": 80, "name": "http", "protocol": "TCP"}, {"containerPort": 81}]}]}))]
#[case::service_ports_merge_by_port(json!({"spec": {"ports": [{"port": 80, "nodePort": 30080}]}}),
    json!({"spec": {"ports": [{"port": 80, "targetPort": 8080}]}}),
    json!({"spec": {"ports": [{"port": 80, "nodePort": 30080, "targetPort": 8080}]}}))]
#[case::slice_ports_are_replaced(json!({"ports": [{"port": 80}]}), json!({"ports": [{"port": 81}]}),
    json!({"ports": [{"port": 81}]}))]
fn a_strategic_patch_means_what_its_tags_and_directives_say(
    #[case] mut target: Value,
    #[case] patch: Value,
    #[case] expected: Value,
) {
    strategic_merge(&mut target, &patch);
    assert_eq!(target, expected);
}

#[rstest]
#[case::as_ordered(&["b", "a"], &[], &["b", "a"])]
#[case::with_a_new_element(&["c", "a", "b"], &["c"], &["c", "a", "b"])]
#[case::beside_one_that_only_the_server_knows(&["b"], &[], &["a", "b"])]
fn elements_follow_the_order_that_the_patch_sets(
    #[case] order: &[&str],
    #[case] added: &[&str],
    #[case] expected: &[&str],
) {
    let named = |names: &[&str]| -> Vec<Value> { names.iter().map(|name| json!({"name": name})).collect() };
    let mut target = json!({"containers": named(&["a", "b"])});
    strategic_merge(&mut target, &json!({"$setElementOrder/containers": named(order), "containers": named(added)}));
    assert_eq!(target["containers"], json!(named(expected)));
}

#[test]
fn an_order_alone_reorders_primitives_too() {
    let mut target = json!({"metadata": {"finalizers": ["a", "b"]}});
    strategic_merge(&mut target, &json!({"metadata": {"$setElementOrder/finalizers": ["b", "a"]}}));
    assert_eq!(target, json!({"metadata": {"finalizers": ["b", "a"]}}));
}

#[test]
fn what_kubectl_apply_sends_to_change_an_image_and_drop_a_variable_works() {
    let mut target = json!({"spec": {"replicas": 3, "template": {"spec": {"containers": [
        {"name": "proxy", "image": "p:1"},
        {"name": "app", "image": "a:1", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}]}}}});
    let patch = json!({"spec": {"template": {"spec": {
        "$setElementOrder/containers": [{"name": "app"}],
        "containers": [{"name": "app", "image": "a:2", "$setElementOrder/env": [{"name": "B"}],
            "env": [{"$patch": "delete", "name": "A"}]}]}}}});
    strategic_merge(&mut target, &patch);
    assert_eq!(
        target,
        json!({"spec": {"replicas": 3, "template": {"spec": {"containers": [
        {"name": "proxy", "image": "p:1"},
        {"name": "app", "image": "a:2", "env": [{"name": "B", "value": "2"}]}]}}}})
    );
}

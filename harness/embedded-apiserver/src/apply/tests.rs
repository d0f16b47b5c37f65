use jiff::Timestamp;
use rstest::rstest;
use serde_json::{Value, json};

use super::{Conflict, conflict_message, server_side_apply};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("in range")
}

fn deployment(spec: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "n"}, "spec": spec})
}

fn apply(existing: &Value, spec: Value, manager: &str) -> Result<Value, Vec<Conflict>> {
    server_side_apply(Some(existing), &deployment(spec), (manager, ""), false, at(60))
}

fn created(spec: Value) -> Value {
    server_side_apply(None, &deployment(spec), ("a", ""), false, at(0)).expect("nobody else is there")
}

#[test]
fn applying_creates_and_records_what_was_stated() {
    let object =
        created(json!({"replicas": 1, "containers": [{"name": "c", "image": "i"}], "args": ["x"], "empty": {}}));
    assert_eq!(object["spec"]["replicas"], 1);
    assert_eq!(
        object["metadata"]["managedFields"],
        json!([{"manager": "a", "operation": "Apply", "apiVersion": "apps/v1", "time": "1970-01-01T00:00:00Z",
            "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:replicas": {}, "f:args": {}, "f:empty": {},
                "f:containers": {"k:{\"name\":\"c\"}": {".": {}, "f:name": {}, "f:image": {}}}}}}])
    );
}

#[test]
fn applying_the_same_again_changes_nothing_not_even_a_time() {
    let spec = json!({"replicas": 1, "containers": [{"name": "c", "ports": [{"containerPort": 80}]}]});
    let object = created(spec.clone());
    assert_eq!(apply(&object, spec, "a").as_ref(), Ok(&object));
}

#[test]
fn another_manager_with_the_same_value_shares_the_field() {
    let shared = apply(&created(json!({"replicas": 1})), json!({"replicas": 1}), "b").expect("no conflict");
    let dropped = apply(&shared, json!({}), "a").expect("no conflict");
    assert_eq!(dropped["spec"]["replicas"], 1, "b still wants it");
    let gone = apply(&dropped, json!({}), "b").expect("no conflict");
    assert_eq!(gone["spec"].get("replicas"), None);
}

#[test]
fn another_value_for_an_owned_field_is_a_conflict_until_it_is_forced() {
    let object = created(json!({"replicas": 1, "paused": true}));
    let conflicts = apply(&object, json!({"replicas": 2}), "b").expect_err("a owns it");
    assert_eq!(conflicts, [Conflict { manager: "a".to_owned(), field: ".spec.replicas".to_owned() }]);
    assert_eq!(conflict_message(&conflicts), "Apply failed with 1 conflict: conflict with \"a\": .spec.replicas");

    let forced = server_side_apply(Some(&object), &deployment(json!({"replicas": 2})), ("b", ""), true, at(60));
    let forced = forced.expect("forced");
    assert_eq!(forced["spec"], json!({"replicas": 2, "paused": true}));
    let back = apply(&forced, json!({"replicas": 1, "paused": true}), "a").expect_err("b owns it now");
    assert_eq!(back[0].manager, "b");
}

#[test]
fn a_manager_may_change_what_it_alone_owns() {
    let object = apply(&created(json!({"replicas": 1})), json!({"replicas": 5}), "a").expect("its own");
    assert_eq!(object["spec"]["replicas"], 5);
    assert_eq!(object["metadata"]["managedFields"][0]["time"], "1970-01-01T00:01:00Z");
}

#[test]
fn an_element_of_a_keyed_list_that_is_no_longer_stated_goes_and_its_neighbour_stays() {
    let object = created(json!({"containers": [{"name": "c", "image": "1"}, {"name": "d", "image": "1"}]}));
    let object = apply(&object, json!({"containers": [{"name": "e", "image": "1"}]}), "b").expect("no conflict");
    let object = apply(&object, json!({"containers": [{"name": "d", "image": "2"}]}), "a").expect("no conflict");
    assert_eq!(object["spec"]["containers"], json!([{"name": "d", "image": "2"}, {"name": "e", "image": "1"}]));
}

#[test]
fn an_element_stays_with_its_key_while_another_manager_owns_a_field_of_it() {
    let object = created(json!({"containers": [{"name": "c", "image": "1"}]}));
    let both = json!({"containers": [{"name": "c", "command": ["x"]}]});
    let object = apply(&object, both, "b").expect("no conflict");
    let object = apply(&object, json!({}), "a").expect("no conflict");
    assert_eq!(object["spec"]["containers"], json!([{"name": "c", "command": ["x"]}]));
}

#[rstest]
#[case::labels(json!({"labels": {"x": "1", "y": "2"}}), json!({"labels": {"x": "1"}}), json!({"labels": {"x": "1"}}))]
#[case::all_labels(json!({"labels": {"x": "1"}}), json!({}), json!({}))]
#[case::finalizers(json!({"finalizers": ["a/x", "a/y"]}), json!({"finalizers": ["a/y"]}), json!({"finalizers": ["a/y"]}))]
fn metadata_that_is_no_longer_stated_goes(#[case] first: Value, #[case] second: Value, #[case] left: Value) {
    let object = |metadata| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata});
    let before = server_side_apply(None, &object(first), ("a", ""), false, at(0)).expect("created");
    let mut after = server_side_apply(Some(&before), &object(second), ("a", ""), false, at(0)).expect("its own");
    let metadata = after["metadata"].as_object_mut().expect("an object");
    metadata.remove("managedFields");
    assert_eq!(after["metadata"], left);
}

#[test]
fn an_object_that_nobody_applied_is_owned_by_before_first_apply() {
    let mut plain = deployment(json!({"replicas": 1, "paused": true}));
    plain["status"] = json!({"replicas": 1});
    let conflicts = apply(&plain, json!({"replicas": 2}), "a").expect_err("somebody set it");
    assert_eq!(conflicts[0].manager, "before-first-apply");
    let object = apply(&plain, json!({"replicas": 1}), "a").expect("the same value");
    assert_eq!(object["spec"], json!({"replicas": 1, "paused": true}));
    let managers: Vec<&Value> =
        object["metadata"]["managedFields"].as_array().expect("a list").iter().map(|entry| &entry["manager"]).collect();
    assert_eq!(managers, ["a", "before-first-apply"]);
}

#[test]
fn a_null_and_what_the_server_sets_are_not_stated() {
    let mut patch = deployment(json!({"replicas": null, "paused": true}));
    patch["metadata"]["creationTimestamp"] = Value::Null;
    let object = server_side_apply(None, &patch, ("a", ""), false, at(0)).expect("created");
    assert_eq!(object["spec"], json!({"paused": true}));
    assert_eq!(object["metadata"]["managedFields"][0]["fieldsV1"], json!({"f:spec": {"f:paused": {}}}));
}

#[test]
fn several_conflicts_are_listed_by_manager() {
    let object = created(json!({"replicas": 1, "containers": [{"name": "c", "image": "1"}]}));
    let wanted = json!({"replicas": 2, "containers": [{"name": "c", "image": "2"}]});
    let conflicts = apply(&object, wanted, "b").expect_err("a owns them");
    let text =
        "Apply failed with 2 conflicts: conflicts with \"a\":\n- .spec.containers[name=\"c\"].image\n- .spec.replicas";
    assert_eq!(conflict_message(&conflicts), text);
}

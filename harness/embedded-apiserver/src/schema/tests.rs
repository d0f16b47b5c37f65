//! Texts and reasons are those that kube-apiserver 1.36 gives, read from its sources.

use rstest::rstest;
use serde_json::{Value, json};

use super::{
    FieldError, Schema, aggregate,
    cel::{Bindings, Expression},
    value,
};

fn supported(version: &Value) -> Result<Schema, Vec<FieldError>> {
    let schema = Schema::from_crd_version(version);
    if schema.unsupported.is_empty() { Ok(schema) } else { Err(schema.unsupported) }
}

fn schema(spec: Value) -> Schema {
    let version = json!({"schema": {"openAPIV3Schema": {"type": "object", "properties": {
        "spec": spec, "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}});
    supported(&version).expect("supported")
}

fn errors(schema: &Schema, spec: Value, old: Option<Value>) -> Vec<(String, &'static str)> {
    let old = old.map(|old| json!({"spec": old}));
    let errors = schema.validate(&json!({"spec": spec}), old.as_ref(), false);
    errors.iter().map(|error| (error.to_string(), error.reason)).collect()
}

fn field(keywords: Value) -> Schema {
    schema(json!({"type": "object", "properties": {"x": keywords}}))
}

#[rstest]
#[case(json!({"type": "string", "minLength": 1}), json!(""),
    r#"spec.x: Invalid value: "": spec.x in body should be at least 1 chars long"#, "FieldValueInvalid")]
#[case(json!({"type": "string", "maxLength": 2}), json!("äöü"),
    "spec.x: Too long: may not be more than 2 bytes", "FieldValueTooLong")]
#[case(json!({"type": "string", "pattern": "^[a-f0-9]{4}$"}), json!("xyz"),
    r#"spec.x: Invalid value: "xyz": spec.x in body should match '^[a-f0-9]{4}$'"#, "FieldValueInvalid")]
#[case(json!({"type": "string", "enum": ["b", "c"]}), json!("a"),
    r#"spec.x: Unsupported value: "a": supported values: "b", "c""#, "FieldValueNotSupported")]
#[case(json!({"type": "integer"}), json!("a"),
    r#"spec.x: Invalid value: "string": spec.x in body must be of type integer: "string""#, "FieldValueTypeInvalid")]
#[case(json!({"type": "integer"}), Value::Null,
    r#"spec.x: Invalid value: "null": spec.x in body must be of type integer: "null""#, "FieldValueTypeInvalid")]
#[case(json!({"type": "string", "format": "date-time"}), json!("2026-02-30T00:00:00Z"),
    r#"spec.x: Invalid value: "2026-02-30T00:00:00Z": spec.x in body must be of type date-time: "2026-02-30T00:00:00Z""#,
    "FieldValueTypeInvalid")]
#[case(json!({"type": "string", "format": "date-time"}), json!(5),
    r#"spec.x: Invalid value: "int64": spec.x in body must be of type date-time: "int64""#, "FieldValueTypeInvalid")]
#[case(json!({"type": "number", "maximum": 1.25}), json!(5),
    "spec.x: Invalid value: 5: spec.x in body should be less than or equal to 1", "FieldValueInvalid")]
#[case(json!({"type": "number", "maximum": 1.25}), json!(1.5e20),
    "spec.x: Invalid value: 1.5e+20: spec.x in body should be less than or equal to 1.25", "FieldValueInvalid")]
#[case(json!({"type": "integer"}), json!(1e20),
    r#"spec.x: Invalid value: "number": spec.x in body must be of type integer: "number""#, "FieldValueTypeInvalid")]
#[case(json!({"type": "integer", "format": "int32"}), json!(2_147_483_648_u64),
    r#"<nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec.x"#, "FieldValueInvalid")]
#[case(json!({"type": "integer", "minimum": 1}), json!(0),
    "spec.x: Invalid value: 0: spec.x in body should be greater than or equal to 1", "FieldValueInvalid")]
#[case(json!({"type": "integer", "maximum": 9, "exclusiveMaximum": true}), json!(9),
    "spec.x: Invalid value: 9: spec.x in body should be less than 9", "FieldValueInvalid")]
#[case(json!({"type": "array", "maxItems": 1, "items": {"type": "string"}}), json!(["a", "b"]),
    "spec.x: Too many: 2: must have at most 1 item", "FieldValueTooMany")]
#[case(json!({"type": "array", "minItems": 1, "items": {"type": "string"}}), json!([]),
    "spec.x: Invalid value: 0: spec.x in body should have at least 1 items", "FieldValueInvalid")]
#[case(json!({"type": "object", "maxProperties": 1, "additionalProperties": {"type": "string"}}), json!({"a": "", "b": ""}),
    "spec.x: Too many: 2: must have at most 1 item", "FieldValueTooMany")]
#[case(json!({"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}), json!({}),
    "spec.x.name: Required value", "FieldValueRequired")]
#[case(json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}), json!(["a", "a", "a"]),
    r#"spec.x[1]: Duplicate value: "a""#, "FieldValueDuplicate")]
#[case(json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
        "items": {"type": "object", "properties": {"name": {"type": "string"}}}}),
    json!([{"name": "a"}, {"name": "b"}, {"name": "a"}]),
    r#"spec.x[2]: Duplicate value: {"name":"a"}"#, "FieldValueDuplicate")]
#[case(json!({"type": "string", "x-kubernetes-validations": [{"rule": "self.startsWith('a')", "message": "wrong"}]}),
    json!("b"), r#"spec.x: Invalid value: "b": wrong"#, "FieldValueInvalid")]
#[case(json!({"type": "object", "additionalProperties": {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 1"}]}}),
    json!({"k": 1}), "spec.x[k]: Invalid value: 1: failed rule: self > 1", "FieldValueInvalid")]
fn a_violation_is_reported_in_the_words_of_the_real_server(
    #[case] keywords: Value,
    #[case] value: Value,
    #[case] text: &str,
    #[case] reason: &str,
) {
    let found = errors(&field(keywords), json!({"x": value}), None);
    assert_eq!(found.first().map(|(text, reason)| (text.as_str(), *reason)), Some((text, reason)), "{found:?}");
}

#[rstest]
#[case(json!({"type": "integer"}), json!(1.0))]
#[case(json!({"type": "number"}), json!(1))]
#[case(json!({"type": "string", "nullable": true, "minLength": 1}), Value::Null)]
#[case(json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]}), json!("25%"))]
#[case(json!({"type": "string", "format": "date-time"}), json!("2026-02-28t23:59:59.123456+01:00"))]
#[case(json!({"type": "string", "format": "unheard-of"}), json!("anything"))]
#[case(json!({"type": "string", "pattern": "b"}), json!("abc"))]
#[case(json!({"type": "string", "pattern": "^[\\d-]+\\w$"}), json!("1-2a"))]
fn a_valid_value_is_accepted(#[case] keywords: Value, #[case] value: Value) {
    assert_eq!(errors(&field(keywords), json!({"x": value}), None), []);
}

#[test]
fn a_digit_class_means_ascii_digits_as_in_re2() {
    let schema = field(json!({"type": "string", "pattern": "^\\d$"}));
    assert_eq!(errors(&schema, json!({"x": "٣"}), None).len(), 1);
}

fn immutable() -> Schema {
    schema(
        json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "Value is immutable"}]}),
    )
}

#[test]
fn a_transition_rule_is_skipped_without_an_old_value() {
    assert_eq!(errors(&immutable(), json!({"a": "1"}), None), []);
}

#[test]
fn an_immutable_spec_can_be_sent_again_but_not_changed() {
    assert_eq!(errors(&immutable(), json!({"a": "1"}), Some(json!({"a": "1"}))), []);
    let changed = errors(&immutable(), json!({"a": "1", "b": "2"}), Some(json!({"a": "1"})));
    assert_eq!(changed, [("spec: Invalid value: Value is immutable".to_owned(), "FieldValueInvalid")]);
}

#[test]
fn rules_wait_until_the_object_is_otherwise_valid() {
    let found = errors(&immutable(), json!({}), Some(json!({"a": "1"})));
    let texts: Vec<&str> = found.iter().map(|(text, _)| text.as_str()).collect();
    let waiting = "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; \
                   correct the existing errors to complete validation";
    assert_eq!(texts, ["spec.a: Required value", waiting]);
}

#[test]
fn an_unchanged_violation_is_forgiven_on_update_and_a_new_one_is_not() {
    let schema = schema(json!({"type": "object", "properties": {
        "x": {"type": "string", "minLength": 2}, "y": {"type": "string", "minLength": 2}}}));
    assert_eq!(errors(&schema, json!({"x": "a", "y": "ok"}), Some(json!({"x": "a"}))), []);
    assert_eq!(errors(&schema, json!({"x": "b"}), Some(json!({"x": "a"}))).len(), 1);
}

#[test]
fn an_element_of_a_list_map_keeps_its_old_value_at_another_position() {
    let schema =
        field(json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
        "items": {"type": "object", "properties": {"name": {"type": "string"}, "sequence": {"type": "integer"}},
            "x-kubernetes-validations": [{"rule": "self.sequence >= oldSelf.sequence", "message": "goes back"}]}}));
    let old = json!({"x": [{"name": "a", "sequence": 5}, {"name": "b", "sequence": 1}]});
    let forward = json!({"x": [{"name": "b", "sequence": 2}, {"name": "a", "sequence": 5}]});
    assert_eq!(errors(&schema, forward, Some(old.clone())), []);
    let back = json!({"x": [{"name": "b", "sequence": 1}, {"name": "a", "sequence": 4}]});
    assert_eq!(
        errors(&schema, back, Some(old)),
        [("spec.x[1]: Invalid value: goes back".to_owned(), "FieldValueInvalid")]
    );
}

fn ruled(rule: &str) -> Value {
    json!({"type": "object", "x-kubernetes-validations": [{"rule": rule}]})
}

#[rstest]
#[case(ruled("self.l.all(i, v, v == 'a')"), "undeclared reference to 'i'")]
#[case(ruled("cel.bind(a, self.a, a == 'a')"), "undeclared reference")]
#[case(ruled("self.n < 1 || nothing(self.n)"), "undeclared reference to 'nothing'")]
#[case(ruled("self.a.nothing()"), "undeclared reference to 'nothing'")]
#[case(ruled("self.l.exists(x, x == y)"), "undeclared reference to 'y'")]
#[case(ruled("self.l.exists(x, true) && x == 1"), "undeclared reference to 'x'")]
#[case(ruled("Message{a: 1}.a == 1"), "the message Message")]
#[case(ruled("self.a =="), "CEL rule")]
#[case(ruled("self.a.matches('(')"), "CEL rule")]
#[case(ruled(&format!("{}self.a{}", "(".repeat(1_990), ")".repeat(1_990))), "CEL rule")]
#[case(ruled(&format!("{}1 == 1", "1+".repeat(1_900))), "nested deeper than 100")]
#[case(ruled(&format!("{}true", "true?true:".repeat(390))), "CEL rule")]
#[case(ruled(&"true||".repeat(1_000)), "longer than 4000 bytes")]
#[case(json!({"type": "string", "x-kubernetes-validations": [{"rule": "true", "messageExpression": "'a' +"}]}), "messageExpression")]
#[case(json!({"oneOf": [{"required": ["a"]}]}), "oneOf")]
#[case(json!({"anyOf": [{"type": "string"}]}), "anyOf")]
#[case(json!({"type": "string", "format": "ipv4"}), "ipv4")]
#[case(json!({"type": "string", "pattern": "("}), "pattern")]
fn what_is_not_supported_is_refused_and_never_accepted_in_silence(#[case] keywords: Value, #[case] named: &str) {
    let version = json!({"schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": keywords}}}});
    let refused = supported(&version).expect_err("refused");
    assert!(refused.iter().any(|error| error.field == "spec" && error.message.contains(named)), "{refused:?}");
    assert!(!Schema::from_crd_version(&version).validate(&json!({}), None, false).is_empty());
}

#[rstest]
#[case("has(self.a) || has(self.b)", json!({"b": "1"}), true)]
#[case("!has(self.a)", json!({"a": "1"}), false)]
#[case("has(self.a) ? self.a == 'x' : true", json!({"a": "y"}), false)]
#[case("self.a in ['x', \"y\"]", json!({"a": "y"}), true)]
#[case("self.n >= -1 && self.n < 2", json!({"n": 1}), true)]
#[case("size(self.a) == 2 && self.a.size() != 3", json!({"a": "äö"}), true)]
#[case(&format!("{}1 == 91", "1+".repeat(90)), json!({}), true)]
#[case("self.a.matches('^[0-9]+$')", json!({"a": "12"}), true)]
#[case("self.missing == 'x' || self.n == 1", json!({"n": 1}), true)]
#[case("self.m['k'] == 'v' && self.l[0] == 'a'", json!({"m": {"k": "v"}, "l": ["a"]}), true)]
#[case("self.__namespace__ == 'x'", json!({"namespace": "x"}), true)]
#[case("self.a__dash__b__dot__c == 'x' && self.with_one == 1", json!({"a-b.c": "x", "with_one": 1}), true)]
#[case("self.n - 1 > 0 || self.n % 2 == 1", json!({"n": 1}), true)]
#[case("self.l.all(x, x.startsWith('a')) && !self.l.exists(x, x == 'b')", json!({"l": ["a", "ab"]}), true)]
#[case("self.l.map(x, size(x)).sum() == 3 && self.l.isSorted()", json!({"l": ["a", "ab"]}), true)]
#[case("duration(self.a) < duration('1h')", json!({"a": "59m"}), true)]
#[case("quantity(self.a).isLessThan(quantity('1Gi'))", json!({"a": "1000Mi"}), true)]
#[case("isURL(self.a) && url(self.a).getHost() == 'b:1'", json!({"a": "http://b:1/c"}), true)]
#[case("!format.dns1123Label().validate(self.a).hasValue()", json!({"a": "Not-A-Label"}), false)]
#[case("self.?a.orValue('none') == 'none'", json!({}), true)]
#[case(&format!("{}1 == 91", "1+".repeat(90)), json!({}), true)]
#[case("self.a.matches('^\\\\d$')", json!({"a": "٣"}), false)]
fn a_rule_means_what_cel_says(#[case] rule: &str, #[case] value: Value, #[case] holds: bool) {
    let rule = Expression::compile(rule).expect("compiles");
    assert_eq!(rule.truth(&Bindings::new(value::of(&value, None), None)), Ok(holds));
}

#[rstest]
#[case("self.a.b == 'x' || !self.a.b", json!({"a": "text"}), "'no such overload': call arguments did not match a supported operator, function or macro signature for rule: self.a.b == 'x' || !self.a.b")]
#[case("self.l[2] == 1", json!({"l": [1]}), "index out of bounds: 2 evaluating rule: self.l[2] == 1")]
#[case("1 / self.n == 1", json!({"n": 0}), "division by zero evaluating rule: 1 / self.n == 1")]
#[case("lists.range(2000).all(x, lists.range(2000).all(y, x != -1))", json!({}),
    "'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost exceeds \
     limit for rule: lists.range(2000).all(x, lists.range(2000).all(y, x != -1))")]
fn a_rule_that_cannot_be_evaluated_says_why(#[case] rule: &str, #[case] value: Value, #[case] text: &str) {
    let mut keywords = ruled(rule);
    keywords["x-kubernetes-preserve-unknown-fields"] = json!(true);
    let found = errors(&schema(keywords), value, None);
    assert_eq!(found[0].0, format!(r#"spec: Invalid value: "object": {text}"#));
}

#[test]
fn dates_compare_as_times_and_numbers_as_their_type_says() {
    let schema = schema(json!({"type": "object",
        "properties": {"at": {"type": "string", "format": "date-time"}, "ratio": {"type": "number"}},
        "x-kubernetes-validations": [{"rule": "self.at < timestamp('2026-01-01T00:00:00Z') && self.ratio / 2.0 == 0.5"}]}));
    assert_eq!(errors(&schema, json!({"at": "2026-01-01T00:30:00+01:00", "ratio": 1}), None), []);
    assert_eq!(errors(&schema, json!({"at": "2026-01-01T00:00:00Z", "ratio": 1}), None).len(), 1);
}

#[test]
fn a_message_may_be_an_expression_and_falls_back_to_the_message() {
    let schema = |expression: &str| {
        schema(json!({"type": "object", "properties": {"n": {"type": "integer"}}, "x-kubernetes-validations": [
            {"rule": "self.n > 1", "message": "small", "messageExpression": expression}]}))
    };
    let found = |expression: &str| errors(&schema(expression), json!({"n": 1}), None).remove(0).0;
    assert_eq!(found("string(self.n) + ' is too small'"), "spec: Invalid value: 1 is too small");
    assert_eq!(found("self.missing"), "spec: Invalid value: small");
    assert_eq!(found("' '"), "spec: Invalid value: small");
}

#[test]
fn an_optional_old_value_lets_a_transition_rule_run_on_create() {
    let schema =
        schema(json!({"type": "object", "properties": {"n": {"type": "integer"}}, "x-kubernetes-validations": [
        {"rule": "oldSelf.hasValue() ? self.n >= oldSelf.value().n : self.n == 1", "optionalOldSelf": true}]}));
    assert_eq!(errors(&schema, json!({"n": 1}), None), []);
    assert_eq!(errors(&schema, json!({"n": 2}), None).len(), 1);
    assert_eq!(errors(&schema, json!({"n": 3}), Some(json!({"n": 2}))), []);
    assert_eq!(errors(&schema, json!({"n": 1}), Some(json!({"n": 2}))).len(), 1);
}

#[test]
fn a_missing_key_is_an_error_of_the_rule() {
    let schema = schema(json!({"type": "object", "properties": {"a": {"type": "string"}},
        "x-kubernetes-validations": [{"rule": "self.a == 'x'"}]}));
    let found = errors(&schema, json!({}), None);
    assert_eq!(found[0].0, r#"spec: Invalid value: "object": no such key: a evaluating rule: self.a == 'x'"#);
}

#[test]
fn pruning_keeps_the_declared_the_preserved_and_the_root_metadata() {
    let schema = schema(json!({"type": "object", "properties": {
        "a": {"type": "string"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "list": {"type": "array", "items": {"type": "object", "properties": {"k": {"type": "string"}}}}}}));
    let mut object = json!({"apiVersion": "v1", "kind": "K", "metadata": {"name": "n", "x": 1}, "junk": 1,
        "spec": {"a": "1", "b": "2", "labels": {"l": "v"}, "list": [{"k": "1", "z": 2}]},
        "status": {"any": {"thing": 1}}});
    schema.prune(&mut object);
    assert_eq!(
        object,
        json!({"apiVersion": "v1", "kind": "K", "metadata": {"name": "n", "x": 1},
        "spec": {"a": "1", "labels": {"l": "v"}, "list": [{"k": "1"}]}, "status": {"any": {"thing": 1}}})
    );
}

#[test]
fn defaulting_fills_what_is_absent_and_drops_nulls_that_mean_nothing() {
    let schema = schema(json!({"type": "object", "default": {}, "properties": {
        "a": {"type": "string", "default": "x"},
        "n": {"type": "string", "nullable": true, "default": "x"},
        "b": {"type": "string"},
        "c": {"type": "string", "default": "x"},
        "m": {"type": "object", "additionalProperties": {"type": "string", "default": "y"}}}}));
    let mut object = json!({"spec": {"a": null, "n": null, "b": null, "c": "mine", "m": {"k": null}}});
    schema.default(&mut object);
    assert_eq!(object, json!({"spec": {"a": "x", "n": null, "c": "mine", "m": {"k": "y"}}}));
    let mut empty = json!({});
    schema.default(&mut empty);
    assert_eq!(empty, json!({"spec": {"a": "x", "n": "x", "c": "x"}}));
}

#[test]
fn an_embedded_resource_keeps_its_metadata_and_must_say_what_it_is() {
    let schema = field(json!({"type": "object", "x-kubernetes-embedded-resource": true,
        "properties": {"spec": {"type": "object"}}}));
    let mut object = json!({"spec": {"x": {"kind": "K", "metadata": {"name": "n"}, "junk": 1}}});
    schema.prune(&mut object);
    assert_eq!(object, json!({"spec": {"x": {"kind": "K", "metadata": {"name": "n"}}}}));
    let found = errors(&schema, object["spec"].clone(), None);
    assert_eq!(found[0].0, "spec.x.apiVersion: Required value: must not be empty");
}

#[test]
fn several_errors_are_aggregated_in_brackets_and_each_only_once() {
    let schema = schema(json!({"type": "object", "required": ["a", "b"]}));
    let found = schema.validate(&json!({"spec": {}}), None, false);
    let twice: Vec<_> = found.iter().take(2).chain(found.iter().take(1)).cloned().collect();
    assert_eq!(aggregate(&twice), "[spec.a: Required value, spec.b: Required value]");
    assert_eq!(aggregate(&found[..1]), "spec.a: Required value");
}

//! One validation rule: an element of `x-kubernetes-validations`.

use serde_json::Value;

use super::{cel::Expression, error::FieldError};

/// One rule on a node.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) source: String,
    pub(super) expression: Expression,
    pub(super) message: String,
    pub(super) message_expression: Option<Expression>,
    pub(super) reason: String,
    pub(super) field_path: String,
    pub(super) is_transition: bool,
    /// Whether `oldSelf` is an optional, and the rule runs without an old value too.
    pub(super) has_optional_old: bool,
    /// Whether it is `self == oldSelf`: every write of every object whose spec may not change evaluates that.
    pub(super) is_identity: bool,
}

impl Rule {
    /// The rules on `schema`; one that is not supported is reported in `unsupported` instead.
    pub(super) fn parse_all(schema: &Value, path: &str, unsupported: &mut Vec<FieldError>) -> Vec<Self> {
        let rules = schema.get("x-kubernetes-validations").and_then(Value::as_array);
        let mut parsed = Vec::new();
        for rule in rules.into_iter().flatten() {
            match Self::parse(rule) {
                Ok(rule) => parsed.push(rule),
                Err(error) => {
                    let source = rule.get("rule").and_then(Value::as_str).unwrap_or_default();
                    unsupported.push(FieldError::unsupported(path, &format!("the CEL rule {source:?}: {error}")));
                }
            }
        }
        parsed
    }

    fn parse(rule: &Value) -> Result<Self, String> {
        let text = |key: &str| rule.get(key).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
        let source = text("rule");
        let expression = Expression::compile(&source)?;
        let message_expression = match text("messageExpression") {
            none if none.is_empty() => None,
            some => Some(Expression::compile(&some).map_err(|error| format!("messageExpression {some:?}: {error}"))?),
        };
        let field_path = text("fieldPath");
        if field_path.contains('[') {
            return Err(format!("fieldPath {field_path}"));
        }
        let has_optional_old = rule.get("optionalOldSelf").and_then(Value::as_bool).unwrap_or_default();
        Ok(Self {
            is_transition: expression.mentions_old(),
            is_identity: expression.is_identity() && !has_optional_old,
            message: text("message"),
            reason: text("reason"),
            expression,
            message_expression,
            field_path,
            has_optional_old,
            source,
        })
    }
}

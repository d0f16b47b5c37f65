//! Evaluation of the part of CEL that validation rules here may use (the Common Expression Language's definition).
//!
//! Supported: literals and lists, `self`, `oldSelf`, field and index selection, `has()`, `==`, `!=`, `<`, `<=`, `>`,
//! `>=`, `in`, `!`, `&&`, `||`, `?:`, `size()`, `startsWith`, `endsWith`, `contains`, `matches`. Values are JSON: a
//! date-time compares as text, and lists that are sets or maps compare in order, unlike in a real server.

use std::{borrow::Cow, cmp::Ordering};

use regex::Regex;
use serde_json::Value;

/// A parsed expression.
#[derive(Debug)]
pub(super) enum Expr {
    /// A constant.
    Literal(Value),
    /// `[a, b]`.
    List(Vec<Expr>),
    /// The value that the rule stands on.
    This,
    /// The value before the update.
    Old,
    /// `a.b`.
    Select(Box<Expr>, String),
    /// `a[b]`.
    Index(Box<Expr>, Box<Expr>),
    /// `has(a.b)`.
    Has(Box<Expr>, String),
    /// `!a`.
    Not(Box<Expr>),
    /// `a && b`.
    And(Box<Expr>, Box<Expr>),
    /// `a || b`.
    Or(Box<Expr>, Box<Expr>),
    /// `a ? b : c`.
    Conditional(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `a == b` and the like.
    Compare(Comparison, Box<Expr>, Box<Expr>),
    /// `a in b`.
    In(Box<Expr>, Box<Expr>),
    /// `size(a)` or `a.size()`.
    Size(Box<Expr>),
    /// `a.startsWith(b)` and the like.
    Text(TextTest, Box<Expr>, Box<Expr>),
    /// `a.matches('…')`, with the expression compiled.
    Matches(Box<Expr>, Regex),
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A test of one string by another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextTest {
    StartsWith,
    EndsWith,
    Contains,
}

/// What `self` and `oldSelf` stand for.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) this: &'a Value,
    pub(super) old: Option<&'a Value>,
}

impl Expr {
    /// The expression's value.
    ///
    /// # Errors
    /// CEL's own text, such as `no such key: a`.
    pub(super) fn evaluate<'a>(&'a self, scope: Scope<'a>) -> Result<Cow<'a, Value>, String> {
        let owned = |value: bool| Ok(Cow::Owned(Value::Bool(value)));
        match self {
            Self::Literal(value) => Ok(Cow::Borrowed(value)),
            Self::List(items) => {
                let items: Result<Vec<Value>, String> =
                    items.iter().map(|item| item.evaluate(scope).map(Cow::into_owned)).collect();
                Ok(Cow::Owned(Value::Array(items?)))
            }
            Self::This => Ok(Cow::Borrowed(scope.this)),
            Self::Old => scope.old.map(Cow::Borrowed).ok_or_else(|| "no such attribute: oldSelf".to_owned()),
            Self::Select(object, key) => select(object.evaluate(scope)?, key),
            Self::Index(object, index) => {
                let (object, index) = (object.evaluate(scope)?, index.evaluate(scope)?);
                at_index(object, &index)
            }
            Self::Has(object, key) => owned(object.evaluate(scope)?.get(key).is_some()),
            Self::Not(operand) => owned(!operand.truth(scope)?),
            Self::And(left, right) => owned(!either(left.truth(scope).map(|v| !v), || right.truth(scope).map(|v| !v))?),
            Self::Or(left, right) => owned(either(left.truth(scope), || right.truth(scope))?),
            Self::Conditional(test, yes, no) => {
                if test.truth(scope)? {
                    yes.evaluate(scope)
                } else {
                    no.evaluate(scope)
                }
            }
            Self::Compare(comparison, left, right) => {
                owned(compare(*comparison, &*left.evaluate(scope)?, &*right.evaluate(scope)?)?)
            }
            Self::In(item, container) => owned(is_in(&*item.evaluate(scope)?, &*container.evaluate(scope)?)?),
            Self::Size(operand) => Ok(Cow::Owned(size(&*operand.evaluate(scope)?)?)),
            Self::Text(test, text, part) => owned(test.holds(&*text.evaluate(scope)?, &*part.evaluate(scope)?)?),
            Self::Matches(text, regex) => {
                owned(text.evaluate(scope)?.as_str().map(|text| regex.is_match(text)).ok_or_else(no_overload)?)
            }
        }
    }

    /// The expression's value as a condition.
    ///
    /// # Errors
    /// As [`Expr::evaluate`], and when it is not a boolean.
    pub(super) fn truth(&self, scope: Scope<'_>) -> Result<bool, String> {
        self.evaluate(scope)?.as_bool().ok_or_else(no_overload)
    }
}

fn no_overload() -> String {
    "no such overload".to_owned()
}

/// `||` of CEL: a true side decides, even beside an error.
fn either(left: Result<bool, String>, right: impl FnOnce() -> Result<bool, String>) -> Result<bool, String> {
    match left {
        Ok(true) => Ok(true),
        Ok(false) => right(),
        Err(error) => match right() {
            Ok(true) => Ok(true),
            Ok(false) | Err(_) => Err(error),
        },
    }
}

fn select<'a>(object: Cow<'a, Value>, key: &str) -> Result<Cow<'a, Value>, String> {
    let found = match object {
        Cow::Borrowed(object) => object.get(key).map(Cow::Borrowed),
        Cow::Owned(object) => object.get(key).cloned().map(Cow::Owned),
    };
    found.ok_or_else(|| format!("no such key: {key}"))
}

fn at_index<'a>(object: Cow<'a, Value>, index: &Value) -> Result<Cow<'a, Value>, String> {
    match (&*object, index) {
        (Value::Object(_), Value::String(key)) => select(object, key),
        (Value::Array(items), Value::Number(number)) => {
            let item = number.as_u64().and_then(|at| usize::try_from(at).ok()).and_then(|at| items.get(at));
            item.cloned().map(Cow::Owned).ok_or_else(|| format!("index out of bounds: {number}"))
        }
        _ => Err(no_overload()),
    }
}

fn compare(comparison: Comparison, left: &Value, right: &Value) -> Result<bool, String> {
    let equal = || left == right || (left.is_number() && left.as_f64() == right.as_f64());
    match comparison {
        Comparison::Equal => return Ok(equal()),
        Comparison::NotEqual => return Ok(!equal()),
        _ => {}
    }
    let ordering = match (left, right) {
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
        (Value::Number(left), Value::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => left.as_f64().zip(right.as_f64()).and_then(|(left, right)| left.partial_cmp(&right)),
        },
        _ => None,
    };
    let ordering = ordering.ok_or_else(no_overload)?;
    Ok(match comparison {
        Comparison::Less => ordering == Ordering::Less,
        Comparison::LessOrEqual => ordering != Ordering::Greater,
        Comparison::Greater => ordering == Ordering::Greater,
        Comparison::GreaterOrEqual => ordering != Ordering::Less,
        Comparison::Equal | Comparison::NotEqual => equal(),
    })
}

fn is_in(item: &Value, container: &Value) -> Result<bool, String> {
    match (container, item) {
        (Value::Array(items), item) => Ok(items.contains(item)),
        (Value::Object(map), Value::String(key)) => Ok(map.contains_key(key)),
        _ => Err(no_overload()),
    }
}

fn size(value: &Value) -> Result<Value, String> {
    match value {
        Value::String(text) => Ok(text.chars().count().into()),
        Value::Array(items) => Ok(items.len().into()),
        Value::Object(map) => Ok(map.len().into()),
        _ => Err(no_overload()),
    }
}

impl TextTest {
    fn holds(self, text: &Value, part: &Value) -> Result<bool, String> {
        let (Some(text), Some(part)) = (text.as_str(), part.as_str()) else { return Err(no_overload()) };
        Ok(match self {
            Self::StartsWith => text.starts_with(part),
            Self::EndsWith => text.ends_with(part),
            Self::Contains => text.contains(part),
        })
    }
}

//! Label and field selectors, of lists, watches and collection deletes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    object,
    resources::{Resource, SelectableField},
    status::{Failure, Result},
};

/// What objects a list, watch or collection delete is about.
#[derive(Clone, Debug, Default)]
pub(super) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<FieldTerm>,
}

#[derive(Clone, Debug)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Exists,
    Absent,
    In(BTreeSet<String>),
    NotIn(BTreeSet<String>),
    GreaterThan(i64),
    LessThan(i64),
}

#[derive(Clone, Debug)]
struct FieldTerm {
    field: SelectableField,
    equal: bool,
    value: String,
}

impl Selector {
    /// Reads `labelSelector` and `fieldSelector` of a request on `resource`.
    pub(super) fn parse(resource: &Resource, labels: &str, fields: &str) -> Result<Self> {
        Ok(Self { labels: parse_labels(labels)?, fields: parse_fields(resource, fields)? })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether `object` is selected.
    pub(super) fn matches(&self, object: &Value) -> bool {
        self.fields.iter().all(|term| term.matches(object)) && self.labels.iter().all(|label| label.matches(object))
    }
}

impl Requirement {
    fn matches(&self, object: &Value) -> bool {
        let value = object::label(object, &self.key);
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match &self.test {
            Test::Exists => value.is_some(),
            Test::Absent => value.is_none(),
            Test::In(values) => value.is_some_and(|value| values.contains(value)),
            Test::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            Test::GreaterThan(bound) => number().is_some_and(|number| number > *bound),
            Test::LessThan(bound) => number().is_some_and(|number| number < *bound),
        }
    }
}

impl FieldTerm {
    fn matches(&self, object: &Value) -> bool {
        let mut value = Some(object);
        for step in &self.field.path {
            value = value.and_then(|value| value.get(step));
        }
        let equal = match value {
            Some(Value::String(text)) => *text == self.value,
            Some(Value::Bool(flag)) => flag.to_string() == self.value,
            Some(Value::Number(number)) => number.to_string() == self.value,
            _ => self.field.absent == self.value,
        };
        equal == self.equal
    }
}

fn parse_labels(text: &str) -> Result<Vec<Requirement>> {
    let mut requirements = Vec::new();
    for term in split_terms(text) {
        requirements.push(parse_requirement(term).ok_or_else(|| {
            Failure::bad_request(format!("unable to parse requirement: found {term:?}, expected: a label requirement"))
        })?);
    }
    Ok(requirements)
}

/// Splits at the commas outside parentheses.
fn split_terms(text: &str) -> Vec<&str> {
    let (mut terms, mut depth, mut start) = (Vec::new(), 0usize, 0);
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                terms.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    terms.push(text[start..].trim());
    if terms == [""] { Vec::new() } else { terms }
}

fn parse_requirement(term: &str) -> Option<Requirement> {
    let one = |value: &str| is_value(value.trim()).then(|| BTreeSet::from([value.trim().to_owned()]));
    let (key, test) = if let Some((key, set)) = set_term(term, " notin ") {
        (key, Test::NotIn(set?))
    } else if let Some((key, set)) = set_term(term, " in ") {
        (key, Test::In(set?))
    } else if let Some((key, value)) = term.split_once("!=") {
        (key, Test::NotIn(one(value)?))
    } else if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        (key, Test::In(one(value)?))
    } else if let Some((key, bound)) = term.split_once('>') {
        (key, Test::GreaterThan(bound.trim().parse().ok()?))
    } else if let Some((key, bound)) = term.split_once('<') {
        (key, Test::LessThan(bound.trim().parse().ok()?))
    } else if let Some(key) = term.strip_prefix('!') {
        (key, Test::Absent)
    } else {
        (term, Test::Exists)
    };
    let key = key.trim();
    let valid = key.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_./".contains(letter));
    (valid && !key.is_empty()).then(|| Requirement { key: key.to_owned(), test })
}

/// Whether a label may have this value.
fn is_value(value: &str) -> bool {
    value.len() <= 63 && value.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
}

type Set = Option<BTreeSet<String>>;

/// `key in (a,b)`; the inner option is none if the parentheses are missing.
fn set_term<'a>(term: &'a str, operator: &str) -> Option<(&'a str, Set)> {
    // The opening parenthesis needs no blank before it.
    let at = term.find(operator).or_else(|| term.find(&format!("{}(", operator.trim_end())))?;
    let (key, rest) = (&term[..at], term[at..].trim_start());
    let values = rest.trim_start_matches(operator.trim()).trim();
    let inner = values.strip_prefix('(').and_then(|values| values.strip_suffix(')'));
    Some((key, inner.map(|inner| inner.split(',').map(|value| value.trim().to_owned()).collect())))
}

fn parse_fields(resource: &Resource, text: &str) -> Result<Vec<FieldTerm>> {
    let mut terms = Vec::new();
    for term in text.split(',').filter(|term| !term.is_empty()) {
        let (label, equal, value) = if let Some((label, value)) = term.split_once("!=") {
            (label, false, value)
        } else if let Some((label, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
            (label, true, value)
        } else {
            return Err(Failure::bad_request(format!("invalid selector: '{text}'; can't understand '{term}'")));
        };
        terms.push(FieldTerm { field: find_field(resource, label)?, equal, value: value.replace('\\', "") });
    }
    Ok(terms)
}

fn find_field(resource: &Resource, label: &str) -> Result<SelectableField> {
    if matches!(label, "metadata.name" | "metadata.namespace") {
        return Ok(SelectableField::new(label));
    }
    if let Some(field) = resource.fields.iter().find(|field| field.label == label) {
        return Ok(field.clone());
    }
    // Resources without fields of their own go through the default conversion, which words it otherwise.
    Err(Failure::bad_request(if resource.custom || !resource.fields.is_empty() {
        format!("field label not supported: {label}")
    } else {
        format!("{label:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
    }))
}

//! The JSONPath of printer columns, as far as `k8s.io/client-go/util/jsonpath` is used there.
//!
//! Dotted names with `\.` for a dot in a name, `['name']`, `[0]`, `[-1]`, `[*]` and `[?(@.type=="Ready")]`; a cell
//! shows the first match. A path that is none of these matches nothing.

use serde_json::Value;

/// A parsed path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonPath(Option<Vec<Step>>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Name(String),
    /// From the end when negative.
    Index(i64),
    All,
    /// Elements whose value at the path equals the literal.
    Where(Box<JsonPath>, Value),
}

impl JsonPath {
    /// Parses a path such as `.status.conditions[?(@.type=="Ready")].status`.
    pub(crate) fn parse(path: &str) -> Self {
        Self(steps(path.trim()))
    }

    /// The first value that the path leads to.
    pub(crate) fn first<'a>(&self, object: &'a Value) -> Option<&'a Value> {
        let mut found = vec![object];
        for step in self.0.as_deref()? {
            found = found.into_iter().flat_map(|value| step.follow(value)).collect();
        }
        found.first().copied()
    }
}

impl Step {
    fn follow<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match self {
            Self::Name(name) => value.get(name).into_iter().collect(),
            Self::Index(index) => {
                let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
                let from_end = || items.len().checked_sub(usize::try_from(index.unsigned_abs()).ok()?);
                let at = if *index < 0 { from_end() } else { usize::try_from(*index).ok() };
                at.and_then(|at| items.get(at)).into_iter().collect()
            }
            Self::All => children(value),
            Self::Where(path, wanted) => {
                children(value).into_iter().filter(|item| path.first(item) == Some(wanted)).collect()
            }
        }
    }
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(map) => map.values().collect(),
        _ => Vec::new(),
    }
}

fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path.strip_prefix('$').unwrap_or(path);
    while !rest.is_empty() {
        rest = if let Some(after) = rest.strip_prefix('[') {
            let (inside, after) = bracket(after)?;
            steps.push(subscript(inside)?);
            after
        } else {
            let (name, after) = name(rest.strip_prefix('.').unwrap_or(rest));
            match name.as_str() {
                "" if after.starts_with('[') || (after.is_empty() && steps.is_empty()) => {}
                // `..` descends recursively, which no column does.
                "" => return None,
                "*" => steps.push(Step::All),
                _ => steps.push(Step::Name(name)),
            }
            after
        };
    }
    Some(steps)
}

/// A name up to the next dot or bracket that is not escaped.
fn name(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => name.extend(characters.next().map(|(_, escaped)| escaped)),
            '.' | '[' => return (name, text.get(at..).unwrap_or_default()),
            c => name.push(c),
        }
    }
    (name, "")
}

/// What stands before the closing bracket, which may not be inside a string.
fn bracket(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, ']') => return Some((text.get(..at)?, text.get(at + 1..)?)),
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

fn subscript(inside: &str) -> Option<Step> {
    let inside = inside.trim();
    if let Some(condition) = inside.strip_prefix("?(").and_then(|inside| inside.strip_suffix(')')) {
        let (path, wanted) = condition.split_once("==")?;
        let path = JsonPath::parse(path.trim().strip_prefix('@')?);
        return Some(Step::Where(Box::new(path), literal(wanted.trim())?));
    }
    match inside {
        "*" => Some(Step::All),
        _ => match literal(inside)? {
            Value::String(name) => Some(Step::Name(name)),
            index => index.as_i64().map(Step::Index),
        },
    }
}

fn literal(text: &str) -> Option<Value> {
    match text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')) {
        Some(inside) => Some(Value::String(inside.to_owned())),
        None => serde_json::from_str(text).ok(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::JsonPath;

    #[rstest]
    #[case(".spec.a", Some(json!("x")))]
    #[case("spec.a", Some(json!("x")))]
    #[case("$.spec.a", Some(json!("x")))]
    #[case(r".metadata.annotations.example\.com/a", Some(json!("dotted")))]
    #[case(".metadata.annotations['example.com/a']", Some(json!("dotted")))]
    #[case(".spec.l[1]", Some(json!(20)))]
    #[case(".spec.l[-1]", Some(json!(30)))]
    #[case(".spec.l[*]", Some(json!(10)))]
    #[case(".spec.l[9]", None)]
    #[case(r#".status.conditions[?(@.type=="Ready")].status"#, Some(json!("True")))]
    #[case(".status.conditions[?(@.type=='Missing')].status", None)]
    #[case(r#".status.conditions[?(@.type == "a]b")].status"#, Some(json!("odd")))]
    #[case(".spec.missing.deeper", None)]
    #[case("..a", None)]
    #[case(".spec[", None)]
    fn a_path_leads_to_its_first_match(#[case] path: &str, #[case] expected: Option<Value>) {
        let object = json!({
            "metadata": {"annotations": {"example.com/a": "dotted"}},
            "spec": {"a": "x", "l": [10, 20, 30]},
            "status": {"conditions": [{"type": "Other", "status": "False"}, {"type": "Ready", "status": "True"},
                {"type": "a]b", "status": "odd"}]},
        });
        assert_eq!(JsonPath::parse(path).first(&object).cloned(), expected);
    }
}

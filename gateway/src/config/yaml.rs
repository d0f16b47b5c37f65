//! Values on one line of YAML.

use serde_json::{Value, json};

/// One line of YAML for the key at `path`, sections in braces, such as `server: {readTimeout: 30s}`.
pub(super) fn entry(path: &[String], value: &Value) -> String {
    let Some((last, sections)) = path.split_last() else { return String::new() };
    let inner = format!("{last}: {}", scalar(value));
    sections.iter().rev().fold(inner, |inner, section| format!("{section}: {{{inner}}}"))
}

/// `value` on one line; text has quotes only where it could be read as something else.
pub(super) fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        Value::String(text) if !text.is_empty() && !text.contains(|c: char| c == '\'' || c.is_control()) => {
            format!("'{text}'")
        }
        Value::Array(list) => format!("[{}]", list.iter().map(scalar).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let entry = |(key, value): (&String, &Value)| format!("{}: {}", scalar(&json!(key)), scalar(value));
            format!("{{{}}}", map.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        // JSON is YAML.
        value => value.to_string(),
    }
}

/// Whether `text` may stand in YAML without quotes, within braces, too.
fn is_plain(text: &str) -> bool {
    let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '-' | '_' | ':' | '=');
    text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '/')
        && text.chars().all(harmless)
        && !text.ends_with(':')
        && serde_saphyr::from_str::<Value>(text).is_ok_and(|read| read == json!(text))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::plain(json!("http://host:8080"), "http://host:8080")]
    #[case::number_as_text(json!("5"), "'5'")]
    #[case::boolean_as_text(json!("no"), "'no'")]
    #[case::null_as_text(json!("null"), "'null'")]
    #[case::comment(json!("a #b"), "'a #b'")]
    #[case::key(json!("a: b"), "'a: b'")]
    #[case::matcher(json!(r#"severity="none""#), r#"'severity="none"'"#)]
    #[case::quote(json!("it's"), r#""it's""#)]
    #[case::line_break(json!("a\nb"), r#""a\nb""#)]
    #[case::empty(json!(""), r#""""#)]
    #[case::list(json!(["a,b", 5, true]), "['a,b', 5, true]")]
    #[case::mapping(json!({"a b": {"c": null}}), "{'a b': {c: null}}")]
    fn a_value_on_one_line_is_read_as_itself(#[case] value: Value, #[case] line: &str) {
        assert_eq!(scalar(&value), line);
        assert_eq!(serde_saphyr::from_str::<Value>(&format!("{{a: {line}}}")).unwrap(), json!({ "a": value }));
    }
}

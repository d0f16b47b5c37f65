//! Log lines of bounded length, whatever texts of others are in them.

use serde_json::{Map, Value};

/// Bytes of a line.
pub(super) const LINE_MAX: usize = 8 * 1024;
/// Bytes of one text in a line that is too long.
const TEXT_MAX: usize = 512;
/// What a line that is too long keeps in any case.
const ESSENTIAL: [&str; 4] = ["timestamp", "level", "message", "target"];

/// `line`, in [`LINE_MAX`] bytes at most. One of JSON remains one.
pub(super) fn shortened(line: &[u8]) -> Vec<u8> {
    if line.len() <= LINE_MAX {
        return line.to_vec();
    }
    let short = match serde_json::from_slice(line) {
        Ok(Value::Object(fields)) => shorter_json(fields, line.len()),
        _ => {
            let text = String::from_utf8_lossy(line.get(..LINE_MAX - 64).unwrap_or(line));
            // Bytes that are no character take three each.
            cut(text.trim_end_matches('\u{fffd}'), LINE_MAX - 64, line.len())
        }
    };
    format!("{}\n", short.trim_end()).into_bytes()
}

fn shorter_json(mut fields: Map<String, Value>, length: usize) -> String {
    fields.values_mut().for_each(shorten);
    fields.insert("cut_from_bytes".to_owned(), Value::from(length));
    let all = Value::Object(fields.clone()).to_string();
    if all.len() < LINE_MAX {
        return all;
    }
    fields.retain(|name, _| ESSENTIAL.contains(&name.as_str()) || name == "cut_from_bytes");
    Value::Object(fields).to_string()
}

fn shorten(value: &mut Value) {
    match value {
        Value::String(text) if text.len() > TEXT_MAX => *text = cut(text, TEXT_MAX, text.len()),
        Value::Object(fields) => fields.values_mut().for_each(shorten),
        Value::Array(items) => items.iter_mut().for_each(shorten),
        _ => {}
    }
}

/// The beginning of `text`, `limit` bytes of it at most, and how long it was.
fn cut(text: &str, limit: usize, length: usize) -> String {
    let end = (0..=limit.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    format!("{}… ({length} bytes in all)", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn text(line: &str) -> String {
        String::from_utf8(shortened(line.as_bytes())).unwrap()
    }

    #[rstest]
    #[case::ordinary("level=INFO hello\n")]
    #[case::json("{\"level\":\"INFO\",\"message\":\"hello\"}\n")]
    #[case::empty("")]
    fn an_ordinary_line_is_left_alone(#[case] line: &str) {
        assert_eq!(text(line), line);
    }

    #[rstest]
    #[case::one_long_text(json!({ "level": "WARN", "message": "refused", "error": "<ü>\"".repeat(100_000) }))]
    #[case::a_long_message(json!({ "level": "WARN", "message": "\u{1}".repeat(100_000) }))]
    #[case::many_texts(json!({ "level": "WARN", "message": "m", "f": vec!["x".repeat(300); 5000] }))]
    #[case::deep(json!({ "level": "WARN", "message": "m", "span": { "path": "/".repeat(1 << 20) } }))]
    fn a_line_of_json_that_is_too_long_is_cut_and_remains_json(#[case] line: Value) {
        let short = text(&format!("{line}\n"));
        assert!(short.len() <= LINE_MAX && short.ends_with("}\n"), "{}", short.len());
        let fields: Value = serde_json::from_str(&short).unwrap();
        assert_eq!(fields["level"], "WARN");
        assert!(fields["message"].is_string() && fields["cut_from_bytes"].is_u64(), "{fields}");
    }

    #[rstest]
    #[case("x")]
    #[case("ü")]
    #[case("\u{10ffff}")]
    #[case("\n")]
    fn a_line_of_text_that_is_too_long_is_cut_between_characters_and_says_so(#[case] part: &str) {
        let line = format!("a{}\n", part.repeat(LINE_MAX));
        let short = text(&line);
        assert!(short.len() <= LINE_MAX && short.ends_with(" bytes in all)\n"), "{}", short.len());
        assert!(line.starts_with(short.split('…').next().unwrap()));
    }
}

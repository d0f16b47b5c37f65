//! What differs between two answers.

use serde_json::Value;

/// Of what is shown of an answer, in characters.
const LENGTH: usize = 700;

/// One line per place that differs.
pub(crate) fn differences(embedded: &Value, real: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if embedded["code"] != real["code"] {
        // The rest is another document.
        return vec![line("", Some(embedded), Some(real))];
    }
    compare(embedded, real, "", &mut found);
    found
}

fn compare(embedded: &Value, real: &Value, at: &str, found: &mut Vec<String>) {
    match (embedded, real) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for key in ours.keys().chain(theirs.keys().filter(|key| !ours.contains_key(*key))) {
                let place = format!("{at}/{key}");
                match (ours.get(key), theirs.get(key)) {
                    (Some(ours), Some(theirs)) => compare(ours, theirs, &place, found),
                    (ours, theirs) => found.push(line(&place, ours, theirs)),
                }
            }
        }
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            for (number, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                compare(ours, theirs, &format!("{at}/{number}"), found);
            }
        }
        (ours, theirs) if ours == theirs => {}
        (ours, theirs) => found.push(line(at, Some(ours), Some(theirs))),
    }
}

fn line(at: &str, embedded: Option<&Value>, real: Option<&Value>) -> String {
    let shown = |value: Option<&Value>| {
        let text = value.map_or_else(|| "nothing".to_owned(), Value::to_string);
        text.char_indices().nth(LENGTH).map_or(text.clone(), |(end, _)| format!("{}…", &text[..end]))
    };
    format!("{at}\n      embedded {}\n      real     {}", shown(embedded), shown(real))
}

//! What is not shown of a configuration.

use serde_json::Value;
use url::Url;

/// In place of what is not shown.
const MASK: &str = "***";
/// A key whose name has one of these words holds a secret; one that ends in `File` only says where it is.
const WORDS: [&str; 6] = ["password", "secret", "token", "apikey", "credential", "headers"];

/// `value` of the key `name`, without secrets: user and password of an address, and the values of keys that are called so.
pub(super) fn masked(name: &str, value: &Value) -> Value {
    let is_secret = is_secret(name);
    match value {
        Value::String(text) if is_secret && !text.is_empty() => Value::String(MASK.to_owned()),
        Value::String(text) => Value::String(masked_text(text)),
        Value::Bool(_) | Value::Number(_) if is_secret => Value::String(MASK.to_owned()),
        Value::Array(list) if is_secret => list.iter().map(|_| Value::String(MASK.to_owned())).collect(),
        Value::Array(list) => list.iter().map(|value| masked(name, value)).collect(),
        Value::Object(map) if is_secret => {
            map.keys().map(|key| (key.clone(), Value::String(MASK.to_owned()))).collect()
        }
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), masked(key, value))).collect(),
        other => other.clone(),
    }
}

/// Whether the key `name` holds a secret, or is within one that does.
pub(super) fn is_secret(name: &str) -> bool {
    name.to_lowercase().split('.').any(|part| !part.ends_with("file") && WORDS.iter().any(|word| part.contains(word)))
}

/// `text`; if it is an address with a user or a password, without them.
pub fn masked_text(text: &str) -> String {
    match text.parse::<Url>() {
        Ok(url) if url.has_host() => masked_url(&url).unwrap_or_else(|| text.to_owned()),
        // No address, but perhaps meant to be one.
        _ => match text.rsplit_once('@') {
            Some((before, rest)) if before.contains(':') => format!("{MASK}@{rest}"),
            _ => text.to_owned(),
        },
    }
}

/// `url` without user and password.
pub fn shown_address(url: &Url) -> String {
    masked_text(url.as_str())
}

fn masked_url(url: &Url) -> Option<String> {
    let mut masked = url.clone();
    let named = !url.username().is_empty();
    if !named && url.password().is_none() {
        return None;
    }
    masked.set_username(if named { MASK } else { "" }).ok()?;
    masked.set_password(url.password().map(|_| MASK)).ok()?;
    Some(masked.to_string())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::password("datastorage.url", json!("http://me:hunter2@host/a"), json!("http://***:***@host/a"))]
    #[case::user_alone("datastorage.url", json!("http://token@host/"), json!("http://***@host/"))]
    #[case::nothing_secret("datastorage.url", json!("http://host:8080"), json!("http://host:8080"))]
    #[case::bad_port("datastorage.url", json!("http://me:hunter2@host:99999"), json!("***@host:99999"))]
    #[case::no_scheme("datastorage.url", json!("me:hunter2@host:8080"), json!("***@host:8080"))]
    #[case::no_address("signal.ignore", json!("team=~.*@example.com"), json!("team=~.*@example.com"))]
    #[case::token("a.apiToken", json!("hunter2"), json!("***"))]
    #[case::token_file("a.tokenFile", json!("/etc/token"), json!("/etc/token"))]
    #[case::headers("a.headers", json!({"authorization": "hunter2"}), json!({"authorization": "***"}))]
    #[case::nested("a", json!({"b": {"password": "hunter2"}}), json!({"b": {"password": "***"}}))]
    #[case::nested_in_a_list("a", json!([{"secret": "hunter2"}, 5]), json!([{"secret": "***"}, 5]))]
    #[case::list_of_secrets("a.tokens", json!(["hunter2"]), json!(["***"]))]
    #[case::number("a.headers.x-api-key", json!(8_675_309), json!("***"))]
    #[case::within_headers("a.headers.x-file", json!("hunter2"), json!("***"))]
    #[case::unset("a.password", json!(null), json!(null))]
    fn secrets_are_masked_and_all_else_is_left_as_it_is(
        #[case] name: &str,
        #[case] value: Value,
        #[case] shown: Value,
    ) {
        assert_eq!(masked(name, &value), shown);
    }
}

//! Objects of the Kubernetes API.

use serde_json::Value;

/// `metadata.name`.
pub fn name_of(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

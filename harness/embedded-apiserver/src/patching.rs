//! The four kinds of patches, by content type.

use jiff::Timestamp;
use json_patch::{AddOperation, PatchOperation, jsonptr::Pointer};
use serde_json::Value;

use super::{
    apply, names, object, patch,
    status::{Failure, Result},
    target::Target,
};

/// A patch as it was sent.
#[derive(Debug)]
pub(super) enum Patch {
    /// RFC 7396.
    Merge(Value),
    /// RFC 6902. `escaped` as Go writes it: see [`compares`].
    Json { steps: json_patch::Patch, escaped: bool },
    /// Lists merged by their keys; built-in resources only.
    Strategic(Value),
    /// Server-side apply.
    Apply { object: Value, manager: String, force: bool },
}

impl Patch {
    /// Reads the body of a PATCH.
    pub(super) fn parse(target: Target<'_>, content_type: &str, body: &[u8]) -> Result<Self> {
        let kind = content_type.split(';').next().unwrap_or("").trim();
        match kind {
            "application/merge-patch+json" => Ok(Self::Merge(json(body)?)),
            "application/json-patch+json" => {
                let steps: Value = serde_json::from_slice(body).map_err(|error| bad_patch(&error.to_string()))?;
                if !steps.is_array() {
                    return Err(bad_patch(
                        "json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
                    ));
                }
                let steps = serde_json::from_value(steps).map_err(|_| Failure::rejected())?;
                Ok(Self::Json { steps, escaped: !String::from_utf8_lossy(body).contains(ESCAPED) })
            }
            "application/strategic-merge-patch+json" if !target.resource.custom => Ok(Self::Strategic(json(body)?)),
            "application/apply-patch+yaml" | "application/apply-patch+cbor" => Self::parse_apply(target, body),
            _ => Err(unsupported(target)),
        }
    }

    fn parse_apply(target: Target<'_>, body: &[u8]) -> Result<Self> {
        let manager = target.query.get("fieldManager").to_owned();
        if manager.is_empty() {
            let error = names::required("fieldManager", "is required for apply patch");
            return Err(Failure::invalid("meta.k8s.io", "PatchOptions", "", &[error]));
        }
        // YAML is a superset of JSON, and what kube sends is JSON.
        let object = serde_json::from_slice(body).or_else(|_| {
            let text = String::from_utf8_lossy(body);
            serde_saphyr::from_str(&text).map_err(|error| Failure::bad_request(format!("error decoding YAML: {error}")))
        })?;
        Ok(Self::Apply { object, manager, force: target.query.flag("force") })
    }

    /// Whether the patch creates what does not exist.
    pub(super) const fn creates(&self) -> bool {
        matches!(self, Self::Apply { .. })
    }

    /// `existing` with the patch applied.
    pub(super) fn apply(&self, target: Target<'_>, existing: Option<&Value>, now: Timestamp) -> Result<Value> {
        let mut result = existing.cloned().unwrap_or_default();
        match self {
            Self::Merge(change) => patch::merge(&mut result, change),
            Self::Strategic(change) => patch::strategic_merge(&mut result, change),
            Self::Json { steps, escaped } => do_steps(&mut result, steps, *escaped)?,
            Self::Apply { object, manager, force } => {
                return server_side(target, existing, object, manager, *force, now);
            }
        }
        Ok(result)
    }
}

fn server_side(
    target: Target<'_>,
    existing: Option<&Value>,
    applied: &Value,
    manager: &str,
    force: bool,
    now: Timestamp,
) -> Result<Value> {
    if applied.pointer("/metadata/managedFields").is_some_and(|managed| !managed.is_null()) {
        return Err(Failure::bad_request("metadata.managedFields must be nil"));
    }
    if applied["apiVersion"].as_str().unwrap_or("").is_empty() {
        return Err(Failure::bad_request(format!("invalid object type: /, Kind={}", object::kind(applied))));
    }
    let sent = object::name(applied);
    if !sent.is_empty() && sent != target.info.name {
        return Err(Failure::bad_request(format!(
            "the name of the object ({sent}) does not match the name on the URL ({})",
            target.info.name
        )));
    }
    let subresource = target.info.subresource.as_str();
    apply::server_side_apply(existing, &written_here(target, applied), (manager, subresource), force, now)
        .map_err(|conflicts| Failure::apply_conflict(&conflicts))
}

/// What of `applied` this endpoint may write, and its applier comes to own.
fn written_here(target: Target<'_>, applied: &Value) -> Value {
    let mut written = applied.clone();
    let is_status = target.is_status();
    let identifies = |key: &str| matches!(key, "apiVersion" | "kind" | "metadata");
    object::map_mut(&mut written).retain(|key, _| match key.as_str() {
        "status" => is_status || !target.resource.status,
        key => !is_status || identifies(key),
    });
    if is_status && let Some(metadata) = written.get_mut("metadata").filter(|_| target.resource.custom) {
        *metadata = serde_json::json!({});
    }
    written
}

/// Does what a JSON patch says. As in kube-apiserver's library (`gopkg.in/evanphx/json-patch.v4`), `replace` sets a member
/// that is missing, and `test` takes one for null: `test … null` passes if the object around it is there and has no such
/// member, or one that is null. Below a parent that is missing every `test` and every `add` fails.
fn do_steps(object: &mut Value, steps: &json_patch::Patch, escaped: bool) -> Result<()> {
    for step in &steps.0 {
        let step = match step {
            PatchOperation::Test(it) if !escaped && !compares(&it.value) => return Err(Failure::rejected()),
            PatchOperation::Test(it) if it.value.is_null() && lacks(object, &it.path) => continue,
            PatchOperation::Replace(it) if lacks(object, &it.path) => {
                PatchOperation::Add(AddOperation { path: it.path.clone(), value: it.value.clone() })
            }
            other => other.clone(),
        };
        json_patch::patch(object, &[step]).map_err(|_| Failure::rejected())?;
    }
    Ok(())
}

/// Whether `path` ends in a member that the object around it does not have.
fn lacks(object: &Value, path: &Pointer) -> bool {
    let Some((parent, member)) = path.split_back() else { return false };
    let parent = object.pointer(parent.as_str()).and_then(Value::as_object);
    parent.is_some_and(|members| !members.contains_key(member.decoded().as_ref()))
}

/// What Go writes as `\u003c` and the like.
const ESCAPED: [char; 5] = ['<', '>', '&', '\u{2028}', '\u{2029}'];

/// Whether a `test` can find `value`, sent by a client that does not escape: kube-apiserver compares texts as they are
/// written, and writes the object with escapes. Measured on 1.36.3: a `test` for `a<b` always fails, and one for
/// `a\u003cb` passes.
fn compares(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.contains(ESCAPED),
        Value::Array(items) => items.iter().all(compares),
        Value::Object(fields) => fields.values().all(compares),
        _ => true,
    }
}

fn json(body: &[u8]) -> Result<Value> {
    let patch: Value = serde_json::from_slice(body).map_err(|error| bad_patch(&error.to_string()))?;
    if patch.is_array() {
        return Err(bad_patch("json: cannot unmarshal array into Go value of type map[string]interface {}"));
    }
    Ok(patch)
}

fn bad_patch(why: &str) -> Failure {
    Failure::bad_request(format!("error decoding patch: {why}"))
}

fn unsupported(target: Target<'_>) -> Failure {
    let message = if target.resource.custom {
        "the body of the request was in an unknown format - accepted media types include: \
         application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    } else {
        "415: Unsupported Media Type"
    };
    Failure::new(415, "UnsupportedMediaType", message)
}

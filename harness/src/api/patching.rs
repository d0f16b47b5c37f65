//! The four kinds of patches, by content type.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    apply, object, patch,
    status::{Failure, Result},
    write::Target,
};

/// A patch as it was sent.
#[derive(Debug)]
pub(super) enum Patch {
    /// RFC 7396.
    Merge(Value),
    /// RFC 6902.
    Json(json_patch::Patch),
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
                let patch = serde_json::from_slice(body).map_err(|error| Failure::bad_request(error.to_string()))?;
                Ok(Self::Json(patch))
            }
            "application/strategic-merge-patch+json" if !target.resource.custom => Ok(Self::Strategic(json(body)?)),
            "application/apply-patch+yaml" | "application/apply-patch+cbor" => Self::parse_apply(target, body),
            _ => Err(unsupported(target, kind)),
        }
    }

    fn parse_apply(target: Target<'_>, body: &[u8]) -> Result<Self> {
        let manager = target.query.get("fieldManager").to_owned();
        if manager.is_empty() {
            let message =
                "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch";
            return Err(Failure::new(422, "Invalid", message));
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
            Self::Json(change) => json_patch::patch(&mut result, change).map_err(|error| {
                let message = format!("the server rejected our request due to an error in our request: {error}");
                Failure::new(422, "Invalid", message)
            })?,
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
    let sent = object::name(applied);
    if !sent.is_empty() && sent != target.info.name {
        return Err(Failure::bad_request(format!(
            "the name of the object ({sent}) does not match the name on the URL ({})",
            target.info.name
        )));
    }
    apply::server_side_apply(existing, applied, manager, force, now)
        .map_err(|conflicts| Failure::apply_conflict(&conflicts))
}

fn json(body: &[u8]) -> Result<Value> {
    serde_json::from_slice(body).map_err(|error| Failure::bad_request(format!("error decoding patch: {error}")))
}

fn unsupported(target: Target<'_>, kind: &str) -> Failure {
    let mut accepted = vec!["application/json-patch+json", "application/merge-patch+json"];
    if !target.resource.custom {
        accepted.push("application/strategic-merge-patch+json");
    }
    accepted.push("application/apply-patch+yaml");
    let message = format!(
        "the body of the request was in an unknown format - accepted media types include: {} (got {kind:?})",
        accepted.join(", ")
    );
    Failure::new(415, "UnsupportedMediaType", message)
}

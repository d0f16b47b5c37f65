//! Failed requests as the `Status` objects that kube-apiserver answers with.
//!
//! Texts follow `k8s.io/apimachinery/pkg/api/errors`; clients tell errors apart by `code` and `reason`.

use serde_json::{Map, Value, json};

use super::{
    apply,
    resources::{Kept, Resource, qualified},
    schema::{FieldError, aggregate},
};

/// A refused request: HTTP status, machine-readable reason and details.
#[derive(Debug)]
pub(super) struct Failure(Box<Parts>);

#[derive(Debug)]
struct Parts {
    code: u16,
    reason: &'static str,
    message: String,
    details: Map<String, Value>,
    next: Option<String>,
}

/// What a request that can be refused comes to.
pub(super) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    pub(super) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Parts { code, reason, message: message.into(), details: Map::new(), next: None }))
    }

    /// 400 BadRequest.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 401 Unauthorized: no such token.
    pub(super) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// 403 Forbidden for an object of `resource`, or for the collection if `name` is empty.
    pub(super) fn forbidden(group: &str, plural: &str, name: &str, why: &str) -> Self {
        let resource = qualified(plural, group);
        let message = match (plural, name) {
            ("", _) => format!("forbidden: {why}"),
            (_, "") => format!("{resource} is forbidden: {why}"),
            _ => format!("{resource} {name:?} is forbidden: {why}"),
        };
        Self::new(403, "Forbidden", message).about(group, plural, name)
    }

    /// 404 NotFound: the group is served, but nothing at this path.
    pub(super) fn no_such_resource() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource")
    }

    /// 404 NotFound.
    pub(super) fn not_found(resource: &Resource, name: &str) -> Self {
        // The storage of what is only read says the singular.
        let word = if resource.kept == Kept::ReadOnly { &resource.singular } else { &resource.plural };
        let message = format!("{} {name:?} not found", qualified(word, &resource.group));
        Self::new(404, "NotFound", message).about(&resource.group, word, name)
    }

    /// 405 MethodNotAllowed.
    pub(super) fn method_not_allowed() -> Self {
        Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
    }

    /// 405 MethodNotAllowed for a custom resource's subresource.
    pub(super) fn not_supported(resource: &Resource, verb: &str) -> Self {
        let message = format!("{verb} is not supported on resources of kind {:?}", resource.qualified());
        Self::new(405, "MethodNotAllowed", message).about(&resource.group, &resource.plural, "")
    }

    /// 500: a resourceVersion that is none; kube-apiserver does not turn this error into a proper Status.
    pub(super) fn bad_version(version: &str) -> Self {
        let why = format!("strconv.ParseUint: parsing {version:?}: invalid syntax");
        Self::new(500, "", format!("resourceVersion: Invalid value: {version:?}: {why}"))
    }

    /// 422: a patch whose result cannot be decoded.
    pub(super) fn bad_patch(result: &Value, why: &str) -> Self {
        let message = format!("Invalid value: {:?}: {why}", result.to_string());
        let error = FieldError { field: "patch".to_owned(), reason: "FieldValueInvalid", message };
        Self::invalid("", "", "", &[error])
    }

    /// 422: a JSON patch that does not apply.
    pub(super) fn rejected() -> Self {
        Self::new(422, "Invalid", "the server rejected our request due to an error in our request")
    }

    /// 409 AlreadyExists.
    pub(super) fn already_exists(resource: &Resource, name: &str) -> Self {
        Self::taken(resource, name, "")
    }

    /// 409 AlreadyExists, of an object that is being deleted.
    pub(super) fn going(resource: &Resource, name: &str) -> Self {
        Self::taken(resource, name, "object is being deleted: ")
    }

    fn taken(resource: &Resource, name: &str, how: &str) -> Self {
        let message = format!("{how}{} {name:?} already exists", resource.qualified());
        Self::new(409, "AlreadyExists", message).about(&resource.group, &resource.plural, name)
    }

    /// 409 Conflict: a precondition did not hold. `kind` is the plural, or the kind where kube-apiserver says that.
    pub(super) fn conflict(group: &str, kind: &str, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {why}", qualified(kind, group));
        Self::new(409, "Conflict", message).about(group, kind, name)
    }

    /// 409 Conflict: the resourceVersion sent is not the newest one.
    pub(super) fn outdated(resource: &Resource, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(&resource.group, &resource.plural, name, why)
    }

    /// 409 Conflict of a server-side apply: other managers own the fields.
    pub(super) fn apply_conflict(conflicts: &[apply::Conflict]) -> Self {
        let causes = conflicts
            .iter()
            .map(|conflict| {
                json!({"reason": "FieldManagerConflict", "message": conflict.to_string(), "field": conflict.field})
            })
            .collect();
        let mut failure = Self::new(409, "Conflict", apply::conflict_message(conflicts));
        failure.0.details.insert("causes".to_owned(), Value::Array(causes));
        failure
    }

    /// 410 Expired: that part of history is no longer kept.
    pub(super) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// 410 Expired for a list, with a token that continues from the newest version instead.
    pub(super) fn expired_list(message: impl Into<String>, next: String) -> Self {
        let mut failure = Self::expired(message);
        failure.0.next = Some(next);
        failure
    }

    /// 422 Invalid. `kind` is the kind, or the plural where kube-apiserver says that.
    pub(super) fn invalid(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> Self {
        let why = if errors.is_empty() { String::new() } else { format!(": {}", aggregate(errors)) };
        let message = format!("{} {name:?} is invalid{why}", qualified(kind, group));
        let causes = errors
            .iter()
            .map(|error| json!({"reason": error.reason, "message": error.message, "field": error.field}))
            .collect();
        let mut failure = Self::new(422, "Invalid", message).about(group, kind, name);
        failure.0.details.insert("causes".to_owned(), Value::Array(causes));
        failure
    }

    /// 504 Timeout: a resourceVersion from the future.
    pub(super) fn too_large_version(asked: u64, current: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
        let mut failure = Self::new(504, "Timeout", message).retry_after(1);
        let cause = json!([{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]);
        failure.0.details.insert("causes".to_owned(), cause);
        failure
    }

    /// The same with another code and reason.
    pub(super) fn coded(mut self, code: u16, reason: &'static str) -> Self {
        (self.0.code, self.0.reason) = (code, reason);
        self
    }

    /// Adds one cause.
    pub(super) fn because(mut self, reason: &str, message: String, field: &str) -> Self {
        let mut cause = json!([{"message": message}]);
        if !reason.is_empty() {
            cause[0]["reason"] = reason.into();
        }
        if !field.is_empty() {
            cause[0]["field"] = field.into();
        }
        self.0.details.insert("causes".to_owned(), cause);
        self
    }

    /// Asks the client to come again after `seconds`.
    pub(super) fn retry_after(mut self, seconds: u64) -> Self {
        self.0.details.insert("retryAfterSeconds".to_owned(), seconds.into());
        self
    }

    fn about(mut self, group: &str, kind: &str, name: &str) -> Self {
        for (key, value) in [("name", name), ("group", group), ("kind", kind)] {
            if !value.is_empty() {
                self.0.details.insert(key.to_owned(), value.into());
            }
        }
        self
    }

    /// The HTTP status.
    pub(super) const fn code(&self) -> u16 {
        self.0.code
    }

    /// The value of the `Retry-After` header, in seconds.
    pub(super) fn retry_after_seconds(&self) -> Option<u64> {
        self.0.details.get("retryAfterSeconds").and_then(Value::as_u64)
    }

    /// The `Status` object.
    pub(super) fn to_value(&self) -> Value {
        let Parts { code, reason, message, details, next } = &*self.0;
        let mut metadata = Map::new();
        if let Some(next) = next {
            metadata.insert("continue".to_owned(), next.as_str().into());
        }
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": metadata,
            "status": "Failure", "message": message, "code": code,
        });
        if !reason.is_empty() {
            status["reason"] = (*reason).into();
        }
        if !details.is_empty() {
            status["details"] = details.clone().into();
        }
        status
    }
}

/// The `Status` of a deletion that is complete.
pub(super) fn deleted(resource: &Resource, name: &str, uid: &str) -> Value {
    let mut details = json!({"name": name, "kind": resource.plural, "uid": uid});
    if !resource.group.is_empty() {
        details["group"] = resource.group.as_str().into();
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}

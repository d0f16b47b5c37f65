//! Resources whose answer is computed: token and access reviews.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::{
    object,
    rbac::{Attributes, On},
    request::Caller,
    resources::Resource,
    schema::FieldError,
    server::Server,
    status::{Failure, Result},
    tokens::AUDIENCE,
};

/// Answers the creation of a review.
pub(super) fn answer(server: &Server, resource: &Resource, caller: &Caller, mut review: Value) -> Result<Value> {
    let spec = &review["spec"];
    let status = match resource.plural.as_str() {
        "tokenreviews" => token(server, text(spec, "token"), &texts(spec, "audiences"))?,
        "selfsubjectreviews" => json!({"userInfo": {"username": caller.user, "groups": caller.groups}}),
        "selfsubjectrulesreviews" => rules(server, caller, text(spec, "namespace")),
        "selfsubjectaccessreviews" => access(server, resource, caller, spec, Vec::new())?,
        _ => {
            let caller = Caller { user: text(spec, "user").to_owned(), groups: texts(spec, "groups") };
            let mut errors = Vec::new();
            if caller.user.is_empty() && caller.groups.is_empty() {
                let detail = "at least one of user or group must be specified";
                errors.push(invalid("spec.user", &"".into(), detail));
            }
            access(server, resource, &caller, spec, errors)?
        }
    };
    review["apiVersion"] = resource.api_version.as_str().into();
    review["kind"] = resource.kind.as_str().into();
    object::set(&mut review, "creationTimestamp", None);
    review["status"] = status;
    Ok(review)
}

/// What `caller` may do in `namespace`.
fn rules(server: &Server, caller: &Caller, namespace: &str) -> Value {
    let (paths, resources): (Vec<Value>, Vec<Value>) =
        server.rules(caller, namespace).into_iter().partition(|rule| rule.get("nonResourceURLs").is_some());
    json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false})
}

/// Whose `token` that is, for one of `audiences` at least.
fn token(server: &Server, token: &str, audiences: &[String]) -> Result<Value> {
    if token.is_empty() {
        return Err(Failure::bad_request("token is required for TokenReview in authentication"));
    }
    let own = [AUDIENCE.to_owned()];
    let asked = if audiences.is_empty() { &own[..] } else { audiences };
    let Some(token) = server.authenticate(token) else {
        return Ok(json!({"user": {}, "error": "invalid bearer token"}));
    };
    let shared: Vec<&String> = asked.iter().filter(|audience| token.audiences.contains(audience)).collect();
    if shared.is_empty() {
        let error = format!(
            "[invalid bearer token, token audiences {:?} is invalid for the target audiences {asked:?}]",
            token.audiences
        );
        return Ok(json!({"user": {}, "error": error.replace("\", \"", "\" \"")}));
    }
    Ok(json!({"authenticated": true, "user": token.user(), "audiences": shared}))
}

/// The status of an access review whose user has these `errors`.
fn access(
    server: &Server,
    resource: &Resource,
    caller: &Caller,
    spec: &Value,
    mut errors: Vec<FieldError>,
) -> Result<Value> {
    let asked = match attributes(spec) {
        Ok(asked) if errors.is_empty() => asked,
        other => {
            errors.splice(..0, other.err());
            // kube-apiserver leaves the kind out.
            return Err(Failure::invalid(&resource.group, "", "", &errors));
        }
    };
    let decision = server.decide(caller, &asked);
    let mut status = json!({"allowed": decision.allowed});
    if !decision.reason.is_empty() {
        status["reason"] = decision.reason.into();
    }
    Ok(status)
}

fn invalid(field: &str, value: &Value, detail: &str) -> FieldError {
    let message = format!("Invalid value: {value}: {detail}");
    FieldError { field: field.to_owned(), reason: "FieldValueInvalid", message }
}

/// What a review asks about, which must be one thing.
fn attributes(spec: &Value) -> std::result::Result<Attributes<'_>, FieldError> {
    let present = |key: &str| spec.get(key).filter(|value| !value.is_null());
    match (present("resourceAttributes"), present("nonResourceAttributes")) {
        (Some(on), None) => {
            let target = On::Resource {
                group: text(on, "group"),
                resource: text(on, "resource"),
                subresource: text(on, "subresource"),
                namespace: text(on, "namespace"),
                name: Cow::Borrowed(text(on, "name")),
            };
            Ok(Attributes { verb: text(on, "verb"), target })
        }
        (None, Some(on)) => Ok(Attributes { verb: text(on, "verb"), target: On::Path(text(on, "path")) }),
        (Some(_), Some(on)) => {
            let shown = json!({"Path": text(on, "path"), "Verb": text(on, "verb")});
            let detail = "cannot be specified in combination with resourceAttributes";
            Err(invalid("spec.nonResourceAttributes", &shown, detail))
        }
        (None, None) => {
            let detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            Err(invalid("spec.resourceAttributes", &Value::Null, detail))
        }
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or("")
}

fn texts(value: &Value, key: &str) -> Vec<String> {
    let items = value.get(key).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

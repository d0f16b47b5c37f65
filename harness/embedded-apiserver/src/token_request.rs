//! The token subresource of service accounts.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    names::invalid,
    object,
    request::Caller,
    resources::Resource,
    server::Server,
    status::{Failure, Result},
    target::Target,
    tokens::{AUDIENCE, Bound, Token},
};

const DEFAULT_SECONDS: i64 = 60 * 60;
const MIN_SECONDS: i64 = 10 * 60;
const MAX_SECONDS: i64 = 1 << 32;

/// POST of a TokenRequest.
pub(super) fn issue(server: &Arc<Server>, target: Target<'_>, mut request: Value) -> Result<Value> {
    let name = target.info.name.as_str();
    let mut store = server.store();
    let Some(account) = store.get(target.resource, target.namespace(), name).cloned() else {
        return Err(Failure::not_found(target.resource, name));
    };
    let spec = object::map_mut(object::map_mut(&mut request).entry("spec").or_insert(Value::Null));
    let audiences = spec.entry("audiences").or_insert(Value::Null);
    if audiences.as_array().is_none_or(Vec::is_empty) {
        *audiences = json!([AUDIENCE]);
    }
    let audiences = texts(audiences);
    let seconds = spec.entry("expirationSeconds").or_insert(Value::Null);
    if seconds.is_null() {
        *seconds = DEFAULT_SECONDS.into();
    }
    let seconds = seconds.as_i64().unwrap_or(DEFAULT_SECONDS);
    spec.entry("boundObjectRef").or_insert(Value::Null);
    check(seconds)?;

    let now = store.clock.now();
    let lifetime = Duration::from_secs(seconds.unsigned_abs());
    let expires = now.saturating_add(lifetime).unwrap_or(Timestamp::MAX);
    let id = store.draws.uid();
    let signature = [store.draws.uid(), store.draws.uid()].concat();
    let bound = Bound {
        namespace: target.namespace().to_owned(),
        name: name.to_owned(),
        uid: object::uid(&account).to_owned(),
    };
    let caller = Caller::service_account(&bound.namespace, &bound.name);
    let claims = json!({
        "aud": audiences,
        "exp": expires.as_second(),
        "iat": now.as_second(),
        "iss": AUDIENCE,
        "jti": id,
        "kubernetes.io": {
            "namespace": bound.namespace,
            "serviceaccount": {"name": bound.name, "uid": bound.uid},
        },
        "nbf": now.as_second(),
        "sub": caller.user,
    });
    let text = jwt(&claims, &signature);
    drop(store);
    let token = Token { caller, audiences, expires: Some(expires), bound_to: Some(bound), id };
    if !target.dry_run() {
        server.add_token(text.clone(), token);
    }
    Ok(answer(request, &account, target.resource, &text, expires))
}

fn check(seconds: i64) -> Result<()> {
    let error = |detail: &str| {
        let error = invalid("spec.expirationSeconds", &seconds.into(), detail);
        Err(Failure::invalid("authentication.k8s.io", "TokenRequest", "", &[error]))
    };
    match seconds {
        ..MIN_SECONDS => error("may not specify a duration less than 10 minutes"),
        _ if seconds > MAX_SECONDS => error("may not specify a duration larger than 2^32 seconds"),
        _ => Ok(()),
    }
}

/// In the form of a JSON Web Token, so that clients can read its claims. Its signature proves nothing: the server knows
/// its tokens by their text.
fn jwt(claims: &Value, signature: &str) -> String {
    let header = json!({"alg": "RS256", "kid": "embedded"});
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    [part(&header.to_string()), part(&claims.to_string()), part(signature)].join(".")
}

fn answer(mut request: Value, account: &Value, resource: &Resource, text: &str, expires: Timestamp) -> Value {
    request["kind"] = "TokenRequest".into();
    request["apiVersion"] = "authentication.k8s.io/v1".into();
    object::set(&mut request, "name", Some(object::name(account).into()));
    if resource.namespaced {
        object::set(&mut request, "namespace", Some(object::namespace(account).into()));
    }
    object::set(&mut request, "uid", Some(object::uid(account).into()));
    object::set(&mut request, "creationTimestamp", account["metadata"].get("creationTimestamp").cloned());
    let expires = Timestamp::from_second(expires.as_second()).unwrap_or(expires).to_string();
    request["status"] = json!({"token": text, "expirationTimestamp": expires});
    request
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

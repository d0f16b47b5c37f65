//! Role-based access control: who may do what, from the Role and Binding objects in the store.
//!
//! The rules are those of `k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac`. Differences that are meant: what is
//! written holds from the next request on (a real server's caches lag by milliseconds), whoever may write Roles may grant
//! what they do not have themselves (no escalation checks), and an aggregated ClusterRole holds the rules that are written
//! in it (a controller of its own would fill them in).

mod bootstrap;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde_json::Value;

use super::{
    request::{Caller, Query, RequestInfo},
    status::Failure,
    store::Store,
};

use bootstrap::GROUP;
pub(super) use bootstrap::objects as bootstrap;

/// Whose members may do everything, whatever Bindings say.
const MASTERS: &str = "system:masters";

/// What somebody wants to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attributes<'a> {
    pub(super) verb: &'a str,
    pub(super) target: On<'a>,
}

/// What it is done to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum On<'a> {
    /// Objects; what is empty does not matter or does not exist.
    Resource { group: &'a str, resource: &'a str, subresource: &'a str, namespace: &'a str, name: Cow<'a, str> },
    /// Something else that has a path.
    Path(&'a str),
}

/// Whether it may be done, and why, as reviews tell it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) allowed: bool,
    /// Often empty.
    pub(super) reason: String,
}

impl<'a> Attributes<'a> {
    /// What `info` asks for: as `k8s.io/apiserver/pkg/endpoints/request` says, a list or watch of one name is one of that
    /// object.
    pub(super) fn of(info: &'a RequestInfo, query: &Query) -> Self {
        if info.resource.is_empty() {
            return Self { verb: info.verb, target: On::Path(&info.path) };
        }
        let selects = info.name.is_empty() && matches!(info.verb, "list" | "watch");
        let selected = selects.then(|| named_by(query.get("fieldSelector"))).flatten();
        let RequestInfo { group, resource, subresource, namespace, name, .. } = info;
        let subresource = subresource.split('/').next().unwrap_or("");
        let name = selected.map_or(Cow::Borrowed(name.as_str()), Cow::Owned);
        Self { verb: info.verb, target: On::Resource { group, resource, subresource, namespace, name } }
    }

    /// 403, in kube-apiserver's words; `reason` may be empty.
    pub(super) fn forbidden(&self, user: &str, reason: &str) -> Failure {
        let verb = self.verb;
        let (message, on) = match &self.target {
            On::Path(path) => (format!("User {user:?} cannot {verb} path {path:?}"), ("", "", "")),
            On::Resource { group, resource, subresource, namespace, name } => {
                let slash = if subresource.is_empty() { "" } else { "/" };
                let place = match *namespace {
                    "" => "at the cluster scope".to_owned(),
                    namespace => format!("in the namespace {namespace:?}"),
                };
                let what = format!("resource \"{resource}{slash}{subresource}\" in API group {group:?} {place}");
                (format!("User {user:?} cannot {verb} {what}"), (*group, *resource, &**name))
            }
        };
        let mut why = message.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        if !reason.is_empty() {
            why = format!("{why}: {reason}");
        }
        Failure::forbidden(on.0, on.1, on.2, &why)
    }
}

/// The name that a field selector asks for, if it is one that a path could hold.
fn named_by(fields: &str) -> Option<String> {
    let name = fields.split(',').find_map(|term| {
        let (label, value) = term.split_once("==").or_else(|| term.split_once('='))?;
        (label == "metadata.name").then_some(value)
    })?;
    let valid = !matches!(name, "" | "." | "..") && !name.contains(['/', '%']);
    valid.then(|| name.to_owned())
}

/// Whether `caller` may do what `asked` says.
pub(super) fn decide(store: &Store, caller: &Caller, asked: &Attributes<'_>) -> Decision {
    if caller.groups.iter().any(|group| group == MASTERS) {
        return Decision { allowed: true, reason: String::new() };
    }
    let namespace = match asked.target {
        On::Resource { namespace, .. } => namespace,
        On::Path(_) => "",
    };
    let everywhere = objects(store, "clusterrolebindings", "").map(|binding| (binding, ""));
    let here = objects(store, "rolebindings", namespace).map(|binding| (binding, namespace));
    let mut missing = Vec::new();
    for (binding, namespace) in everywhere.chain(here.filter(|_| !namespace.is_empty())) {
        let subjects = list(binding, "subjects");
        let Some(subject) = subjects.iter().find(|subject| includes(subject, namespace, caller)) else { continue };
        let (kind, name) = (text(&binding["roleRef"], "kind"), text(&binding["roleRef"], "name"));
        let (plural, of) = if kind == "Role" { ("roles", namespace) } else { ("clusterroles", "") };
        match objects(store, plural, of).find(|role| text(&role["metadata"], "name") == name) {
            Some(role) if list(role, "rules").iter().any(|rule| allows(rule, asked)) => {
                return Decision { allowed: true, reason: allowed_by(binding, subject, namespace) };
            }
            Some(_) => {}
            None => missing.push(format!("{}.{GROUP} {name:?} not found", kind.to_lowercase())),
        }
    }
    let reason = match missing.as_slice() {
        [] => String::new(),
        [only] => format!("RBAC: {only}"),
        several => format!("RBAC: [{}]", several.join(", ")),
    };
    Decision { allowed: false, reason }
}

/// The rules of all roles that `caller` has in `namespace`.
pub(super) fn rules(store: &Store, caller: &Caller, namespace: &str) -> Vec<Value> {
    let everywhere = objects(store, "clusterrolebindings", "").map(|binding| (binding, ""));
    let here = objects(store, "rolebindings", namespace).map(|binding| (binding, namespace));
    let mut rules = Vec::new();
    for (binding, namespace) in everywhere.chain(here.filter(|_| !namespace.is_empty())) {
        if !list(binding, "subjects").iter().any(|subject| includes(subject, namespace, caller)) {
            continue;
        }
        let (kind, name) = (text(&binding["roleRef"], "kind"), text(&binding["roleRef"], "name"));
        let (plural, of) = if kind == "Role" { ("roles", namespace) } else { ("clusterroles", "") };
        let role = objects(store, plural, of).find(|role| text(&role["metadata"], "name") == name);
        rules.extend(role.into_iter().flat_map(|role| list(role, "rules")).cloned());
    }
    rules
}

/// The objects of one resource of the group in one namespace, which is empty for those of the cluster.
fn objects<'a>(store: &'a Store, plural: &str, namespace: &str) -> impl Iterator<Item = &'a Value> {
    let resource = store.registry.find(GROUP, "v1", plural);
    let names = resource.and_then(|resource| store.collection(resource).objects.get(namespace));
    names.into_iter().flat_map(|names| names.values()).map(|object| &**object)
}

/// Whether `caller` is the subject of a Binding in `namespace`, or is in it.
fn includes(subject: &Value, namespace: &str, caller: &Caller) -> bool {
    let name = text(subject, "name");
    match text(subject, "kind") {
        "User" => name == caller.user,
        "Group" => caller.groups.iter().any(|group| group == name),
        "ServiceAccount" => {
            let namespace = home(subject, namespace);
            !namespace.is_empty() && caller.user == format!("system:serviceaccount:{namespace}:{name}")
        }
        _ => false,
    }
}

/// The namespace of a ServiceAccount in a Binding.
fn home<'a>(subject: &'a Value, namespace: &'a str) -> &'a str {
    match text(subject, "namespace") {
        "" => namespace,
        own => own,
    }
}

/// Whether a rule of a Role lets through what `asked` says.
fn allows(rule: &Value, asked: &Attributes<'_>) -> bool {
    let holds = |key: &str, value: &str| texts(rule, key).any(|item| item == value);
    let holds_or_all = |key: &str, value: &str| holds(key, "*") || holds(key, value);
    if !holds_or_all("verbs", asked.verb) {
        return false;
    }
    match &asked.target {
        On::Path(path) => texts(rule, "nonResourceURLs").any(|pattern| match pattern.strip_suffix('*') {
            Some(_) => path.starts_with(pattern.trim_end_matches('*')),
            None => pattern == *path,
        }),
        On::Resource { group, resource, subresource, name, .. } => {
            let matches = if subresource.is_empty() {
                holds_or_all("resources", resource)
            } else {
                holds_or_all("resources", &format!("{resource}/{subresource}"))
                    || holds("resources", &format!("*/{subresource}"))
            };
            matches
                && holds_or_all("apiGroups", group)
                && (texts(rule, "resourceNames").next().is_none() || holds("resourceNames", name))
        }
    }
}

/// What a review says of the Binding that decided.
fn allowed_by(binding: &Value, subject: &Value, namespace: &str) -> String {
    let name = text(&binding["metadata"], "name");
    let binding_text = if namespace.is_empty() {
        format!("ClusterRoleBinding {name:?}")
    } else {
        format!("RoleBinding \"{name}/{namespace}\"")
    };
    let (role_kind, role) = (text(&binding["roleRef"], "kind"), text(&binding["roleRef"], "name"));
    let (kind, subject_name) = (text(subject, "kind"), text(subject, "name"));
    let subject_text = match kind {
        "ServiceAccount" => format!("{kind} \"{subject_name}/{}\"", home(subject, namespace)),
        _ => format!("{kind} {subject_name:?}"),
    };
    format!("RBAC: allowed by {binding_text} of {role_kind} {role:?} to {subject_text}")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or("")
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn texts<'a>(rule: &'a Value, key: &str) -> impl Iterator<Item = &'a str> {
    list(rule, key).iter().filter_map(Value::as_str)
}

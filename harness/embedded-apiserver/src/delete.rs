//! Deletion: preconditions, finalizers, propagation.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::Value;

use super::{
    crd, names, object,
    request::Query,
    resources::Resource,
    status::{self, Failure, Result},
    store::{Origin, Store},
    target::Done,
};

/// The finalizer of an owner that goes after its dependents.
pub(super) const FOREGROUND: &str = "foregroundDeletion";
/// The finalizer of an owner whose dependents stay.
pub(super) const ORPHAN: &str = "orphan";

/// What becomes of the dependents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Propagation {
    Background,
    Foreground,
    Orphan,
}

/// `DeleteOptions`, from the body or the query.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    uid: Option<String>,
    version: Option<String>,
    propagation: Option<Propagation>,
    /// How long the object may take to go.
    grace_s: Option<i64>,
    pub(super) dry_run: bool,
}

impl Options {
    /// Reads the options of a DELETE.
    pub(super) fn parse(query: &Query, body: &[u8]) -> Result<Self> {
        let sent: Value = if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(body).map_err(|error| Failure::bad_request(error.to_string()))?
        };
        Self::read(&sent, query)
    }

    /// Reads options that came with something else, an eviction for example; null is none.
    pub(super) fn read(sent: &Value, query: &Query) -> Result<Self> {
        let kind = object::kind(sent);
        if !matches!(kind, "" | "DeleteOptions") {
            let version = sent["apiVersion"].as_str().unwrap_or("");
            return Err(Failure::bad_request(format!(
                "no kind {kind:?} is registered for version {version:?} in scheme \"pkg/runtime/scheme.go:111\""
            )));
        }
        let precondition = |key| {
            let value = sent.get("preconditions")?.get(key)?.as_str()?;
            Some(value.to_owned())
        };
        let policy = sent.get("propagationPolicy").and_then(Value::as_str).unwrap_or(query.get("propagationPolicy"));
        let propagation = match policy {
            "Background" => Some(Propagation::Background),
            "Foreground" => Some(Propagation::Foreground),
            "Orphan" => Some(Propagation::Orphan),
            "" if sent.get("orphanDependents").and_then(Value::as_bool) == Some(true) => Some(Propagation::Orphan),
            "" => None,
            other => {
                let supported = ["Foreground", "Background", "Orphan", "nil"];
                let error = names::not_supported("propagationPolicy", other, &supported);
                return Err(Failure::invalid("meta.k8s.io", "DeleteOptions", "", &[error]));
            }
        };
        let dry_run = query.get("dryRun") == "All"
            || sent.get("dryRun").is_some_and(|value| value == &serde_json::json!(["All"]));
        let grace_s = sent.get("gracePeriodSeconds").and_then(Value::as_i64);
        let grace_s = grace_s.or_else(|| query.get("gracePeriodSeconds").parse().ok());
        let (uid, version) = (precondition("uid"), precondition("resourceVersion"));
        Ok(Self { uid, version, propagation, grace_s, dry_run })
    }

    /// What the garbage collector deletes with.
    pub(super) fn propagating(propagation: Propagation) -> Self {
        Self { propagation: Some(propagation), ..Self::default() }
    }
}

/// DELETE of one object.
pub(super) fn delete(
    store: &mut Store,
    resource: &Resource,
    (namespace, name): (&str, &str),
    options: &Options,
    origin: Origin<'_>,
) -> Result<Done> {
    let Some(existing) = store.get(resource, namespace, name).cloned() else {
        return Err(Failure::not_found(resource, name));
    };
    if is_immortal(resource, name) {
        return Err(Failure::forbidden(&resource.group, &resource.plural, name, "this namespace may not be deleted"));
    }
    check_preconditions(resource, &existing, options)?;
    let finalizers = finalizers(&existing, options.propagation);
    let grace_s = is_graceful(resource).then(|| grace_s(&existing, options));
    let stays = !finalizers.is_empty() || is_held_namespace(resource, &existing) || grace_s.is_some_and(|s| s > 0);
    let mut object = Value::clone(&existing);
    object::set_finalizers(&mut object, finalizers);
    let is_shortened = grace_s.is_some_and(|grace_s| grace_s < deletion_grace_s(&existing));
    if !object::is_terminating(&existing) || is_shortened {
        mark(store, resource, &mut object, grace_s.unwrap_or(0));
    }
    if !stays {
        let shown = if grace_s.is_some() { Arc::new(object) } else { existing };
        return Ok(gone(store, resource, shown, options, origin));
    }
    if options.dry_run {
        return Ok(Done::Object(Arc::new(object)));
    }
    if object == *existing {
        return Ok(Done::Object(existing));
    }
    Ok(Done::Object(store.put(resource, object, origin)))
}

/// The namespaces that the NamespaceLifecycle admission plugin protects.
fn is_immortal(resource: &Resource, name: &str) -> bool {
    resource.plural == "namespaces"
        && resource.group.is_empty()
        && matches!(name, "default" | "kube-system" | "kube-public")
}

/// Texts of `BeforeDelete` in `k8s.io/apiserver/pkg/registry/rest`, which names the kind, not the resource.
fn check_preconditions(resource: &Resource, existing: &Value, options: &Options) -> Result<()> {
    let conflict = |why: String| Failure::conflict(&resource.group, &resource.kind, object::name(existing), &why);
    let (uid, version) = (object::uid(existing), object::version(existing));
    if let Some(asked) = options.uid.as_deref().filter(|asked| *asked != uid) {
        return Err(conflict(format!(
            "the UID in the precondition ({asked}) does not match the UID in record ({uid}). \
             The object might have been deleted and then recreated"
        )));
    }
    if let Some(asked) = options.version.as_deref().filter(|asked| *asked != version) {
        return Err(conflict(format!(
            "the ResourceVersion in the precondition ({asked}) does not match the ResourceVersion in record ({version}). \
             The object might have been modified"
        )));
    }
    Ok(())
}

/// The finalizers that the object keeps, with the one that the propagation asks for.
fn finalizers(existing: &Value, propagation: Option<Propagation>) -> Vec<String> {
    let Some(propagation) = propagation else {
        return object::finalizers(existing).map(str::to_owned).collect();
    };
    let others = object::finalizers(existing).filter(|finalizer| !matches!(*finalizer, FOREGROUND | ORPHAN));
    let own = match propagation {
        Propagation::Background => None,
        Propagation::Foreground => Some(FOREGROUND),
        Propagation::Orphan => Some(ORPHAN),
    };
    others.chain(own).map(str::to_owned).collect()
}

/// Deletes what nothing holds. A graceful deletion that is over at once is still seen as one: the object is marked first.
fn gone(store: &mut Store, resource: &Resource, last: Arc<Value>, options: &Options, origin: Origin<'_>) -> Done {
    let (namespace, name) = (object::namespace(&last).to_owned(), object::name(&last).to_owned());
    if !options.dry_run {
        if is_graceful(resource) {
            store.put(resource, Value::clone(&last), origin);
        }
        remove(store, resource, &namespace, &name, origin);
    }
    if !resource.returns_deleted {
        return Done::Status(status::deleted(resource, &name, object::uid(&last)));
    }
    let mut last = Arc::unwrap_or_clone(last);
    if !options.dry_run {
        object::set(&mut last, "resourceVersion", Some(store.etcd(resource).version.to_string().into()));
    }
    Done::Object(Arc::new(last))
}

/// Only pods take their time.
fn is_graceful(resource: &Resource) -> bool {
    resource.plural == "pods" && resource.group.is_empty()
}

/// How long a pod may take to go: no time if no kubelet has it (`podStrategy.CheckGracefulDelete`).
fn grace_s(pod: &Value, options: &Options) -> i64 {
    const DEFAULT: i64 = 30;
    let has = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or("").to_owned();
    if has("/spec/nodeName").is_empty() || matches!(has("/status/phase").as_str(), "Failed" | "Succeeded") {
        return 0;
    }
    let own = pod.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_i64);
    options.grace_s.or(own).unwrap_or(DEFAULT).max(0)
}

fn deletion_grace_s(object: &Value) -> i64 {
    object["metadata"].get("deletionGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(0)
}

fn mark(store: &Store, resource: &Resource, object: &mut Value, grace_s: i64) {
    let grace = Duration::from_secs(grace_s.unsigned_abs());
    let was_terminating = object::is_terminating(object);
    let at = store.clock.now().saturating_add(grace).unwrap_or(Timestamp::MAX);
    let at = Timestamp::from_second(at.as_second()).unwrap_or(at);
    object::set(object, "deletionTimestamp", Some(at.to_string().into()));
    if is_held_namespace(resource, object) {
        let status = object::map_mut(object).entry("status").or_insert(Value::Null);
        object::map_mut(status).insert("phase".to_owned(), "Terminating".into());
    } else {
        object::set(object, "deletionGracePeriodSeconds", Some(grace_s.into()));
    }
    let generation = object::generation(object);
    if generation > 0 && !was_terminating {
        object::set(object, "generation", Some((generation + 1).into()));
    }
}

/// Whether a terminating `object` stays although it has no finalizers: a namespace with content, a pod that may still run.
pub(super) fn is_held(resource: &Resource, object: &Value) -> bool {
    is_held_namespace(resource, object) || deletion_grace_s(object) > 0
}

/// Whether `object` is a namespace whose content is still to be deleted.
pub(super) fn is_held_namespace(resource: &Resource, object: &Value) -> bool {
    resource.plural == "namespaces"
        && resource.group.is_empty()
        && object.pointer("/spec/finalizers").and_then(Value::as_array).is_some_and(|finalizers| !finalizers.is_empty())
}

/// Removes the object for good.
pub(super) fn remove(store: &mut Store, resource: &Resource, namespace: &str, name: &str, origin: Origin<'_>) {
    if let Some(gone) = store.remove(resource, namespace, name, origin) {
        crd::removed(store, resource, &gone, origin);
    }
}

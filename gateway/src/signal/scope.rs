//! Whether a resource is one that this gateway may act on: it or its namespace carries `kubernaut.ai/managed=true`.

use super::{
    cache::{MANAGED_LABEL, MetadataCache, Purpose},
    error::ResolveError,
    kind::Kind,
    object::ObjectKey,
};
use crate::{context::Monotonic, remediation::TargetResource};

/// Checks that the namespace of `resolved`, `original` or `resolved` carries the label.
///
/// The namespace is asked first: its answer serves all signals of the namespace. Of an object that is gone, the labels
/// that it had when last seen count. A kind that this gateway does not know is in scope by its namespace only.
///
/// # Errors
/// [`ResolveError::OutOfScope`] with the commands that change it, or the failure of the API.
pub(crate) async fn check(
    cache: &MetadataCache,
    original: &TargetResource,
    resolved: &TargetResource,
    deadline: Monotonic,
) -> Result<(), ResolveError> {
    let candidates =
        [namespace_of(resolved), ObjectKey::of(original), ObjectKey::of(resolved).filter(|_| original != resolved)];
    for key in candidates.into_iter().flatten() {
        let answer = cache.get(&key, Purpose::Scope, deadline).await?;
        if answer.current.or(answer.last_known).is_some_and(|metadata| metadata.managed) {
            return Ok(());
        }
    }
    Err(ResolveError::OutOfScope { message: hint(resolved) })
}

fn namespace_of(target: &TargetResource) -> Option<ObjectKey> {
    if target.namespace.is_empty() {
        return None;
    }
    Some(ObjectKey { kind: Kind::named("Namespace")?, namespace: String::new(), name: target.namespace.clone() })
}

fn hint(target: &TargetResource) -> String {
    let TargetResource { namespace, name, kind, .. } = target;
    let own = ObjectKey::of(target).map(|key| {
        let resource = key.kind.plural;
        let option = if namespace.is_empty() { String::new() } else { format!(" --namespace {namespace}") };
        format!("`kubectl label {resource} {name}{option} {MANAGED_LABEL}=true`")
    });
    let whole = (!namespace.is_empty()).then(|| format!("`kubectl label namespace {namespace} {MANAGED_LABEL}=true`"));
    let commands: Vec<String> = own.into_iter().chain(whole).collect();
    let place = if namespace.is_empty() { "the cluster".to_owned() } else { format!("namespace {namespace}") };
    format!("{kind} {name} in {place} is not managed (hint: {})", commands.join(" or "))
}

//! Whether a resource is one that this gateway may act on: it or its namespace carries `kubernaut.ai/managed=true`.

use super::{
    cache::{MANAGED_LABEL, MetadataCache, Purpose},
    error::ResolveError,
    object::ObjectKey,
};
use crate::{context::Monotonic, remediation::TargetResource};

/// Checks that the namespace of `resolved`, what its sender has `named`, or `resolved` carries the label.
///
/// The namespace is asked first: its answer serves all signals of the namespace. Of an object that is gone, the labels
/// that it had when last seen count. A kind that this gateway does not know, or may not read, is in scope by its namespace only.
///
/// # Errors
/// [`ResolveError::OutOfScope`] with the commands that change it, or the failure of the API.
pub(crate) async fn check(
    cache: &MetadataCache,
    named: Option<&ObjectKey>,
    resolved: &TargetResource,
    deadline: Monotonic,
) -> Result<(), ResolveError> {
    let namespace = Some(&resolved.namespace).filter(|name| !name.is_empty());
    let owner = ObjectKey::of(resolved).filter(|owner| Some(owner) != named);
    let carriers = [namespace.and_then(|name| ObjectKey::of_namespace(name)), named.cloned(), owner];
    let mut failed = None;
    for key in carriers.into_iter().flatten() {
        let known = match failed {
            None => match cache.get_if_permitted(&key, Purpose::Scope, deadline).await {
                Ok(answer) => answer.and_then(|answer| answer.current.or(answer.last_known)),
                Err(error) => {
                    failed = Some(error);
                    None
                }
            },
            // One look-up that fails is enough, but another of them may be known to carry the label.
            Some(_) => cache.last_known(&key),
        };
        if known.is_some_and(|metadata| metadata.managed) {
            return Ok(());
        }
    }
    if let Some(error) = failed {
        return Err(error);
    }
    // A kind of the operator's is known by what its sender has named.
    let key = ObjectKey::of(resolved).or_else(|| named.filter(|key| key.resource() == *resolved).cloned());
    Err(ResolveError::OutOfScope { message: hint(resolved, key.as_ref()) })
}

/// What is told of a resource in another cluster, whose labels cannot be seen from here.
pub(crate) fn other_cluster(target: &TargetResource, cluster: &str) -> ResolveError {
    let TargetResource { namespace, name, kind, .. } = target;
    let place = if namespace.is_empty() { String::new() } else { format!(" in namespace {namespace}") };
    ResolveError::OutOfScope {
        message: format!(
            "{kind} {name}{place} is in cluster {cluster}, where this gateway cannot see whether it is managed \
             (hint: send its alerts to a gateway in that cluster, or set scope.requireManagedLabel to false)"
        ),
    }
}

fn hint(target: &TargetResource, key: Option<&ObjectKey>) -> String {
    let TargetResource { namespace, name, kind, .. } = target;
    let own = key.map(|key| {
        let resource = &key.kind.plural;
        let option = if namespace.is_empty() { String::new() } else { format!(" --namespace {namespace}") };
        format!("`kubectl label {resource} {name}{option} {MANAGED_LABEL}=true`")
    });
    let whole = (!namespace.is_empty()).then(|| format!("`kubectl label namespace {namespace} {MANAGED_LABEL}=true`"));
    let commands: Vec<String> = own.into_iter().chain(whole).collect();
    let place = if namespace.is_empty() { "the cluster".to_owned() } else { format!("namespace {namespace}") };
    format!("{kind} {name} in {place} is not managed (hint: {})", commands.join(" or "))
}

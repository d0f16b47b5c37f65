//! What the gateway may not look at: told at its start, not only when an alert comes that needs it.

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::{Api, api::PostParams};

use super::{
    kind::{KINDS, Kind},
    rules::Rules,
};
use crate::{
    context::Monotonic,
    kubernetes::{Error, Kubernetes, Operation},
};

/// Verb, group and plural of a look-up.
type Permission = (&'static str, String, String);

/// What is looked up about signals that are read by `rules`.
fn needed(rules: &Rules) -> Vec<Permission> {
    let of = |verb, kind: &Kind| (verb, kind.group.to_string(), kind.plural.to_string());
    let mut needed: Vec<_> = KINDS.iter().map(|kind| of("get", kind)).collect();
    needed.extend(rules.kinds().map(|kind| of("get", kind)));
    needed.extend(Kind::named("ReplicaSet").map(|kind| of("list", kind)));
    needed.extend(Kind::named("Node").filter(|_| rules.node_by_instance()).map(|kind| of("list", kind)));
    needed
}

/// What this gateway may not do of that, such as `list nodes`, by asking the API server until `deadline` at most.
///
/// # Errors
/// If it cannot be asked.
pub async fn missing(kubernetes: &Kubernetes, rules: &Rules, deadline: Monotonic) -> Result<Vec<String>, Error> {
    let api: Api<SelfSubjectAccessReview> = Api::all(kubernetes.client());
    let operation = Operation { verb: "create", resource: "selfsubjectaccessreviews" };
    let mut missing = Vec::new();
    for (verb, group, plural) in needed(rules) {
        let resource = if group.is_empty() { plural.clone() } else { format!("{plural}.{group}") };
        let attributes = ResourceAttributes {
            verb: Some(verb.to_owned()),
            group: Some(group),
            resource: Some(plural),
            ..ResourceAttributes::default()
        };
        let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() };
        let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
        let parameters = PostParams::default();
        let answer = kubernetes.call(operation, deadline, || api.create(&parameters, &review)).await?;
        if answer.status.is_some_and(|status| !status.allowed) {
            missing.push(format!("{verb} {resource}"));
        }
    }
    Ok(missing)
}

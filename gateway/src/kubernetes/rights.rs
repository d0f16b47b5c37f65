//! What this gateway may do, as the API server tells it.

use std::fmt;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::{Api, api::PostParams};

use super::{Error, Kubernetes, Operation};
use crate::context::Monotonic;

/// Something that one may do with a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    /// Such as `list`.
    pub verb: &'static str,
    /// Of the API; empty for the core one.
    pub group: String,
    /// The plural, and behind a `/` the subresource if there is one.
    pub resource: String,
    /// Where; everywhere if absent.
    pub namespace: Option<String>,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, group, resource, namespace } = self;
        let (plural, subresource) = resource.split_once('/').map_or((resource.as_str(), None), |(a, b)| (a, Some(b)));
        write!(f, "{verb} {plural}")?;
        if !group.is_empty() {
            write!(f, ".{group}")?;
        }
        if let Some(subresource) = subresource {
            write!(f, "/{subresource}")?;
        }
        if let Some(namespace) = namespace {
            write!(f, " in {namespace}")?;
        }
        Ok(())
    }
}

/// Questions at once: a busy API server takes long for each, and a start has ten seconds for some forty.
const CONCURRENT: usize = 8;

/// Those of `needed` that this gateway does not have, by asking the API server until `deadline` at most.
///
/// # Errors
/// If it cannot be asked.
pub async fn missing(kubernetes: &Kubernetes, needed: Vec<Right>, deadline: Monotonic) -> Result<Vec<Right>, Error> {
    let answers = stream::iter(needed).map(async |right| Ok((allows(kubernetes, &right, deadline).await?, right)));
    let missing =
        answers.buffered(CONCURRENT).try_filter_map(async |(is_allowed, right)| Ok((!is_allowed).then_some(right)));
    missing.try_collect().await
}

/// Whether the API server lets this gateway have `right`; it does if it does not say.
async fn allows(kubernetes: &Kubernetes, right: &Right, deadline: Monotonic) -> Result<bool, Error> {
    let api: Api<SelfSubjectAccessReview> = Api::all(kubernetes.client());
    let operation = Operation { verb: "create", resource: "selfsubjectaccessreviews" };
    let (resource, subresource) = right.resource.split_once('/').unwrap_or((&right.resource, ""));
    let attributes = ResourceAttributes {
        verb: Some(right.verb.to_owned()),
        group: Some(right.group.clone()),
        resource: Some(resource.to_owned()),
        subresource: Some(subresource.to_owned()).filter(|subresource| !subresource.is_empty()),
        namespace: right.namespace.clone(),
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() };
    let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
    let parameters = PostParams::default();
    let answer = kubernetes.call(operation, deadline, || api.create(&parameters, &review)).await?;
    Ok(answer.status.is_none_or(|status| status.allowed))
}

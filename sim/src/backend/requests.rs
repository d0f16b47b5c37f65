//! Counts the requests that leave for a real cluster.

use std::{collections::BTreeMap, sync::Arc};

use http::{Method, Uri};
use parking_lot::Mutex;

/// Requests by verb and resource; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Requests {
    by: Arc<Mutex<BTreeMap<String, usize>>>,
}

impl Requests {
    /// Counts one request.
    pub(super) fn note(&self, method: &Method, uri: &Uri) {
        let mut by = self.by.lock();
        *by.entry(describe(method, uri)).or_default() += 1;
    }

    /// Begins at zero.
    pub(super) fn clear(&self) {
        self.by.lock().clear();
    }

    pub(super) fn by(&self) -> BTreeMap<String, usize> {
        self.by.lock().clone()
    }
}

/// Verb and resource, as the API server's audit log names them.
fn describe(method: &Method, uri: &Uri) -> String {
    let path = uri.path().trim_matches('/');
    let mut parts = path.split('/').skip_while(|part| *part != "namespaces").skip(2);
    let (resource, name, subresource) = (parts.next(), parts.next(), parts.next());
    let watches = uri.query().is_some_and(|query| query.contains("watch=true"));
    let verb = match method.as_str() {
        "GET" if watches => "watch",
        "GET" if resource.is_some() && name.is_none() => "list",
        "GET" => "get",
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        other => other,
    };
    match (resource, subresource) {
        (Some(resource), Some(subresource)) => format!("{verb} {resource}/{subresource}"),
        (Some(resource), None) => format!("{verb} {resource}"),
        (None, _) => format!("{method} {path}"),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("POST", "/apis/coordination.k8s.io/v1/namespaces/a/leases?", "create leases")]
    #[case(
        "GET",
        "/apis/kubernaut.ai/v1alpha1/namespaces/a/remediationrequests?watch=true",
        "watch remediationrequests"
    )]
    #[case("GET", "/apis/kubernaut.ai/v1alpha1/namespaces/a/remediationrequests?limit=1", "list remediationrequests")]
    #[case("GET", "/api/v1/namespaces/a/pods/b", "get pods")]
    #[case(
        "PATCH",
        "/apis/kubernaut.ai/v1alpha1/namespaces/a/remediationrequests/b/status",
        "patch remediationrequests/status"
    )]
    #[case("GET", "/api/v1/namespaces/a", "GET api/v1/namespaces/a")]
    fn a_request_is_named_by_verb_and_resource(#[case] method: &str, #[case] uri: &str, #[case] expected: &str) {
        let described = describe(&method.parse().unwrap(), &uri.parse().unwrap());
        assert_eq!(described, expected);
    }
}

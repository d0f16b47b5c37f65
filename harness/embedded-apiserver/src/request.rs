//! What a request asks for, read from its method, path, query and headers.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, header, request};
use url::form_urlencoded;

use super::{link::Link, refusal::Refusal, table::IncludeObject};

/// Who sends a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user name, such as a replica's or `system:serviceaccount:<namespace>:<name>`.
    pub user: String,
    /// The groups, `system:authenticated` for example.
    pub groups: Vec<String>,
}

impl Caller {
    /// An authenticated user without further groups.
    pub fn new(user: impl Into<String>) -> Self {
        Self { user: user.into(), groups: vec!["system:authenticated".to_owned()] }
    }

    /// The service account `name` of `namespace`.
    pub fn service_account(namespace: &str, name: &str) -> Self {
        let user = format!("system:serviceaccount:{namespace}:{name}");
        let groups = ["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
        Self { user, groups: groups.into_iter().chain(["system:authenticated".to_owned()]).collect() }
    }

    /// `kubernetes-admin` of the group `system:masters`.
    pub fn admin() -> Self {
        let groups = vec!["system:masters".to_owned(), "system:authenticated".to_owned()];
        Self { user: "kubernetes-admin".to_owned(), groups }
    }
}

/// A request as faults and the request log see it.
#[derive(Clone, Debug)]
pub struct RequestInfo {
    /// Who sends it.
    pub caller: Caller,
    /// get, list, watch, create, update, patch, delete or deletecollection; the HTTP method in lower case for paths
    /// that are not a resource's.
    pub verb: &'static str,
    /// The API group, empty for the core group.
    pub group: String,
    /// The API version, such as `v1`.
    pub version: String,
    /// The plural, such as `leases`; empty for paths that are not a resource's.
    pub resource: String,
    /// Such as `status`; usually empty.
    pub subresource: String,
    /// Empty for cluster-scoped resources and requests over all namespaces.
    pub namespace: String,
    /// Empty for requests on a collection.
    pub name: String,
    /// The path of the URL.
    pub path: String,
}

/// A request with all that its answer depends on.
pub(super) struct Request {
    pub(super) info: RequestInfo,
    pub(super) query: Query,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Of the caller, for watches.
    pub(super) link: Link,
    /// How much the cache that serves this request lags behind the store, beyond what all do.
    pub(super) cache_lag: Duration,
    /// Why it is to be refused, as a fault.
    pub(super) refusal: Option<Refusal>,
}

impl RequestInfo {
    /// The resource with its subresource, such as `leases` or `remediationrequests/status`.
    pub fn label(&self) -> String {
        if self.subresource.is_empty() {
            self.resource.clone()
        } else {
            format!("{}/{}", self.resource, self.subresource)
        }
    }

    /// Whether the request only reads.
    pub fn is_read(&self) -> bool {
        matches!(self.verb, "get" | "list" | "watch")
    }

    /// Reads `head`; the rules are those of `k8s.io/apiserver/pkg/endpoints/request`.
    pub(super) fn parse(head: &request::Parts, caller: Caller) -> Self {
        let path = head.uri.path();
        let mut info = Self {
            caller,
            verb: plain_verb(&head.method),
            group: String::new(),
            version: String::new(),
            resource: String::new(),
            subresource: String::new(),
            namespace: String::new(),
            name: String::new(),
            path: path.to_owned(),
        };
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let rest = match segments.as_slice() {
            ["api", version, rest @ ..] if !rest.is_empty() => {
                info.version = (*version).to_owned();
                rest
            }
            ["apis", group, version, rest @ ..] if !rest.is_empty() => {
                info.group = (*group).to_owned();
                info.version = (*version).to_owned();
                rest
            }
            _ => return info,
        };
        info.locate(rest);
        info.verb = resource_verb(&head.method, &info.name, head.uri.query().unwrap_or(""));
        info
    }

    fn locate(&mut self, segments: &[&str]) {
        let rest = match segments {
            ["namespaces", namespace, "status" | "finalize", ..] | ["namespaces", namespace] => {
                self.namespace = decoded(namespace);
                segments
            }
            ["namespaces", namespace, rest @ ..] => {
                self.namespace = decoded(namespace);
                rest
            }
            _ => segments,
        };
        let mut rest = rest.iter().map(|segment| decoded(segment));
        self.resource = rest.next().unwrap_or_default();
        self.name = rest.next().unwrap_or_default();
        self.subresource = rest.collect::<Vec<_>>().join("/");
    }
}

fn plain_verb(method: &Method) -> &'static str {
    match *method {
        Method::GET => "get",
        Method::POST => "post",
        Method::PUT => "put",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "other",
    }
}

fn resource_verb(method: &Method, name: &str, query: &str) -> &'static str {
    match *method {
        Method::GET if !name.is_empty() => "get",
        Method::GET if Query::parse(query).flag("watch") => "watch",
        Method::GET => "list",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if name.is_empty() => "deletecollection",
        Method::DELETE => "delete",
        _ => "other",
    }
}

/// Percent-decoding; a plus sign in a path is a plus sign.
fn decoded(segment: &str) -> String {
    if !segment.contains('%') {
        return segment.to_owned();
    }
    let escaped = segment.replace('+', "%2B");
    form_urlencoded::parse(escaped.as_bytes()).map(|(key, _)| key.into_owned()).collect()
}

/// The query of a URL.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// The parameter's value, empty if absent.
    pub(super) fn get(&self, key: &str) -> &str {
        self.0.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value)
    }

    /// Whether the parameter is `true` or `1`.
    pub(super) fn flag(&self, key: &str) -> bool {
        matches!(self.get(key), "true" | "1")
    }

    /// The parameter as a number, if it is one.
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        self.get(key).parse().ok()
    }
}

/// The form in which the client wants objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As stored.
    Object,
    /// `PartialObjectMetadata`.
    Metadata,
    /// `Table`.
    Table(IncludeObject),
}

impl Form {
    /// The first form that the `Accept` header names and this server knows.
    pub(super) fn negotiate(headers: &HeaderMap, query: &Query) -> Self {
        let accept = header_text(headers, &header::ACCEPT);
        for range in accept.split(',') {
            let mut parameters = range.split(';').map(str::trim);
            if !matches!(parameters.next(), Some("application/json" | "*/*")) {
                continue;
            }
            match parameters.find_map(|parameter| parameter.strip_prefix("as=")) {
                None => return Self::Object,
                Some("PartialObjectMetadata" | "PartialObjectMetadataList") => return Self::Metadata,
                Some("Table") => {
                    return Self::Table(match query.get("includeObject") {
                        "None" => IncludeObject::None,
                        "Object" => IncludeObject::Object,
                        _ => IncludeObject::Metadata,
                    });
                }
                Some(_) => {}
            }
        }
        Self::Object
    }
}

/// A header's text, empty if absent.
pub(super) fn header_text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
}

//! A write request on a resource, and what it comes to.

use std::sync::Arc;

use serde_json::Value;

use super::{
    refusal::Refusal,
    request::{Query, RequestInfo},
    resources::Resource,
    store::Origin,
};

/// A write request on a resource.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) resource: &'a Resource,
    pub(super) info: &'a RequestInfo,
    pub(super) query: &'a Query,
    /// Why it is to be refused, as a fault.
    pub(super) refusal: Option<Refusal>,
}

/// What a write came to.
#[derive(Debug)]
pub(super) enum Done {
    /// 201 with the object.
    Created(Arc<Value>),
    /// 200 with the object.
    Object(Arc<Value>),
    /// 200 with a `Status`.
    Status(Value),
}

impl<'a> Target<'a> {
    /// Whether nothing may be stored.
    pub(super) fn dry_run(self) -> bool {
        self.query.get("dryRun") == "All"
    }

    pub(super) fn origin(self) -> Origin<'a> {
        Origin { verb: self.info.verb, subresource: &self.info.subresource, caller: &self.info.caller.user }
    }

    /// The namespace that objects of this request are in.
    pub(super) fn namespace(self) -> &'a str {
        if self.resource.namespaced { &self.info.namespace } else { "" }
    }

    pub(super) fn is_status(self) -> bool {
        self.info.subresource == "status"
    }
}

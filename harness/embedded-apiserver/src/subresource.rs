//! Subresources of built-in resources beside status and scale: parts of an object that are written by themselves, things to
//! be done to it, and ways to the node that it is on.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{eviction, node, part::Part, reply::Reply, server::Server, status::Result, target::Target, token_request};

/// What a subresource is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subresource {
    /// A part of the object.
    Part(Part),
    /// Something that is done when it is created.
    Action(Action),
    /// A way to the node.
    Node(node::Way),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Evict,
    Bind,
    IssueToken,
}

impl Subresource {
    /// What the subresource called `path` is; only proxies have a path of their own.
    pub(super) fn of(path: &str) -> Option<Self> {
        if let Some(part) = Part::of(path) {
            return Some(Self::Part(part));
        }
        match path {
            "eviction" => Some(Self::Action(Action::Evict)),
            "binding" => Some(Self::Action(Action::Bind)),
            "token" => Some(Self::Action(Action::IssueToken)),
            "log" => Some(Self::Node(node::Way::Log)),
            "exec" | "attach" => Some(Self::Node(node::Way::Container)),
            "portforward" => Some(Self::Node(node::Way::Ports)),
            _ if path.split('/').next() == Some("proxy") => Some(Self::Node(node::Way::Proxy)),
            _ => None,
        }
    }
}

/// POST of an action: what is sent says how.
pub(super) fn act(server: &Arc<Server>, target: Target<'_>, action: Action, sent: Value) -> Result<Reply> {
    match action {
        Action::Evict => {
            server.write(|store| eviction::evict(store, target, &sent))?;
            Ok(Reply::json(201, &success()))
        }
        Action::Bind => {
            server.write(|store| node::bind(store, target, &sent))?;
            Ok(Reply::json(201, &success()))
        }
        Action::IssueToken => token_request::issue(server, target, sent).map(|answer| Reply::json(201, &answer)),
    }
}

fn success() -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201})
}

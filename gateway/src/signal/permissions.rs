//! What must be looked at to read signals: asked about at the start, not only when an alert comes that needs it.

use super::{
    kind::{KINDS, Kind},
    rules::Rules,
};
use crate::kubernetes::rights::Right;

/// What is looked up about signals that are read by `rules`.
pub fn needed(rules: &Rules) -> Vec<Right> {
    let of = |verb, kind: &Kind| Right {
        verb,
        group: kind.group.to_string(),
        resource: kind.plural.to_string(),
        namespace: None,
    };
    let mut needed: Vec<_> = KINDS.iter().map(|kind| of("get", kind)).collect();
    needed.extend(rules.kinds().map(|kind| of("get", kind)));
    needed.extend(Kind::named("ReplicaSet").map(|kind| of("list", kind)));
    needed.extend(Kind::named("Node").filter(|_| rules.node_by_instance()).map(|kind| of("list", kind)));
    needed
}

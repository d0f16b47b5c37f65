//! A CustomResourceDefinition's structural schema: pruning, defaulting and validation as kube-apiserver does them.
//!
//! The rules and texts are those of `k8s.io/apiextensions-apiserver` 1.36, which validates with
//! `k8s.io/kube-openapi/pkg/validation`. What is not modelled (logical junctors such as `anyOf`, CEL with functions that the
//! crate kube-cel lacks, rarer string formats) is never accepted in silence: the schema rejects every
//! object with an error that names it.

mod cel;
mod check;
mod error;
mod format;
mod lists;
mod node;
mod path;
mod rule;
mod rules;
mod shape;
mod value;

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::Value;

pub(super) use error::{FieldError, aggregate};
use node::Node;
use path::Path;

/// The schema of one version of a CustomResourceDefinition.
#[derive(Debug)]
pub(super) struct Schema {
    root: Node,
    unsupported: Vec<FieldError>,
    /// Whether there is any CEL rule.
    has_rules: bool,
}

impl Schema {
    /// Reads `schema.openAPIV3Schema` of one element of a CustomResourceDefinition's `spec.versions`.
    ///
    /// Parts that are not supported do not fail here but in every [`Schema::validate`].
    pub(super) fn from_crd_version(version: &Value) -> Self {
        let mut unsupported = Vec::new();
        let root = match version.pointer("/schema/openAPIV3Schema") {
            Some(schema) => Node::parse(schema, "", &mut unsupported),
            None => {
                unsupported.push(FieldError::required("schema.openAPIV3Schema", "schemas are required"));
                Node::default()
            }
        };
        let has_rules = version.to_string().contains("\"x-kubernetes-validations\"");
        Self { root, unsupported, has_rules }
    }

    /// As [`Schema::from_crd_version`], read once for servers that begin with the same definition: simulations by the
    /// thousand do.
    pub(super) fn shared(version: &Value) -> Arc<Self> {
        static LAST: Mutex<Option<(Value, Arc<Schema>)>> = Mutex::new(None);
        let mut last = LAST.lock();
        match &*last {
            Some((read, schema)) if read == version => Arc::clone(schema),
            _ => {
                let schema = Arc::new(Self::from_crd_version(version));
                *last = Some((version.clone(), Arc::clone(&schema)));
                schema
            }
        }
    }

    /// Removes the fields that the schema does not know; apiVersion, kind and metadata at the root always stay.
    pub(super) fn prune(&self, object: &mut Value) {
        shape::prune(object, Some(&self.root), true);
    }

    /// Removes nulls that are neither nullable nor defaulted, then fills in defaults.
    pub(super) fn default(&self, object: &mut Value) {
        shape::drop_nulls(object, Some(&self.root));
        shape::default(object, &self.root);
    }

    /// What is wrong with `new`, empty if it may be stored.
    ///
    /// With an `old` value, errors in unchanged parts are forgiven (CRD validation ratcheting, on since Kubernetes
    /// 1.30), and transition rules are evaluated. CEL rules run only if nothing more basic is wrong. A write `of_status`
    /// validates the status by itself.
    pub(super) fn validate(&self, new: &Value, old: Option<&Value>, of_status: bool) -> Vec<FieldError> {
        let mut errors = self.unsupported.clone();
        match (new.get("status"), self.root.property("status")) {
            (Some(status), Some(node)) if of_status => {
                let old = old.and_then(|old| old.get("status"));
                check::check(node, &Path::Root, status, old, &mut errors);
                errors.iter_mut().for_each(|error| error.move_under("status"));
            }
            (None, _) if of_status => {}
            _ => check::check(&self.root, &Path::Root, new, old, &mut errors),
        }
        lists::check_embedded(&self.root, &Path::Root, new, true, &mut errors);
        let duplicates = lists::duplicates(&self.root, new);
        if !duplicates.is_empty() && old.is_none_or(|old| lists::duplicates(&self.root, old).is_empty()) {
            errors.extend(duplicates);
        }
        if errors.iter().any(FieldError::blocks_rules) {
            errors.extend(self.has_rules.then(FieldError::rules_not_checked));
        } else {
            rules::check(&self.root, new, old, &mut errors);
        }
        errors
    }
}

#[cfg(test)]
mod tests;

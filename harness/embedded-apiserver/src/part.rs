//! Parts of built-in objects that are read and written by themselves, each under a name of its own.

use serde_json::Value;

use super::{object, target::Target};

/// A part of an object that is read and written by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Where it is. All else stays as it is.
    pub(super) pointer: &'static str,
    pub(super) verbs: &'static [&'static str],
}

impl Part {
    /// The part called `name`.
    pub(super) fn of(name: &str) -> Option<Self> {
        const ALL: &[&str] = &["get", "update", "patch"];
        let (pointer, verbs): (_, &[_]) = match name {
            "approval" => ("/status/conditions", ALL),
            "ephemeralcontainers" => ("/spec/ephemeralContainers", ALL),
            "resize" => ("/spec/containers", ALL),
            "finalize" => ("/spec/finalizers", &["update"]),
            _ => return None,
        };
        Some(Self { pointer, verbs })
    }

    /// The part that a write to `target` changes, if it is on one.
    pub(super) fn written(target: Target<'_>) -> Option<Self> {
        Self::of(&target.info.subresource).filter(|_| !target.resource.custom)
    }

    /// Puts what `object` has there into `existing`'s place of all else.
    pub(super) fn isolate(self, existing: &Value, object: &mut Value) {
        let sent = object.pointer(self.pointer).cloned();
        let version = object::version(object).to_owned();
        let managed = object.pointer("/metadata/managedFields").cloned();
        *object = existing.clone();
        object::set(object, "resourceVersion", (!version.is_empty()).then(|| version.into()));
        object::set(object, "managedFields", managed);
        let mut steps: Vec<&str> = self.pointer.split('/').skip(1).collect();
        let last = steps.pop().unwrap_or_default();
        let parent = steps.into_iter().fold(object, |at, step| object::map_mut(at).entry(step).or_insert(Value::Null));
        match sent {
            Some(sent) => object::map_mut(parent).insert(last.to_owned(), sent),
            None => object::map_mut(parent).remove(last),
        };
    }
}

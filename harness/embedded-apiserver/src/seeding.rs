//! What a test does to the store with its own hands, past faults, permissions and rules.

use std::sync::Arc;

use serde_json::Value;

use super::{
    crd, delete, object,
    seed::{SEED, seed},
    server::Server,
    store::Origin,
};

impl Server {
    /// Puts an object as it is, its namespace too if it is missing.
    pub(super) fn seed(self: &Arc<Self>, object: Value) {
        self.write(|store| seed(store, object));
    }

    /// Removes an object at once.
    pub(super) fn unseed(self: &Arc<Self>, resource: &str, namespace: &str, name: &str) {
        self.write(|store| {
            let Some(resource) = store.registry.named(resource).cloned() else { return };
            delete::remove(store, &resource, namespace, name, Origin { verb: "delete", ..SEED });
        });
    }

    /// Puts a definition in the place of the one of its name, and returns that. The same definition is no write.
    pub(super) fn replace_definition(self: &Arc<Self>, mut definition: Value) -> Option<Value> {
        self.write(|store| {
            let definitions = store.registry.named("customresourcedefinitions.apiextensions.k8s.io").cloned()?;
            let Some(before) = store.get(&definitions, "", object::name(&definition)).cloned() else {
                seed(store, definition);
                return None;
            };
            let mut changed = Value::clone(&before);
            changed["spec"] = definition["spec"].take();
            crd::establish(store, &mut changed);
            if changed["spec"] != before["spec"] {
                let generation = object::generation(&before) + 1;
                object::set(&mut changed, "generation", Some(generation.into()));
                let written = store.put(&definitions, changed, Origin { verb: "update", ..SEED });
                crd::written(store, &definitions, &written);
            }
            Some(Value::clone(&before))
        })
    }

    /// Removes all finalizers of an object, and the object if it waited for nothing else. Whether it was there.
    pub(super) fn strip_finalizers(self: &Arc<Self>, resource: &str, namespace: &str, name: &str) -> bool {
        self.write(|store| {
            let Some(resource) = store.registry.named(resource).cloned() else { return false };
            let Some(existing) = store.get(&resource, namespace, name).cloned() else { return false };
            let origin = Origin { verb: "update", ..SEED };
            let mut stripped = Value::clone(&existing);
            object::set_finalizers(&mut stripped, Vec::new());
            if object::is_terminating(&stripped) && !delete::is_held(&resource, &stripped) {
                delete::remove(store, &resource, namespace, name, origin);
            } else if stripped != *existing {
                store.put(&resource, stripped, origin);
            }
            true
        })
    }
}

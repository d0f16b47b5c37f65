//! Where objects are by their uids, who names whom as owner, and what is terminating.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    gc, object,
    store::{Key, Store},
};

impl Store {
    /// Where the object with `uid` is.
    pub(super) fn find_uid(&self, uid: &str) -> Option<&Key> {
        self.by_uid.get(uid)
    }

    /// The objects with a deletionTimestamp.
    pub(super) fn terminating(&self) -> impl Iterator<Item = &Key> {
        self.terminating.iter()
    }

    /// Owners' uids with the objects that name them as owner.
    pub(super) fn owners(&self) -> impl Iterator<Item = (&String, &BTreeSet<Key>)> {
        self.dependents.iter()
    }

    /// The objects that name `uid` as owner.
    pub(super) fn dependents(&self, uid: &str) -> impl Iterator<Item = &Key> {
        self.dependents.get(uid).into_iter().flatten()
    }

    /// Makes the indexes anew, and lets the garbage collector look at everything.
    pub(super) fn reindex(&mut self) {
        (self.by_uid, self.dependents, self.terminating) = Default::default();
        for collection in 0..self.collections.len() {
            let all = self.collections[collection].objects.clone();
            for (namespace, names) in all {
                for (name, object) in names {
                    self.index(&Key { collection, namespace: namespace.clone(), name }, None, Some(&object));
                }
            }
        }
        self.collectable = true;
    }

    /// Keeps the owner indexes, and notices what the garbage collector must look at.
    pub(super) fn index(&mut self, key: &Key, old: Option<&Value>, new: Option<&Value>) {
        let (old_uid, new_uid) = (old.map_or("", object::uid), new.map_or("", object::uid));
        if old_uid != new_uid {
            self.by_uid.remove(old_uid);
            if !new_uid.is_empty() {
                self.by_uid.insert(new_uid.to_owned(), key.clone());
            }
        }
        let references = |object| Option::map_or(object, &[] as &[Value], object::owner_references);
        if references(old) != references(new) {
            // An owner that is terminating may have waited for that.
            self.collectable |= !references(old).is_empty() && !self.terminating.is_empty();
            for uid in references(old).iter().filter_map(owner_uid) {
                if let Some(keys) = self.dependents.get_mut(uid) {
                    keys.remove(key);
                    if keys.is_empty() {
                        self.dependents.remove(uid);
                    }
                }
            }
            for reference in references(new) {
                let Some(uid) = owner_uid(reference) else { continue };
                self.dependents.entry(uid.to_owned()).or_default().insert(key.clone());
                self.collectable |= gc::dangles(self, key, reference);
            }
        }
        let was_terminating = old.is_some_and(object::is_terminating);
        if new.is_some_and(object::is_terminating) {
            self.terminating.insert(key.clone());
            self.collectable = true;
        } else if was_terminating {
            self.terminating.remove(key);
        }
        // What is gone may leave dependents behind, and be what a terminating owner or namespace waited for.
        let gone = new.is_none();
        self.collectable |= gone && (self.dependents.contains_key(old_uid) || !self.terminating.is_empty());
    }
}

fn owner_uid(reference: &Value) -> Option<&str> {
    reference.get("uid").and_then(Value::as_str)
}

//! Names for what the store hands out, by which states are compared: versions and uids are numbered per resource.
//!
//! A store numbers the writes of all resources in one sequence. What a replica knows of another resource's writes it
//! knows from their content: it compares versions of leases with each other and versions of RemediationRequests with
//! each other. So whether a lease was written before or after a RemediationRequest makes no difference, and the two
//! orders lead to one state.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::{Mutex, MutexGuard};
use serde_json::Value;

use super::digest::Digest;
use embedded_apiserver::Commit;

/// Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Names(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// By resource, how many were created, and how many writes there were.
    counts: BTreeMap<String, (u32, u32)>,
    /// By version, the number of the write; and the writes of RemediationRequests until then.
    versions: BTreeMap<String, (u32, u32)>,
    uids: BTreeMap<String, u32>,
    /// Names derived from uids.
    derived: BTreeMap<String, u32>,
}

impl Names {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    /// Names what `commit` hands out.
    pub(super) fn learn(&self, commit: &Commit) {
        let mut state = self.state();
        let state = &mut *state;
        let (creates, writes) = state.counts.entry(commit.resource.clone()).or_default();
        *writes += 1;
        if let (None, Some(new)) = (&commit.old, &commit.new) {
            *creates += 1;
            let uid = new["metadata"]["uid"].as_str().unwrap_or_default();
            state.uids.insert(uid.to_owned(), *creates);
            if commit.resource == REQUESTS {
                state.derived.entry(commit.name.clone()).or_insert(*creates);
            }
        }
        let number = *writes;
        let requests = state.counts.get(REQUESTS).map_or(0, |(_, writes)| *writes);
        state.versions.insert(commit.resource_version.to_string(), (number, requests));
    }

    /// How much of each resource was handed out.
    pub(super) fn counts(&self) -> Vec<(u32, u32)> {
        self.state().counts.values().copied().collect()
    }

    /// The digest of an answer's or event's text.
    pub(super) fn digest_of_text(&self, text: &[u8]) -> u128 {
        match serde_json::from_slice::<Value>(text) {
            Ok(value) => self.digest(&value),
            Err(_) => Digest::of(text),
        }
    }

    /// The digest of `value` with these names in the place of versions, uids and derived names.
    pub(super) fn digest(&self, value: &Value) -> u128 {
        let mut digest = Digest::new();
        // A list or a bookmark tells how far the store has come.
        let kind = value["kind"].as_str().unwrap_or_default();
        let tells_progress = kind.ends_with("List") || value["type"] == "BOOKMARK";
        self.state().add(value, tells_progress, &mut digest);
        digest.value()
    }
}

impl State {
    fn add(&self, value: &Value, tells_progress: bool, digest: &mut Digest) {
        match value {
            Value::Object(fields) => {
                digest.add(&("{", fields.len()));
                for (key, value) in fields {
                    digest.add(key.as_str());
                    match value.as_str().filter(|_| key == "resourceVersion").and_then(|v| self.versions.get(v)) {
                        Some((_, requests)) if tells_progress => digest.add(requests),
                        Some((number, _)) => digest.add(number),
                        None => self.add(value, tells_progress && key != "items", digest),
                    }
                }
            }
            Value::Array(items) => {
                digest.add(&("[", items.len()));
                items.iter().for_each(|item| self.add(item, tells_progress, digest));
            }
            Value::String(text) => self.add_text(text, digest),
            Value::Null => digest.add(&()),
            Value::Bool(flag) => digest.add(flag),
            Value::Number(number) => digest.add(number),
        }
    }

    fn add_text(&self, text: &str, digest: &mut Digest) {
        if let Some(number) = self.uids.get(text) {
            return digest.add(&("uid", number));
        }
        let Some((name, number)) = self.derived.iter().find(|(name, _)| text.contains(name.as_str())) else {
            return digest.add(text);
        };
        digest.add(&("name", number, text.replace(name.as_str(), "")));
    }
}

/// The resource whose versions views are compared by.
const REQUESTS: &str = "remediationrequests";

//! A RemediationRequest's count and version never go backwards.

use serde_json::Value;

use super::{
    oracle::{Oracle, Write},
    read::{REMEDIATION_REQUESTS, name, occurrences},
    single_active::is_active,
};

/// Compares each version with the one before it.
#[derive(Debug, Default)]
pub struct Monotonic;

impl Oracle for Monotonic {
    fn name(&self) -> &'static str {
        "monotonic"
    }

    fn on_write(&mut self, write: &Write<'_>) -> Option<String> {
        let (Some(old), Some(new)) = (write.old, write.new) else { return None };
        if write.resource != REMEDIATION_REQUESTS {
            return None;
        }
        let (before, after) = (occurrences(old), occurrences(new));
        // What is taken back from one that has ended may have been projected before.
        if after < before && is_active(new) {
            return Some(format!(
                "the count of {} fell from {before} to {after}, written by {}",
                name(new),
                write.caller
            ));
        }
        let (before, after) = (version(old), version(new));
        (after <= before).then(|| format!("the version of {} went from {before:?} to {after:?}", name(new)))
    }
}

fn version(object: &Value) -> Option<u64> {
    object["metadata"]["resourceVersion"].as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::rises((1, 5), (2, 6), false)]
    #[case::falls((3, 5), (2, 6), true)]
    #[case::same_version((1, 5), (2, 5), true)]
    fn neither_count_nor_version_may_fall(#[case] old: (u64, u64), #[case] new: (u64, u64), #[case] violated: bool) {
        let object = |(count, version): (u64, u64)| {
            json!({
                "metadata": {"name": "a", "resourceVersion": version.to_string()},
                "status": {"deduplication": {"occurrenceCount": count}},
            })
        };
        let (old, new) = (object(old), object(new));
        let write = Write {
            version: 1,
            resource: REMEDIATION_REQUESTS,
            verb: "patch",
            caller: "a",
            old: Some(&old),
            new: Some(&new),
            at_ms: 0,
        };
        assert_eq!(Monotonic.on_write(&write).is_some(), violated);
    }
}

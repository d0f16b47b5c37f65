//! What an alert that is about no resource is about: itself. Pure.

use std::collections::BTreeMap;

use crate::remediation::TargetResource;

/// The kind of an alert that names no resource.
///
/// Its target is the alert itself: `kind: Alert`, no apiVersion, the name being Alertmanager's fingerprint of its labels.
/// So it has an incident of its own by the same rule as a resource, and is never collapsed with other such alerts.
pub const ALERT_KIND: &str = "Alert";

/// The namespace of a namespaced resource whose labels name none (contract).
pub const DEFAULT_NAMESPACE: &str = "default";

/// The alert itself in `namespace`, known by the fingerprint that Alertmanager has `sent`, or by its labels.
pub(crate) fn of_alert(labels: &BTreeMap<String, String>, sent: Option<&str>, namespace: String) -> TargetResource {
    let sent = sent.filter(|text| (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit()));
    let name = sent.map_or_else(|| alertmanager_fingerprint(labels), str::to_ascii_lowercase);
    TargetResource { api_version: String::new(), kind: ALERT_KIND.to_owned(), name, namespace }
}

/// What Alertmanager itself computes (`model.LabelSet.Fingerprint` in prometheus/common): 64-bit FNV-1a over the sorted
/// labels, each name and each value followed by the byte 255, which UTF-8 does not contain. It drops empty labels first.
pub(crate) fn alertmanager_fingerprint(labels: &BTreeMap<String, String>) -> String {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let labels = labels.iter().filter(|(_, value)| !value.is_empty());
    let texts = labels.flat_map(|(name, value)| [name, value]);
    let bytes = texts.flat_map(|text| text.bytes().chain([0xff]));
    let hash = bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    format!("{hash:016x}")
}

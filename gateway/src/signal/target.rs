//! Which Kubernetes resource an alert's labels name. Pure.

use std::collections::BTreeMap;

use super::{
    kind::{KINDS, Kind},
    limits::invalid_name,
    rejection::Rejection,
};
use crate::{
    remediation::TargetResource,
    rfc1123::{is_label, is_subdomain},
};

/// The kind of an alert that names no resource.
///
/// Its target is the alert itself: `kind: Alert`, no apiVersion, the name being Alertmanager's fingerprint of its labels.
/// So it has an incident of its own by the same rule as a resource, and is never collapsed with other such alerts.
pub const ALERT_KIND: &str = "Alert";

/// The namespace of a namespaced resource whose labels name none (contract).
pub const DEFAULT_NAMESPACE: &str = "default";

/// The resource that `labels` name, else the alert itself, known by `alert_fingerprint` or by its labels.
///
/// Prometheus renames a label of the exporter's that collides with one of its own to `exported_<label>`, so that one
/// speaks of the resource and wins over the plain one, which speaks of the exporter.
///
/// # Errors
/// If the label that decides is no RFC 1123 name.
pub fn of_labels(
    labels: &BTreeMap<String, String>,
    alert_fingerprint: Option<&str>,
) -> Result<TargetResource, Rejection> {
    let named = KINDS.iter().filter_map(|kind| label_of(kind, labels).map(|(label, name)| (kind, label, name)));
    let Some((kind, label, name)) = named.min_by_key(|(kind, ..)| kind.rank) else {
        return of_alert(labels, alert_fingerprint);
    };
    if !is_subdomain(name) {
        return Err(invalid_name(&format!("label `{label}`, which names a {},", kind.name), name));
    }
    let namespace = if kind.namespaced { namespace(labels)? } else { String::new() };
    Ok(TargetResource { api_version: kind.api_version(), kind: kind.name.to_owned(), name: name.to_owned(), namespace })
}

fn of_alert(labels: &BTreeMap<String, String>, sent: Option<&str>) -> Result<TargetResource, Rejection> {
    let sent = sent.filter(|text| (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit()));
    let name = sent.map_or_else(|| alertmanager_fingerprint(labels), str::to_ascii_lowercase);
    let namespace = namespace(labels)?;
    Ok(TargetResource { api_version: String::new(), kind: ALERT_KIND.to_owned(), name, namespace })
}

/// The label that names an object of `kind`, and its value.
fn label_of<'a>(kind: &Kind, labels: &'a BTreeMap<String, String>) -> Option<(&'a str, &'a str)> {
    let is_exported = |name: &str, label| name.strip_prefix("exported_") == Some(label);
    let exported = kind.labels.iter().find_map(|label| labels.iter().find(|(name, _)| is_exported(name, label)));
    let found = exported.or_else(|| kind.labels.iter().find_map(|label| labels.get_key_value(*label)));
    found.map(|(label, value)| (label.as_str(), value.as_str()))
}

fn namespace(labels: &BTreeMap<String, String>) -> Result<String, Rejection> {
    let named = ["exported_namespace", "namespace"].into_iter().find_map(|label| labels.get_key_value(label));
    match named {
        None => Ok(DEFAULT_NAMESPACE.to_owned()),
        Some((_, value)) if is_label(value) => Ok(value.clone()),
        Some((label, value)) => Err(invalid_name(&format!("label `{label}`"), value)),
    }
}

/// What Alertmanager itself computes (`model.LabelSet.Fingerprint` in prometheus/common): 64-bit FNV-1a over the sorted
/// labels, each name and each value followed by the byte 255, which UTF-8 does not contain.
pub(crate) fn alertmanager_fingerprint(labels: &BTreeMap<String, String>) -> String {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let texts = labels.iter().flat_map(|(name, value)| [name, value]);
    let bytes = texts.flat_map(|text| text.bytes().chain([0xff]));
    let hash = bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    format!("{hash:016x}")
}

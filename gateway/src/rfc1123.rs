//! Names as Kubernetes takes them from RFC 1123.

/// Of a subdomain, as the Kubernetes API limits most names.
const SUBDOMAIN_BYTES_MAX: usize = 253;
/// Of a label, as the Kubernetes API limits names of namespaces.
const LABEL_BYTES_MAX: usize = 63;

/// Whether `name` is an RFC 1123 subdomain, as nearly all Kubernetes names are.
pub fn is_subdomain(name: &str) -> bool {
    name.len() <= SUBDOMAIN_BYTES_MAX && name.split('.').all(is_label_of_any_length)
}

/// Whether `name` is an RFC 1123 label, as namespaces are.
pub fn is_label(name: &str) -> bool {
    name.len() <= LABEL_BYTES_MAX && is_label_of_any_length(name)
}

/// Whether `kind` is one that the API server would serve: CamelCase (RFC 1123 does not know it, but its length is a label's).
pub fn is_kind(kind: &str) -> bool {
    kind.len() <= LABEL_BYTES_MAX
        && kind.starts_with(|c: char| c.is_ascii_uppercase())
        && kind.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// Kubernetes bounds a subdomain as a whole, not its parts.
fn is_label_of_any_length(label: &str) -> bool {
    let bytes = label.as_bytes();
    let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
        && bytes.iter().all(|b| alphanumeric(b) || *b == b'-')
}

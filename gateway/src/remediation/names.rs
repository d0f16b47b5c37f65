//! Names that every replica derives alike.

use std::fmt;

use sha2::{Digest, Sha256};

use super::fingerprint::Fingerprint;

/// Characters of the key in a lease's name (contract: Lease).
const LEASE_KEY_LEN: usize = 14;
const LEASE_PREFIX: &str = "gw-lock-";

/// The name of the Lease that locks a key, usually a fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseName(String);

impl LeaseName {
    /// `gw-lock-` and the first 14 characters of `key`; a key that is shorter, or that would make the name invalid
    /// (RFC 1123 subdomain), is hashed first.
    pub fn for_key(key: &str) -> Self {
        let start = key.get(..LEASE_KEY_LEN).filter(|start| is_name_end(start));
        let hashed = || hex::encode(Sha256::digest(key.as_bytes()));
        let start = start.map_or_else(|| hashed()[..LEASE_KEY_LEN].to_owned(), str::to_owned);
        Self(format!("{LEASE_PREFIX}{start}"))
    }

    /// The lease of a fingerprint.
    pub fn of(fingerprint: &Fingerprint) -> Self {
        Self::for_key(fingerprint.as_str())
    }

    /// Whether `name` is the name of such a lease.
    pub fn is_one(name: &str) -> bool {
        name.strip_prefix(LEASE_PREFIX).is_some_and(|rest| rest.len() == LEASE_KEY_LEN)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LeaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether `text`, put behind the prefix, ends a valid RFC 1123 subdomain.
fn is_name_end(text: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let labels_end_well = || {
        text.split('.').enumerate().all(|(i, label)| {
            let starts_well = i == 0 || label.bytes().next().is_some_and(alphanumeric);
            starts_well && label.bytes().last().is_some_and(alphanumeric)
        })
    };
    text.bytes().all(|b| alphanumeric(b) || b == b'-' || b == b'.') && labels_end_well()
}

/// The name of the RemediationRequest that follows the one with uid `predecessor` (none: the first of its fingerprint):
/// `rr-<first 12 of the fingerprint>-<first 8 hex digits of SHA-256(fingerprint ‖ predecessor)>`.
///
/// Every replica that knows the same past derives the same name, and the API server admits one create per name
/// (protocol: the fence).
pub fn remediation_request_name(fingerprint: &Fingerprint, predecessor: Option<&str>) -> String {
    let mut digest = Sha256::new();
    digest.update(fingerprint.as_str());
    digest.update(predecessor.unwrap_or_default());
    let suffix = hex::encode(digest.finalize());
    format!("rr-{}-{}", &fingerprint.as_str()[..12], &suffix[..8])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::long_key("test-fingerprint-1", Some("gw-lock-test-fingerpri"))]
    #[case::exactly_fourteen("abcdefghijklmn", Some("gw-lock-abcdefghijklmn"))]
    #[case::would_end_in_a_dash("multi-replica-test", None)]
    #[case::shorter_than_fourteen("short", None)]
    #[case::upper_case("UPPERCASEFINGERPRINT", None)]
    #[case::dot_next_to_a_dash("abc-.defghijklmno", None)]
    #[case::not_ascii("fingerprintßßßßß", None)]
    #[case::empty("", None)]
    fn a_lease_name_starts_with_the_key_or_its_hash(#[case] key: &str, #[case] expected: Option<&str>) {
        let name = LeaseName::for_key(key);
        let hashed = format!("gw-lock-{}", &hex::encode(Sha256::digest(key.as_bytes()))[..14]);
        assert_eq!(name.as_str(), expected.unwrap_or(&hashed));
        assert!(LeaseName::is_one(name.as_str()));
    }

    #[test]
    fn the_name_depends_on_the_predecessor_alone() {
        let fingerprint = Fingerprint::of("shop:Deployment:checkout");
        let first = remediation_request_name(&fingerprint, None);
        let second = remediation_request_name(&fingerprint, Some("a-uid"));
        assert_eq!(first, remediation_request_name(&fingerprint, None));
        assert_ne!(first, second);
        assert_eq!(first.len(), "rr-".len() + 12 + 1 + 8);
        assert_eq!(first[..15], second[..15]);
    }

    /// RFC 1123, written down independently.
    fn is_subdomain(name: &str) -> bool {
        let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let is_label = |label: &str| {
            label.starts_with(alphanumeric)
                && label.ends_with(alphanumeric)
                && label.chars().all(|c| alphanumeric(c) || c == '-')
        };
        name.len() <= 253 && name.split('.').all(is_label)
    }

    proptest! {
        #[test]
        fn every_key_gives_a_valid_lease_name(key in "[a-c.-]{14,18}|[a-zA-Z0-9.-]{0,40}|.{0,40}") {
            let name = LeaseName::for_key(&key);
            prop_assert!(is_subdomain(name.as_str()), "{name}");
            prop_assert!(LeaseName::is_one(name.as_str()));
            prop_assert_eq!(&name, &LeaseName::for_key(&key));
            let readable = key.get(..LEASE_KEY_LEN).filter(|start| is_subdomain(&format!("{LEASE_PREFIX}{start}")));
            let kept = name.as_str().strip_prefix(LEASE_PREFIX) == readable;
            prop_assert_eq!(kept, readable.is_some(), "a key that can be read is kept");
        }

        #[test]
        fn keys_that_are_hashed_share_no_lease(one in "[A-Z]{1,20}", other in "[A-Z]{1,20}") {
            prop_assert_eq!(LeaseName::for_key(&one) == LeaseName::for_key(&other), one == other);
        }

        #[test]
        fn no_two_fingerprints_and_predecessors_share_a_name(
            one in ("[ab]", prop::option::of("[0-9a-f]{1,4}|[0-9a-f]{8}-[0-9a-f]{4}")),
            other in ("[ab]", prop::option::of("[0-9a-f]{1,4}|[0-9a-f]{8}-[0-9a-f]{4}")),
        ) {
            let name = |(identity, predecessor): &(String, Option<String>)| {
                remediation_request_name(&Fingerprint::of(identity), predecessor.as_deref())
            };
            prop_assert!(is_subdomain(&name(&one)), "{}", name(&one));
            prop_assert_eq!(name(&one) == name(&other), one == other);
        }
    }
}

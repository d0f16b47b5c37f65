//! Names that every replica derives alike.

use std::fmt;

use sha2::{Digest, Sha256};

use super::fingerprint::Fingerprint;

/// Characters of the key in a lease's name (contract: Lease).
const LEASE_KEY_LEN: usize = 14;
pub(super) const LEASE_PREFIX: &str = "gw-lock-";
const REQUEST_PREFIX: &str = "rr-";
/// Characters of the fingerprint in a RemediationRequest's name.
const REQUEST_KEY_LEN: usize = 12;
/// Hex digits of the hash in a RemediationRequest's name.
const REQUEST_HASH_LEN: usize = 16;
/// The greatest ordinal that a name has room for (nine digits): whatever follows it keeps it, and its hash tells the two
/// apart. A resource that has a new incident every second gets there in 31 years.
const ORDINAL_MAX: u32 = 999_999_999;

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

    /// The name as it stands in `metadata.name`.
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

/// The name of the RemediationRequest that follows `predecessor`, given by ordinal and uid (none: the first of its
/// fingerprint): `rr-<first 12 of the fingerprint>-<ordinal + 1>-<first 16 hex digits of SHA-256(fingerprint ‖ uid)>`.
///
/// Every replica that knows the same past derives the same name, and the API server admits one create per name
/// (protocol: the fence). The place in the succession stands in the name because nobody can change or drop that.
pub fn remediation_request_name(fingerprint: &Fingerprint, predecessor: Option<(u32, &str)>) -> String {
    let (before, uid) = predecessor.unwrap_or_default();
    let ordinal = before.saturating_add(1).min(ORDINAL_MAX);
    let hash = hex::encode(Sha256::new().chain_update(fingerprint.as_str()).chain_update(uid).finalize());
    let key = &fingerprint.as_str()[..REQUEST_KEY_LEN];
    format!("{REQUEST_PREFIX}{key}-{ordinal}-{}", &hash[..REQUEST_HASH_LEN])
}

/// The place in the succession of `fingerprint` that a RemediationRequest's name tells; 0 for any other name, such as
/// that of an object which another program or an earlier version of this one has created.
pub(super) fn ordinal(name: &str, fingerprint: &Fingerprint) -> u32 {
    let key = &fingerprint.as_str()[..REQUEST_KEY_LEN];
    let rest = name.strip_prefix(REQUEST_PREFIX).and_then(|rest| rest.strip_prefix(key)?.strip_prefix('-'));
    let Some((ordinal, hash)) = rest.and_then(|rest| rest.split_once('-')) else { return 0 };
    let is_hash = hash.len() == REQUEST_HASH_LEN && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let is_number = ordinal.bytes().all(|b| b.is_ascii_digit()) && !ordinal.starts_with('0');
    let ordinal = ordinal.parse().ok().filter(|ordinal| is_hash && is_number && *ordinal <= ORDINAL_MAX);
    ordinal.unwrap_or(0)
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

    #[rstest]
    #[case::first(None, "1-fc28d449c91ffa4a")]
    #[case::after_one_of_another_program(Some((0, "a-uid")), "1-11b3be38cec05e09")]
    #[case::after_the_first(Some((1, "a-uid")), "2-11b3be38cec05e09")]
    #[case::after_the_last_that_there_is_room_for(Some((ORDINAL_MAX, "a-uid")), "999999999-11b3be38cec05e09")]
    fn a_name_tells_the_place_after_the_predecessor(#[case] predecessor: Option<(u32, &str)>, #[case] rest: &str) {
        let fingerprint = Fingerprint::of("shop:Deployment:checkout");
        let name = remediation_request_name(&fingerprint, predecessor);
        assert_eq!(name, format!("rr-{}-{rest}", &fingerprint.as_str()[..12]));
        assert_eq!(ordinal(&name, &fingerprint).to_string(), rest.split_once('-').unwrap().0);
    }

    #[rstest]
    #[case::of_the_first_version("rr-KEY-01234567", 0)]
    #[case::of_another_program("checkout-x7k2p", 0)]
    #[case::of_another_fingerprint("rr-000000000000-7-0123456789abcdef", 0)]
    #[case::seventh("rr-KEY-7-0123456789abcdef", 7)]
    #[case::nine_digits("rr-KEY-999999999-0123456789abcdef", 999_999_999)]
    #[case::ten_digits("rr-KEY-1000000000-0123456789abcdef", 0)]
    #[case::more_digits_than_a_number_holds("rr-KEY-99999999999999999999-0123456789abcdef", 0)]
    #[case::zero("rr-KEY-0-0123456789abcdef", 0)]
    #[case::leading_zero("rr-KEY-07-0123456789abcdef", 0)]
    #[case::sign("rr-KEY-+7-0123456789abcdef", 0)]
    #[case::no_number("rr-KEY--0123456789abcdef", 0)]
    #[case::upper_case("rr-KEY-7-0123456789ABCDEF", 0)]
    #[case::short_hash("rr-KEY-7-0123456789abcde", 0)]
    #[case::long_hash("rr-KEY-7-0123456789abcdef0", 0)]
    #[case::more_behind_it("rr-KEY-7-0123456789abcdef-1", 0)]
    #[case::more_before_it("x-rr-KEY-7-0123456789abcdef", 0)]
    #[case::not_ascii("rr-KEY-7-0123456789abcdeß", 0)]
    fn only_a_name_of_the_derived_form_has_an_ordinal(#[case] name: &str, #[case] expected: u32) {
        let fingerprint = Fingerprint::of("shop:Deployment:checkout");
        let name = name.replace("KEY", &fingerprint.as_str()[..12]);
        assert_eq!(ordinal(&name, &fingerprint), expected);
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
            one in ("[ab]", prop::option::of((0..3_u32, "[0-9a-f]{1,4}|[0-9a-f]{8}-[0-9a-f]{4}"))),
            other in ("[ab]", prop::option::of((0..3_u32, "[0-9a-f]{1,4}|[0-9a-f]{8}-[0-9a-f]{4}"))),
        ) {
            let name = |(identity, predecessor): &(String, Option<(u32, String)>)| {
                let predecessor = predecessor.as_ref().map(|(ordinal, uid)| (*ordinal, uid.as_str()));
                remediation_request_name(&Fingerprint::of(identity), predecessor)
            };
            prop_assert!(is_subdomain(&name(&one)), "{}", name(&one));
            let place = one.1.as_ref().map_or(1, |(before, _)| before + 1);
            prop_assert_eq!(ordinal(&name(&one), &Fingerprint::of(&one.0)), place);
            prop_assert_eq!(name(&one) == name(&other), one == other);
        }
    }
}

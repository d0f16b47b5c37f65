//! Owners that an object's name gives away. Pure.
//!
//! For objects that are gone and were never seen: a guess that is wrong would join two incidents, so each rule here is
//! one that Kubernetes' own controllers keep and other names hardly meet.

use jiff::{SignedDuration, Timestamp};

use super::kind::Kind;

/// What `k8s.io/apimachinery/pkg/util/rand` writes: no vowels, and no digits that look like them.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// Characters of a generated suffix (`generateName`).
const SUFFIX_LEN: usize = 5;

/// Bytes from which on the API server may have cut the generated name, and with it the template's hash.
const CUT_LEN: usize = 63;

/// 2020-01-01T00:00:00Z in minutes. Names that end in a date, such as `20240105`, lie before it.
const EARLIEST_MINUTE: i64 = 26_297_280;

/// The kind and name of the controller of the `kind` called `name`, if the name leaves no doubt.
///
/// - `<deployment>-<hash>-<suffix>` of a Pod and `<deployment>-<hash>` of a ReplicaSet, the hash being the label
///   `pod-template-hash`: 6 to 10 characters;
/// - `<cronjob>-<minutes>-<suffix>` of a Pod and `<cronjob>-<minutes>` of a Job, the minutes being the scheduled time
///   since 1970, not later than a day after `now`.
pub(crate) fn controller(kind: &Kind, name: &str, now: Timestamp) -> Option<(&'static Kind, String)> {
    let owned = match kind.name {
        "Pod" => {
            let (owned, suffix) = name.rsplit_once('-')?;
            if name.len() >= CUT_LEN || suffix.len() != SUFFIX_LEN || !is_generated(suffix) {
                return None;
            }
            owned
        }
        "ReplicaSet" | "Job" => name,
        _ => return None,
    };
    let (owner, part) = owned.rsplit_once('-')?;
    let owner_kind = if kind.name != "ReplicaSet" && is_scheduled_minute(part, now) {
        "CronJob"
    } else if kind.name != "Job" && is_template_hash(part) {
        "Deployment"
    } else {
        return None;
    };
    if owner.is_empty() { None } else { Some((Kind::named(owner_kind)?, owner.to_owned())) }
}

fn is_generated(text: &str) -> bool {
    text.bytes().all(|b| ALPHABET.contains(&b))
}

/// A hash is the encoding of a decimal number, in which a `2` never appears: all digits and a `2` among them is a time.
fn is_template_hash(text: &str) -> bool {
    let could_be_time = text.bytes().all(|b| b.is_ascii_digit()) && text.contains('2');
    (6..=10).contains(&text.len()) && is_generated(text) && !could_be_time
}

fn is_scheduled_minute(text: &str, now: Timestamp) -> bool {
    let latest = now.saturating_add(SignedDuration::from_hours(24)).unwrap_or(now).as_second() / 60;
    text.len() == 8
        && text.bytes().all(|b| b.is_ascii_digit())
        && text.parse::<i64>().is_ok_and(|minute| (EARLIEST_MINUTE..=latest).contains(&minute))
}

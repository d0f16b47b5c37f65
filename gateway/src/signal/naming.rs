//! Owners that an object's name gives away. Pure.
//!
//! For objects that are gone and were never seen: a guess that is wrong would join two incidents, so each rule here is
//! one that Kubernetes' own controllers keep, and where the namespace can be seen a guess counts only if it exists.

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

/// What an object's name tells of those that it belonged to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// The ReplicaSet or Job that it is of.
    pub(crate) parent: Option<(&'static Kind, String)>,
    /// Workloads that it may be of, if one of them exists.
    pub(crate) workloads: Vec<(&'static Kind, String)>,
    /// `<stem>-` begins the names of all ReplicaSets of its workload.
    pub(crate) stem: Option<String>,
}

impl Told {
    /// The workload that the name leaves no doubt about: a Deployment or a CronJob.
    pub(crate) fn certain(&self) -> Option<&(&'static Kind, String)> {
        self.workloads.first().filter(|(kind, _)| ["CronJob", "Deployment"].contains(&&*kind.name))
    }
}

/// What the name of the `kind` called `name` tells.
///
/// - `<deployment>-<hash>-<suffix>` of a Pod and `<deployment>-<hash>` of a ReplicaSet, the hash being the label
///   `pod-template-hash`: 6 to 10 characters;
/// - `<cronjob>-<minutes>-<suffix>` of a Pod and `<cronjob>-<minutes>` of a Job, the minutes being the scheduled time
///   since 1970, not later than a day after `now`;
/// - `<name>-<suffix>` of a Pod of a DaemonSet, a Job or a ReplicationController, `<name>-<index>-<suffix>` of an indexed
///   Job, and `<name>-<ordinal>` of a StatefulSet.
pub(crate) fn told(kind: &Kind, name: &str, now: Timestamp) -> Told {
    let read = match &*kind.name {
        "Pod" if name.len() < CUT_LEN => of_pod(name, now),
        "ReplicaSet" => of_replicaset(name),
        "Job" => of_job(name, now),
        _ => None,
    };
    read.unwrap_or_default()
}

fn of_pod(name: &str, now: Timestamp) -> Option<Told> {
    let (owner, suffix) = name.rsplit_once('-')?;
    if suffix.len() == SUFFIX_LEN && is_generated(suffix) {
        let mut told = match of_job(owner, now) {
            Some(told) => Told { parent: kinds(&["Job"], owner).pop(), ..told },
            None => match of_replicaset(owner) {
                Some(told) => Told { parent: kinds(&["ReplicaSet"], owner).pop(), ..told },
                None => Told::default(),
            },
        };
        // What looks like a hash may be a part of a name, and a Job's pods may have an index.
        told.workloads.extend(kinds(&["DaemonSet", "Job", "ReplicationController"], owner));
        let indexed = owner.rsplit_once('-').filter(|(job, index)| !job.is_empty() && is_ordinal(index));
        told.workloads.extend(indexed.into_iter().flat_map(|(job, _)| kinds(&["Job"], job)));
        return Some(told);
    }
    let is_one = is_ordinal(suffix) && !owner.is_empty();
    is_one.then(|| Told { workloads: kinds(&["StatefulSet"], owner), ..Told::default() })
}

fn of_replicaset(name: &str) -> Option<Told> {
    let (stem, hash) = name.rsplit_once('-')?;
    let is_one = !stem.is_empty() && is_template_hash(hash);
    is_one.then(|| Told { parent: None, workloads: kinds(&["Deployment"], stem), stem: Some(stem.to_owned()) })
}

fn of_job(name: &str, now: Timestamp) -> Option<Told> {
    let (cronjob, minutes) = name.rsplit_once('-')?;
    let is_one = !cronjob.is_empty() && is_scheduled_minute(minutes, now);
    is_one.then(|| Told { workloads: kinds(&["CronJob"], cronjob), ..Told::default() })
}

fn kinds(kinds: &[&str], name: &str) -> Vec<(&'static Kind, String)> {
    kinds.iter().filter_map(|kind| Some((Kind::named(kind)?, name.to_owned()))).collect()
}

/// The stem of the name of a ReplicaSet that a Deployment, or what is like one, has made.
pub(crate) fn stem(replicaset: &str) -> Option<&str> {
    replicaset.rsplit_once('-').filter(|(_, hash)| is_template_hash(hash)).map(|(stem, _)| stem)
}

fn is_ordinal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
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

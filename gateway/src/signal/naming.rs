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

/// Owners that are looked up for a name at most: a resource that is new costs no more than three GETs of metadata beyond its
/// owner chain, and each of the alert's other candidates is one of them. Which these are depends on the alert alone, never
/// on what a cache holds, so that replicas agree.
pub(crate) const MAX_GUESSES: usize = 3;

/// What an object's name tells of those that it belonged to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Whom it may be of, the likeliest first: the first that exists is it. Not more than [`MAX_GUESSES`].
    pub(crate) guesses: Vec<(&'static Kind, String)>,
    /// `<stem>-` begins the names of all ReplicaSets of its workload.
    pub(crate) stem: Option<String>,
}

impl Told {
    fn of<const N: usize>(guesses: [(&str, &str); N]) -> Self {
        const { assert!(N <= MAX_GUESSES, "more are not looked up") };
        let known = |(kind, name): (&str, &str)| Some((Kind::named(kind)?, name.to_owned()));
        Self { guesses: guesses.into_iter().filter_map(known).collect(), stem: None }
    }

    /// The workload that the name leaves no doubt about: a Deployment or a CronJob.
    pub(crate) fn certain(&self) -> Option<&(&'static Kind, String)> {
        self.guesses.iter().find(|(kind, _)| ["CronJob", "Deployment"].contains(&&*kind.name))
    }
}

/// What the name of the `kind` called `name` tells.
///
/// - `<deployment>-<hash>-<suffix>` of a Pod and `<deployment>-<hash>` of a ReplicaSet, the hash being the label
///   `pod-template-hash`: 6 to 10 characters; what looks like one may also end the name of a Job, as a number does;
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
    if suffix.len() != SUFFIX_LEN || !is_generated(suffix) {
        return (is_ordinal(suffix) && !owner.is_empty()).then(|| Told::of([("StatefulSet", owner)]));
    }
    if let Some(cronjob) = cronjob(owner, now) {
        return Some(Told::of([("Job", owner), ("CronJob", cronjob)]));
    }
    if let Some(stem) = stem(owner) {
        let told = Told::of([("ReplicaSet", owner), ("Deployment", stem), ("Job", owner)]);
        return Some(Told { stem: Some(stem.to_owned()), ..told });
    }
    Some(match owner.rsplit_once('-').filter(|(job, index)| !job.is_empty() && is_ordinal(index)) {
        // Revisions, which end the names of a DeploymentConfig's controllers, count from one.
        Some((job, "0")) => Told::of([("DaemonSet", owner), ("Job", owner), ("Job", job)]),
        Some((job, _)) => Told::of([("Job", owner), ("ReplicationController", owner), ("Job", job)]),
        None => Told::of([("DaemonSet", owner), ("Job", owner), ("ReplicationController", owner)]),
    })
}

fn of_replicaset(name: &str) -> Option<Told> {
    let stem = stem(name)?;
    Some(Told { stem: Some(stem.to_owned()), ..Told::of([("Deployment", stem)]) })
}

fn of_job(name: &str, now: Timestamp) -> Option<Told> {
    cronjob(name, now).map(|cronjob| Told::of([("CronJob", cronjob)]))
}

/// The stem of the name of a ReplicaSet that a Deployment, or what is like one, has made.
pub(crate) fn stem(replicaset: &str) -> Option<&str> {
    replicaset.rsplit_once('-').filter(|(stem, hash)| !stem.is_empty() && is_template_hash(hash)).map(|(stem, _)| stem)
}

/// The CronJob that has made `job` when it was due.
fn cronjob(job: &str, now: Timestamp) -> Option<&str> {
    job.rsplit_once('-')
        .filter(|(cronjob, minutes)| !cronjob.is_empty() && is_scheduled_minute(minutes, now))
        .map(|(cronjob, _)| cronjob)
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

//! From what became of the alerts to one HTTP answer (contract: "Shape by number of alerts").
//!
//! | alerts | what became of them | answer |
//! |---|---|---|
//! | one | created, counted, out of scope or ignored | 201, 202, 200, 200 with the single result |
//! | one | malformed, or refused by the Kubernetes API for good | 400 |
//! | one | failed | 500, 503 or 504 |
//! | several | any failed | 500 if the Kubernetes API failed for any, else 503 if any was overload, else 504; with the results |
//! | several | all malformed | 400, with the results |
//! | several | all out of scope or ignored | 200, with the results |
//! | several | anything else | 207, with the results |
//!
//! A failed alert makes the whole answer 5xx because it is the only way to have Alertmanager send it again; those that
//! succeeded are counted once more then, as an acknowledged duplicate, not created again.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::to_raw_value;

use super::{
    info::RequestInfo,
    problem::{Extensions, Kind, Problem, json_response},
};
use crate::{
    dedup::{self, Accepted, Outcome},
    intake::Item,
    remediation::Fingerprint,
    signal::{Rejection, reason},
};

const JSON: &str = "application/json";

/// An answer that is ready but for its request's id and path.
#[derive(Debug)]
pub(super) enum Answer {
    /// With its body as text.
    Json(StatusCode, Vec<u8>),
    /// The same of several alerts: [`RESULTS`] and the summary.
    Batch(StatusCode, Extensions),
    Problem(Problem),
}

const RESULTS: &str = "results";

impl Answer {
    pub(super) fn respond(self, request: &RequestInfo) -> Response {
        match self {
            Self::Json(status, body) => json_response(status, JSON, body),
            Self::Batch(status, members) => {
                let members: BTreeMap<_, _> = members.into_iter().collect();
                // Nothing of it can fail to be text.
                json_response(status, JSON, serde_json::to_vec(&members).unwrap_or_default())
            }
            Self::Problem(problem) => problem.respond(request),
        }
    }

    /// Bytes of its results, where there are several.
    pub(super) fn results_bytes(&self) -> usize {
        let members = match self {
            Self::Json(..) => return 0,
            Self::Batch(_, members) => members,
            Self::Problem(problem) => &problem.extensions,
        };
        members.iter().filter(|(name, _)| *name == RESULTS).map(|(_, text)| text.get().len()).sum()
    }

    /// The same, with the summary and without the results.
    pub(super) fn without_results(mut self) -> Self {
        if let Self::Batch(_, members) | Self::Problem(Problem { extensions: members, .. }) = &mut self {
            members.retain(|(name, _)| *name != RESULTS);
        }
        self
    }
}

/// The answer to a request whose body came to `result`.
pub(super) fn answer(result: &Result<Vec<Item>, Rejection>) -> Answer {
    let items = match result {
        Ok(items) => items.as_slice(),
        Err(rejection) => return Answer::Problem(Problem::new(Kind::Malformed, &rejection.message)),
    };
    match items {
        [] => Answer::Problem(Problem::new(Kind::Malformed, "the body contains no alert")),
        [item] => single(item),
        several => batch(several),
    }
}

fn single(item: &Item) -> Answer {
    let status = match item {
        Item::Accepted(accepted, _) if accepted.outcome == Outcome::Created => StatusCode::CREATED,
        Item::Accepted(..) => StatusCode::ACCEPTED,
        Item::OutOfScope { .. } | Item::Ignored { .. } => StatusCode::OK,
        Item::Rejected(Rejection { reason, message, .. }) => {
            let kind = if *reason == reason::REFUSED { Kind::NotStored } else { Kind::Malformed };
            return Answer::Problem(Problem::new(kind, message));
        }
        Item::Failed(error) => return Answer::Problem(failure(&[error])),
    };
    json(status, &result(item))
}

/// Nothing that is answered can fail to be text.
fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    match serde_json::to_vec(body) {
        Ok(body) => Answer::Json(status, body),
        Err(_) => Answer::Problem(Problem::new(Kind::Internal, "the response could not be serialised")),
    }
}

fn batch(items: &[Item]) -> Answer {
    let failures: Vec<&dedup::Error> = items.iter().filter_map(failed).collect();
    let malformed = items.iter().filter(|item| matches!(item, Item::Rejected(_))).count();
    let raw = [(RESULTS, to_raw_value(&Results(items)).ok()), ("summary", to_raw_value(&Summary::of(items)).ok())];
    let members: Extensions = raw.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    if failures.is_empty() && malformed < items.len() {
        let nothing_done = items.iter().all(|item| matches!(item, Item::OutOfScope { .. } | Item::Ignored { .. }));
        let status = if nothing_done { StatusCode::OK } else { StatusCode::MULTI_STATUS };
        return Answer::Batch(status, members);
    }
    let problem = match failures.as_slice() {
        [] => Problem::new(Kind::Malformed, "every alert is malformed; see `results`"),
        failures => failure(failures),
    };
    Answer::Problem(Problem { extensions: members, ..problem })
}

/// Written one after the other.
struct Results<'a>(&'a [Item]);

impl Serialize for Results<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(result))
    }
}

fn failed(item: &Item) -> Option<&dedup::Error> {
    match item {
        Item::Failed(error) => Some(error),
        _ => None,
    }
}

/// The problem of one or more failures, each of which was logged when it happened.
fn failure(errors: &[&dedup::Error]) -> Problem {
    kind_of_failure(errors).logged()
}

fn kind_of_failure(errors: &[&dedup::Error]) -> Problem {
    if let Some(error) = errors.iter().find(|error| matches!(error, dedup::Error::Kubernetes(_))) {
        return Problem::new(Kind::KubernetesApi, public_text(error));
    }
    // What is too busy is why others were too late.
    match errors.iter().filter_map(|error| busy(error)).max_by_key(|(_, pause)| *pause) {
        Some((reason, pause)) => Problem::new(Kind::Busy, format!("{reason}; send it again")).retry_after(pause),
        None => Problem::new(Kind::Deadline, public_text(&dedup::Error::Deadline)),
    }
}

fn busy(error: &dedup::Error) -> Option<(&'static str, Duration)> {
    match error {
        dedup::Error::Busy { reason, retry_after } | dedup::Error::Refused { reason, retry_after, .. } => {
            Some((*reason, *retry_after))
        }
        _ => None,
    }
}

/// What the sender may know: what the Kubernetes API said goes to the log only.
fn public_text(error: &dedup::Error) -> String {
    let text = match error {
        dedup::Error::Busy { reason, .. } | dedup::Error::Refused { reason, .. } => {
            return format!("{reason}; send it again");
        }
        dedup::Error::Deadline => "no result within the deadline; send it again",
        dedup::Error::Kubernetes(_) => "the request to the Kubernetes API failed; send it again",
    };
    text.to_owned()
}

/// The result object of one alert.
#[derive(Serialize)]
#[serde(untagged)]
enum ResultBody<'a> {
    #[serde(rename_all = "camelCase")]
    Accepted {
        status: &'static str,
        message: &'static str,
        fingerprint: &'a str,
        duplicate: bool,
        remediation_request_name: &'a str,
        remediation_request_namespace: &'a str,
        metadata: Metadata<'a>,
    },
    Other {
        status: &'static str,
        message: Cow<'a, str>,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    occurrence_count: i32,
    first_occurrence: &'a Timestamp,
    last_occurrence: &'a Timestamp,
    remediation_request_ref: String,
}

fn result(item: &Item) -> ResultBody<'_> {
    let (status, message) = match item {
        Item::Accepted(accepted, fingerprint) => return accepted_result(accepted, fingerprint),
        Item::Rejected(Rejection { message, .. }) | Item::OutOfScope { message } => ("rejected", message.into()),
        Item::Ignored { message } => ("ignored", message.into()),
        Item::Failed(error) => ("failed", public_text(error).into()),
    };
    ResultBody::Other { status, message }
}

fn accepted_result<'a>(accepted: &'a Accepted, fingerprint: &'a Fingerprint) -> ResultBody<'a> {
    let Accepted { outcome, name, namespace, occurrence_count, first_occurrence, last_occurrence, .. } = accepted;
    let (status, message, duplicate) = match outcome {
        Outcome::Created => ("created", "RemediationRequest created", false),
        Outcome::Deduplicated => ("deduplicated", "counted on an existing RemediationRequest", true),
    };
    ResultBody::Accepted {
        status,
        message,
        fingerprint: fingerprint.as_str(),
        duplicate,
        remediation_request_name: name,
        remediation_request_namespace: namespace,
        metadata: Metadata {
            occurrence_count: *occurrence_count,
            first_occurrence,
            last_occurrence,
            remediation_request_ref: format!("{namespace}/{name}"),
        },
    }
}

/// How many alerts came to what.
#[derive(Default, Serialize)]
struct Summary {
    total: usize,
    created: usize,
    deduplicated: usize,
    rejected: usize,
    ignored: usize,
    failed: usize,
}

impl Summary {
    fn of(items: &[Item]) -> Self {
        let mut summary = Self { total: items.len(), ..Self::default() };
        for item in items {
            *match item {
                Item::Accepted(accepted, _) => match accepted.outcome {
                    Outcome::Created => &mut summary.created,
                    Outcome::Deduplicated => &mut summary.deduplicated,
                },
                Item::Rejected(_) | Item::OutOfScope { .. } => &mut summary.rejected,
                Item::Ignored { .. } => &mut summary.ignored,
                Item::Failed(_) => &mut summary.failed,
            } += 1;
        }
        summary
    }
}

#[cfg(test)]
mod tests;

//! From what became of the alerts to one HTTP answer (contract: "Shape by number of alerts").
//!
//! | alerts | what became of them | answer |
//! |---|---|---|
//! | one | created, counted, out of scope or ignored | 201, 202, 200, 200 with the single result |
//! | one | malformed | 400 |
//! | one | failed | 500, 503 or 504 |
//! | several | any failed | 503 if all failures were overload, 504 if all were the deadline, else 500; with the results |
//! | several | all malformed | 400, with the results |
//! | several | all out of scope or ignored | 200, with the results |
//! | several | anything else | 207, with the results |
//!
//! A failed alert makes the whole answer 5xx because it is the only way to have Alertmanager send it again; those that
//! succeeded are counted once more then, as an acknowledged duplicate, not created again.

use std::time::Duration;

use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{
    info::RequestInfo,
    problem::{Kind, Problem, json_response},
};
use crate::{
    dedup::{self, Accepted, Outcome},
    intake::Item,
    remediation::Fingerprint,
    signal::Rejection,
};

/// An answer that is ready but for its request's id and path.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    Json(StatusCode, Value),
    Problem(Problem),
}

impl Answer {
    pub(super) fn respond(self, request: &RequestInfo) -> Response {
        match self {
            Self::Json(status, body) => json_response(status, "application/json", &body),
            Self::Problem(problem) => problem.respond(request),
        }
    }
}

/// The answer to a request whose body came to `result`.
pub(super) fn answer(result: &Result<Vec<Item>, Rejection>) -> Answer {
    let items = match result {
        Ok(items) => items.as_slice(),
        Err(rejection) => return Answer::Problem(Problem::new(Kind::Malformed, &rejection.message)),
    };
    match items {
        [] => Answer::Problem(Problem::new(Kind::Malformed, "the body holds no alert")),
        [item] => single(item),
        several => batch(several),
    }
}

fn single(item: &Item) -> Answer {
    let status = match item {
        Item::Accepted(accepted, _) if accepted.outcome == Outcome::Created => StatusCode::CREATED,
        Item::Accepted(..) => StatusCode::ACCEPTED,
        Item::OutOfScope { .. } | Item::Ignored { .. } => StatusCode::OK,
        Item::Rejected(rejection) => return Answer::Problem(Problem::new(Kind::Malformed, &rejection.message)),
        Item::Failed(error) => return Answer::Problem(failure(&[error])),
    };
    Answer::Json(status, result(item))
}

fn batch(items: &[Item]) -> Answer {
    let summary = Summary::of(items);
    let body = Map::from_iter([
        ("results".to_owned(), items.iter().map(result).collect()),
        ("summary".to_owned(), summary.to_json()),
    ]);
    let failures: Vec<&dedup::Error> = items.iter().filter_map(failed).collect();
    let malformed = items.iter().filter(|item| matches!(item, Item::Rejected(_))).count();
    if !failures.is_empty() {
        return Answer::Problem(Problem { extensions: body, ..failure(&failures) });
    }
    if malformed == items.len() {
        let problem = Problem::new(Kind::Malformed, "every alert is malformed; see `results`");
        return Answer::Problem(Problem { extensions: body, ..problem });
    }
    let nothing_done = items.iter().all(|item| matches!(item, Item::OutOfScope { .. } | Item::Ignored { .. }));
    let status = if nothing_done { StatusCode::OK } else { StatusCode::MULTI_STATUS };
    Answer::Json(status, Value::Object(body))
}

fn failed(item: &Item) -> Option<&dedup::Error> {
    match item {
        Item::Failed(error) => Some(error),
        _ => None,
    }
}

/// The problem of one or more failures.
fn failure(errors: &[&dedup::Error]) -> Problem {
    let passing: Vec<(&str, Duration)> = errors.iter().filter_map(|error| busy(error)).collect();
    if let [(reason, _), ..] = passing.as_slice()
        && passing.len() == errors.len()
    {
        let pause = passing.iter().map(|(_, pause)| *pause).max().unwrap_or_default();
        return Problem::new(Kind::Busy, format!("{reason}; send it again")).retry_after(pause);
    }
    let deadline = errors.iter().all(|error| matches!(error, dedup::Error::Deadline));
    let kind = if deadline { Kind::Deadline } else { Kind::KubernetesApi };
    Problem::new(kind, public_text(errors.iter().find(|error| busy(error).is_none()).copied()))
}

fn busy(error: &dedup::Error) -> Option<(&'static str, Duration)> {
    match error {
        dedup::Error::Busy { reason, retry_after } | dedup::Error::Refused { reason, retry_after } => {
            Some((*reason, *retry_after))
        }
        _ => None,
    }
}

/// What the sender may know: what the Kubernetes API said goes to the log only.
fn public_text(error: Option<&dedup::Error>) -> String {
    let text = match error {
        Some(dedup::Error::Busy { reason, .. } | dedup::Error::Refused { reason, .. }) => {
            return format!("{reason}; send it again");
        }
        Some(dedup::Error::Deadline) => "no result within the deadline; send it again",
        Some(dedup::Error::Kubernetes(_)) | None => "the Kubernetes API could not be used; send it again",
    };
    text.to_owned()
}

/// The result object of one alert.
fn result(item: &Item) -> Value {
    match item {
        Item::Accepted(accepted, fingerprint) => accepted_result(accepted, fingerprint),
        Item::Rejected(Rejection { message, .. }) | Item::OutOfScope { message } => {
            json!({ "status": "rejected", "message": message })
        }
        Item::Ignored { message } => json!({ "status": "ignored", "message": message }),
        Item::Failed(error) => json!({ "status": "failed", "message": public_text(Some(error)) }),
    }
}

fn accepted_result(accepted: &Accepted, fingerprint: &Fingerprint) -> Value {
    let Accepted { outcome, name, namespace, occurrence_count, first_occurrence, last_occurrence, .. } = accepted;
    let (status, message, duplicate) = match outcome {
        Outcome::Created => ("created", "RemediationRequest created", false),
        Outcome::Deduplicated => ("deduplicated", "counted on an existing RemediationRequest", true),
    };
    json!({
        "status": status,
        "message": message,
        "fingerprint": fingerprint.as_str(),
        "duplicate": duplicate,
        "remediationRequestName": name,
        "remediationRequestNamespace": namespace,
        "metadata": {
            "occurrenceCount": occurrence_count,
            "firstOccurrence": first_occurrence,
            "lastOccurrence": last_occurrence,
            "remediationRequestRef": format!("{namespace}/{name}"),
        },
    })
}

/// How many alerts came to what.
#[derive(Default)]
struct Summary {
    created: usize,
    deduplicated: usize,
    rejected: usize,
    ignored: usize,
    failed: usize,
}

impl Summary {
    fn of(items: &[Item]) -> Self {
        let mut summary = Self::default();
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

    fn to_json(&self) -> Value {
        let Self { created, deduplicated, rejected, ignored, failed } = self;
        let total = created + deduplicated + rejected + ignored + failed;
        json!({
            "total": total, "created": created, "deduplicated": deduplicated, "rejected": rejected,
            "ignored": ignored, "failed": failed,
        })
    }
}

#[cfg(test)]
mod tests;

//! The cases of `cases/*.yaml`.
//!
//! A step is `do: METHOD path`, with `body` (or the `text` of one), `type` and `as` a user where they matter. In paths and
//! bodies, `$NS` is the case's namespace, `$leases`, `$requests` and `$incidents` are the paths of its collections, and
//! `$uid2`, `$version2`, `$name2` and `$token2` what the answer to the second step said. `wait` is in milliseconds.
//! `forget: true` makes the embedded API forget its history first, as compaction does. `differs` says why an answer is meant
//! to differ, `words` why only its texts are.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path, time::Duration};

use futures::{StreamExt, stream};
use regex::{Captures, Regex};
use serde::Deserialize;
use serde_json::Value;

use super::{
    compare::differences,
    exchange::{Call, Server},
    normal::Normaliser,
    servers,
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    case: String,
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    #[serde(rename = "do")]
    action: String,
    #[serde(default)]
    body: Value,
    #[serde(default)]
    text: String,
    #[serde(default, rename = "type")]
    content_type: String,
    #[serde(default)]
    accept: String,
    #[serde(default, rename = "as")]
    user: String,
    #[serde(default)]
    wait: u64,
    #[serde(default)]
    forget: bool,
    /// Why the embedded API is meant to answer something else.
    #[serde(default)]
    differs: String,
    /// Why it is meant to say the same in other words.
    #[serde(default)]
    words: String,
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/cases");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |file: std::path::PathBuf| {
        let text = fs::read_to_string(&file).unwrap();
        serde_saphyr::from_str::<Vec<Case>>(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    };
    let wanted = std::env::var("CONFORMANCE_CASE").unwrap_or_default();
    files.into_iter().flat_map(read).filter(|case| case.case.contains(&wanted)).collect()
}

/// The answers to all steps of a case, as they came.
async fn run(server: &Server, case: &Case, namespace: &str) -> Vec<Value> {
    servers::make_namespace(server, namespace).await;
    let mut answers: Vec<Value> = Vec::new();
    for step in &case.steps {
        tokio::time::sleep(Duration::from_millis(step.wait)).await;
        if let (Server::Embedded(api), true) = (server, step.forget) {
            api.compact();
        }
        let answer = server.answer(&call(step, namespace, &answers)).await;
        answers.push(answer);
    }
    answers
}

fn call(step: &Step, namespace: &str, answers: &[Value]) -> Call {
    let filled = |text: &str| fill(text, namespace, answers);
    let (method, path) = step.action.split_once(' ').unwrap_or((&step.action, ""));
    let body = if step.body.is_null() { step.text.clone() } else { step.body.to_string() };
    let content_type = match (step.content_type.as_str(), method) {
        ("", "PATCH") => "application/merge-patch+json",
        ("", _) => "application/json",
        ("none", _) => "",
        (other, _) => other,
    };
    let mut headers = BTreeMap::new();
    if !content_type.is_empty() && !body.is_empty() {
        headers.insert("content-type".to_owned(), content_type.to_owned());
    }
    if !step.accept.is_empty() {
        headers.insert("accept".to_owned(), step.accept.clone());
    }
    let (path, body, user) = (filled(path), filled(&body).into_bytes(), filled(&step.user));
    Call { method: method.to_owned(), path, headers, body, user }
}

fn fill(text: &str, namespace: &str, answers: &[Value]) -> String {
    let collection = |group: &str, plural: &str| format!("/apis/{group}/namespaces/{namespace}/{plural}");
    let text = text
        .replace("$leases", &collection("coordination.k8s.io/v1", "leases"))
        .replace("$requests", &collection("kubernaut.ai/v1alpha1", "remediationrequests"))
        .replace("$incidents", &collection("example.org/v1", "incidents"))
        .replace("$NS", namespace);
    let of_answer = Regex::new(r"\$(uid|version|name|token)(\d+)").unwrap();
    let told = |captures: &Captures<'_>| {
        let key = match &captures[1] {
            "version" => "resourceVersion",
            "token" => "continue",
            other => other,
        };
        let answer = captures[2].parse::<usize>().ok().and_then(|number| answers.get(number - 1));
        let told = answer.and_then(|answer| answer["body"]["metadata"][key].as_str());
        told.unwrap_or("nothing-was-told").to_owned()
    };
    of_answer.replace_all(&text, told).into_owned()
}

/// An answer without what it tells people.
fn wordless(answer: &Value) -> Value {
    match answer {
        Value::Object(map) => {
            let kept = map.iter().filter(|(key, value)| !(*key == "message" && value.is_string()));
            kept.map(|(key, value)| (key.clone(), wordless(value))).collect()
        }
        Value::Array(items) => items.iter().map(wordless).collect(),
        other => other.clone(),
    }
}

/// What differs, and what should and does not.
async fn check(embedded: Server, real: &Server, case: &Case) -> (usize, String) {
    let namespace = servers::new_namespace();
    let (ours, theirs) = futures::join!(run(&embedded, case, &namespace), run(real, case, &namespace));
    let (mut our_normal, mut their_normal) = (Normaliser::default(), Normaliser::default());
    let mut report = String::new();
    for (number, (step, (ours, theirs))) in case.steps.iter().zip(ours.iter().zip(&theirs)).enumerate() {
        let (ours, theirs) = (our_normal.value(ours), their_normal.value(theirs));
        let mut found = differences(&ours, &theirs);
        if found.is_empty() && !(step.differs.is_empty() && step.words.is_empty()) {
            found.push("differs no more: take `differs` or `words` out".to_owned());
        } else if !step.differs.is_empty() {
            found.clear();
        } else if !step.words.is_empty() {
            found = differences(&wordless(&ours), &wordless(&theirs));
        }
        if !found.is_empty() {
            let _ = write!(report, "  {}. {}\n    {}\n", number + 1, step.action, found.join("\n    "));
        }
    }
    if !report.is_empty() {
        report = format!("{}\n{report}", case.case);
    }
    (case.steps.len(), report)
}

/// Every case, in namespaces of its own.
pub(crate) async fn check_all(embedded: impl Fn() -> Server, real: &Server) {
    let began = std::time::Instant::now();
    let cases = cases();
    let checks = stream::iter(&cases).map(|case| check(embedded(), real, case)).buffered(8);
    let (steps, reports): (Vec<usize>, Vec<String>) = checks.unzip().await;
    let reports: Vec<String> = reports.into_iter().filter(|report| !report.is_empty()).collect();
    let steps: usize = steps.iter().sum();
    println!("{} cases, {steps} requests to each server, {:.1?}", cases.len(), began.elapsed());
    assert!(reports.is_empty(), "{} of {} cases differ\n\n{}", reports.len(), cases.len(), reports.join("\n"));
}

#[tokio::test]
async fn every_case_is_answered_as_a_real_server_answers_it() {
    let Some((real, _plane)) = servers::real().await else { return };
    check_all(servers::embedded, &real).await;
}

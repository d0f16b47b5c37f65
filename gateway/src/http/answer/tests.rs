//! Exact bodies: clients parse them.

use rstest::rstest;
use serde_json::{Value, json};

use super::*;

fn accepted(outcome: Outcome) -> Item {
    let accepted = Accepted {
        uid: None,
        outcome,
        name: "rr-0a1b2c3d4e5f-01234567".to_owned(),
        namespace: "kubernaut".to_owned(),
        occurrence_count: if outcome == Outcome::Created { 1 } else { 7 },
        first_occurrence: "2026-01-02T03:04:05Z".parse().unwrap(),
        last_occurrence: "2026-01-02T03:05:00.25Z".parse().unwrap(),
    };
    Item::Accepted(accepted, Fingerprint::of("shop:Deployment:api"))
}

fn created() -> Item {
    accepted(Outcome::Created)
}

fn counted() -> Item {
    accepted(Outcome::Deduplicated)
}

fn rejected() -> Item {
    Item::Rejected(Rejection {
        reason: "missing_field",
        message: "alerts[1]: labels are missing".to_owned(),
        name: None,
    })
}

fn foreign() -> Item {
    Item::OutOfScope { message: "label the namespace".to_owned() }
}

fn ignored() -> Item {
    Item::Ignored { message: "resolved".to_owned() }
}

fn broken() -> Item {
    Item::Failed(dedup::Error::Kubernetes("etcd 10.0.0.7 said no".to_owned()))
}

fn busy(secs: u64) -> Item {
    Item::Failed(dedup::Error::Busy { reason: "the lock is taken", retry_after: Duration::from_secs(secs) })
}

fn late() -> Item {
    Item::Failed(dedup::Error::Deadline)
}

fn of(items: Vec<Item>) -> Answer {
    answer(&Ok(items))
}

/// Status and JSON as sent.
fn sent(answer: &Answer) -> (u16, Value) {
    match answer {
        Answer::Json(status, body) => (status.as_u16(), serde_json::from_slice(body).unwrap()),
        Answer::Batch(status, members) => (status.as_u16(), with(json!({}), members)),
        Answer::Problem(Problem { kind, detail, extensions, .. }) => {
            (kind.status().as_u16(), with(json!({ "detail": detail }), extensions))
        }
    }
}

fn with(mut body: Value, members: &Extensions) -> Value {
    for (name, value) in members {
        body[name] = serde_json::from_str(value.get()).unwrap();
    }
    body
}

#[test]
fn a_created_signal_is_answered_with_the_single_result() {
    let expected = json!({
        "status": "created",
        "message": "RemediationRequest created",
        "fingerprint": Fingerprint::of("shop:Deployment:api").as_str(),
        "duplicate": false,
        "remediationRequestName": "rr-0a1b2c3d4e5f-01234567",
        "remediationRequestNamespace": "kubernaut",
        "metadata": {
            "occurrenceCount": 1,
            "firstOccurrence": "2026-01-02T03:04:05Z",
            "lastOccurrence": "2026-01-02T03:05:00.25Z",
            "remediationRequestRef": "kubernaut/rr-0a1b2c3d4e5f-01234567",
        },
    });
    assert_eq!(sent(&of(vec![created()])), (201, expected));
}

#[rstest]
#[case::counted(counted(), 202, "deduplicated")]
#[case::foreign(foreign(), 200, "rejected")]
#[case::ignored(ignored(), 200, "ignored")]
fn one_alert_that_is_done_is_answered_2xx(#[case] item: Item, #[case] status: u16, #[case] word: &str) {
    let (sent_status, body) = sent(&of(vec![item]));
    assert_eq!((sent_status, &body["status"]), (status, &json!(word)));
    assert_eq!(body.get("duplicate"), (word == "deduplicated").then_some(&json!(true)));
}

#[rstest]
#[case::rejected(rejected(), 400, "alerts[1]: labels are missing")]
#[case::broken(broken(), 500, "the request to the Kubernetes API failed; send it again")]
#[case::busy(busy(2), 503, "the lock is taken; send it again")]
#[case::late(late(), 504, "no result within the deadline; send it again")]
fn one_alert_that_is_not_done_is_a_problem(#[case] item: Item, #[case] status: u16, #[case] detail: &str) {
    assert_eq!(sent(&of(vec![item])), (status, json!({ "detail": detail })));
}

#[test]
fn several_alerts_are_answered_with_results_and_summary() {
    let (status, body) = sent(&of(vec![created(), counted(), rejected(), foreign(), ignored()]));
    assert_eq!(status, 207);
    assert_eq!(
        body["summary"],
        json!({ "total": 5, "created": 1, "deduplicated": 1, "rejected": 2, "ignored": 1, "failed": 0 })
    );
    assert_eq!(
        body["results"].as_array().unwrap()[2..],
        [
            json!({ "status": "rejected", "message": "alerts[1]: labels are missing" }),
            json!({ "status": "rejected", "message": "label the namespace" }),
            json!({ "status": "ignored", "message": "resolved" }),
        ]
    );
    assert_eq!(body.as_object().unwrap().len(), 2);
}

#[rstest]
#[case::all_malformed(vec![rejected(), rejected()], 400)]
#[case::all_ignored(vec![ignored(), ignored()], 200)]
#[case::nothing_done(vec![ignored(), foreign()], 200)]
#[case::malformed_and_ignored(vec![rejected(), ignored()], 207)]
#[case::malformed_and_created(vec![rejected(), created()], 207)]
#[case::all_done(vec![created(), counted()], 207)]
#[case::one_failed(vec![created(), broken(), rejected()], 500)]
#[case::malformed_and_failed(vec![rejected(), busy(1)], 503)]
#[case::all_busy(vec![busy(1), created(), busy(3)], 503)]
#[case::all_late(vec![late(), created(), late()], 504)]
#[case::busy_and_late(vec![busy(1), late()], 503)]
#[case::busy_and_broken(vec![busy(1), broken()], 500)]
fn the_status_of_several_is_final_only_if_none_is_to_be_sent_again(#[case] items: Vec<Item>, #[case] status: u16) {
    let count = items.len();
    let (sent_status, body) = sent(&of(items));
    assert_eq!(sent_status, status);
    assert_eq!(body["results"].as_array().map(Vec::len), Some(count), "the results are there whatever the status");
    assert_eq!(body["summary"]["total"], count);
}

#[test]
fn what_the_kubernetes_api_said_is_not_passed_on() {
    for items in [vec![broken()], vec![broken(), created()]] {
        let text = sent(&of(items)).1.to_string();
        assert!(!text.contains("10.0.0.7"), "{text}");
    }
}

#[test]
fn overload_says_when_to_come_again_and_the_longest_pause_wins() {
    let Answer::Problem(problem) = of(vec![busy(1), busy(3)]) else { panic!("no problem") };
    assert_eq!(problem.headers, [(http::header::RETRY_AFTER, http::HeaderValue::from(3))]);
}

#[test]
fn a_malformed_body_and_an_empty_one_are_400() {
    let malformed =
        answer(&Err(Rejection { reason: "malformed_json", message: "line 1: expected `{`".to_owned(), name: None }));
    assert_eq!(sent(&malformed), (400, json!({ "detail": "line 1: expected `{`" })));
    assert_eq!(sent(&of(Vec::new())).0, 400);
}

use std::{collections::BTreeMap, time::Duration};

use harness::{baselines::Protocol, oracles::Violation};

use super::*;
use crate::outcome::{Answered, ApiRequests};

fn told(outcome: &Outcome) -> String {
    let text = str::to_owned;
    page(outcome, &Origin { command: text("sim storm"), commit: text("0123abcd"), date: text("2026-01-02") })
}

fn outcome(violations: Vec<Violation>) -> Outcome {
    let answered = |gateway, status, ms| Answered { gateway, status, took: Duration::from_millis(ms) };
    Outcome {
        protocol: Protocol::Fenced,
        replicas: 2,
        signals: 3,
        statuses: BTreeMap::from([(201, 1), (202, 2)]),
        remediation_requests: 1,
        occurrence_counts: vec![3],
        api_requests: ApiRequests { total: 5, by: BTreeMap::from([("create leases".to_owned(), 5)]) },
        latency_ms: Percentiles { p50: 10.0, p95: 20.0, p99: 20.0, max: 20.0 },
        lock_acquisition_failures: 0,
        leases_left: 0,
        violations,
        fingerprints: 1,
        acknowledged: 3,
        backend: "a <cluster> & \"more\"".to_owned(),
        answers: vec![answered(0, 201, 10), answered(1, 202, 20), answered(0, 202, 20)],
    }
}

#[test]
fn a_page_loads_nothing_from_elsewhere_and_is_the_same_for_the_same_outcome() {
    let html = told(&outcome(Vec::new()));
    assert_eq!(html, told(&outcome(Vec::new())));
    assert!(html.contains("PASS") && !html.contains("FAIL"));
    assert!([">sim storm<", ">0123abcd<", ">2026-01-02<"].iter().all(|fact| html.contains(fact)));
    for reference in ["src=", "href=", "url(", "@import", "<script", "http"] {
        assert!(!html.contains(reference), "{reference}");
    }
}

#[test]
fn what_does_not_hold_is_told_with_its_text_escaped() {
    let message = "<script>alert('1')</script>".to_owned();
    let html = told(&outcome(vec![Violation { oracle: "counts", version: Some(7), message }]));
    assert!(html.contains("FAIL") && html.contains("at version 7"));
    assert!(html.contains("&lt;script&gt;alert('1')&lt;/script&gt;"));
    assert!(!html.contains("<script"));
    assert!(html.contains("a &lt;cluster&gt; &amp; &quot;more&quot;"));
}

#[test]
fn every_answer_is_a_dot() {
    let html = told(&outcome(Vec::new()));
    assert_eq!(html.matches("h.01").count(), 3);
}

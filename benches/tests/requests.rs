//! What each protocol costs the Kubernetes API, counted in virtual time.

use benches::{
    case::{Case, PROTOCOLS, Row},
    run::{Measured, measure_in_virtual_time},
    settings::Settings,
};
use harness::baselines::Protocol;
use rstest::rstest;

fn measured(row: Row, protocol: Protocol) -> Measured {
    measure_in_virtual_time(row, protocol, &Settings::default(), 1)
}

fn rows(case: Case) -> impl Iterator<Item = Row> {
    Row::ALL.into_iter().filter(move |row| row.case == case)
}

fn total(measured: &Measured) -> usize {
    measured.requests.values().sum()
}

#[rstest]
#[case::unlocked(Protocol::Unlocked, 4, 3)]
#[case::lease_only(Protocol::LeaseOnly, 8, 7)]
#[case::fenced(Protocol::Fenced, 4, 2)]
fn a_signal_that_comes_alone_costs_what_is_documented(
    #[case] protocol: Protocol,
    #[case] new: usize,
    #[case] duplicate: usize,
) {
    for (case, expected) in [(Case::New, new), (Case::Duplicate, duplicate)] {
        for row in rows(case) {
            let measured = measured(row, protocol);
            assert_eq!(total(&measured), expected, "{row}, {} replicas: {:?}", row.replicas, measured.requests);
            assert_eq!((measured.acknowledged, measured.remediation_requests, measured.counted), (1, 1, 1), "{row}");
        }
    }
}

#[test]
fn a_burst_costs_the_fenced_protocol_less_than_a_request_per_signal_and_counts_each() {
    for row in rows(Case::Burst).chain(rows(Case::DuplicateBurst)) {
        let measured = measured(row, Protocol::Fenced);
        let replicas = row.replicas;
        assert!(total(&measured) <= 8 * replicas, "{row}, {replicas} replicas: {:?}", measured.requests);
        let expected = (measured.sent, 1, measured.sent as u64);
        assert_eq!((measured.acknowledged, measured.remediation_requests, measured.counted), expected, "{row}");
    }
}

#[test]
fn a_burst_costs_the_other_protocols_requests_for_every_signal() {
    for row in rows(Case::Burst).chain(rows(Case::DuplicateBurst)) {
        for protocol in [Protocol::Unlocked, Protocol::LeaseOnly] {
            let measured = measured(row, protocol);
            assert!(total(&measured) >= 3 * measured.sent, "{row}, {protocol}: {:?}", measured.requests);
            let kept = measured.remediation_requests == 1 && measured.counted == measured.sent as u64;
            assert!(!kept, "{row}, {protocol}: a comparison in which nothing is lost would need another explanation");
        }
    }
}

#[test]
fn equal_numbers_give_equal_measurements() {
    let row = rows(Case::Burst).last().expect("a burst");
    for protocol in PROTOCOLS {
        assert_eq!(measured(row, protocol), measured(row, protocol), "{protocol}");
    }
}

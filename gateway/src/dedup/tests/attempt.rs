use std::sync::Arc;

use jiff::Timestamp;
use rstest::rstest;

use super::{active, claimed, fingerprint, records, terminal, version};
use crate::{
    dedup::attempt::{Action, Attempt, Found, Known, Observation, Past},
    remediation::{Fingerprint, Record, remediation_request_name},
};

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
const TAG: &str = "gateway-pod-1/boot/1";

struct Run(Attempt);

impl Run {
    fn new() -> Self {
        Self::knowing(Past::default())
    }

    fn knowing(past: Past) -> Self {
        Self(Attempt::new(fingerprint(), TAG.to_owned(), past))
    }

    /// An attempt that has the lock and has read `all`.
    fn locked(all: &[Record]) -> (Self, Action) {
        let mut run = Self::new();
        assert_eq!(run.step(Observation::Begin), read());
        assert_eq!(run.see(all), Action::Lock);
        assert_eq!(run.step(Observation::Locked), read());
        let action = run.see(all);
        (run, action)
    }

    fn step(&mut self, observation: Observation) -> Action {
        self.0.step(observation, NOW)
    }

    fn see(&mut self, all: &[Record]) -> Action {
        self.step(Observation::Snapshot(records(all)))
    }
}

fn read() -> Action {
    Action::Read(Known::UpTo(version(0)))
}

fn duplicate(record: Record) -> Action {
    Action::Done(Found::Duplicate { record: Arc::new(record), claimed: None })
}

fn got(record: Record) -> Observation {
    Observation::Got(Some(Arc::new(record)))
}

fn create_after(predecessor: Option<&Record>) -> Action {
    let predecessor = predecessor.map(|record| (record.ordinal, record.uid.as_str()));
    Action::Create(remediation_request_name(&fingerprint(), predecessor))
}

#[test]
fn a_new_fingerprint_is_created_under_the_lock_after_a_second_look() {
    let (mut run, action) = Run::locked(&[]);
    assert_eq!(action, create_after(None));
    let record = Arc::new(active("new"));
    let action = run.step(Observation::Created(Arc::clone(&record)));
    assert_eq!(action, Action::Done(Found::Created { record, claimed: None }));
}

#[test]
fn a_duplicate_needs_no_lock() {
    let mut run = Run::new();
    run.step(Observation::Begin);
    assert_eq!(run.see(&[active("a")]), duplicate(active("a")));
}

#[test]
fn what_appears_while_the_lock_is_waited_for_is_a_duplicate() {
    let mut run = Run::new();
    run.step(Observation::Begin);
    assert_eq!(run.see(&[]), Action::Lock);
    assert_eq!(run.step(Observation::Contended), Action::AwaitLock);
    assert_eq!(run.step(Observation::Waited), read());
    assert_eq!(run.see(&[active("a")]), duplicate(active("a")));
}

#[test]
fn without_patience_the_fence_alone_must_do() {
    let mut run = Run::new();
    run.step(Observation::Begin);
    run.see(&[]);
    assert_eq!(run.step(Observation::Impatient), read());
    assert_eq!(run.see(&[]), create_after(None));
}

#[test]
fn a_predecessor_is_claimed_before_its_successor_is_created_and_let_go_afterwards() {
    let (mut run, action) = Run::locked(&[terminal("p")]);
    assert_eq!(action, Action::Claim(Arc::new(terminal("p"))));
    assert_eq!(run.step(Observation::Claimed(Arc::new(claimed("p")))), create_after(Some(&terminal("p"))));
    let record = Arc::new(active("new"));
    let action = run.step(Observation::Created(Arc::clone(&record)));
    assert_eq!(action, Action::Done(Found::Created { record, claimed: Some(Arc::new(claimed("p"))) }));
}

#[test]
fn a_predecessor_whose_successor_another_has_created_is_let_go_too() {
    let (mut run, _) = Run::locked(&[terminal("p")]);
    run.step(Observation::Claimed(Arc::new(claimed("p"))));
    run.step(Observation::Exists);
    let expected = Found::Duplicate { record: Arc::new(active("new")), claimed: Some(Arc::new(claimed("p"))) };
    assert_eq!(run.step(got(active("new"))), Action::Done(expected));
}

#[test]
fn a_claim_of_another_is_renewed_before_the_create() {
    let (_, action) = Run::locked(&[claimed("p")]);
    assert_eq!(action, Action::Claim(Arc::new(claimed("p"))));
}

#[test]
fn a_claim_on_a_newer_version_is_tried_again_on_that_version() {
    let (mut run, _) = Run::locked(&[terminal("p")]);
    assert_eq!(run.step(Observation::ClaimConflict), Action::Get("rr-p".to_owned()));
    assert_eq!(run.step(got(claimed("p"))), Action::Claim(Arc::new(claimed("p"))));
}

#[test]
fn a_predecessor_that_suppresses_by_now_makes_the_signal_its_duplicate() {
    let (mut run, _) = Run::locked(&[terminal("p")]);
    run.step(Observation::ClaimConflict);
    let reviewed = Record { manual_review: true, ..terminal("p") };
    assert_eq!(run.step(got(reviewed.clone())), duplicate(reviewed));
}

#[test]
fn a_predecessor_that_is_not_the_newest_suppresses_nothing() {
    let newer = Record { ordinal: 0, created: Some(NOW), ..terminal("n") };
    let (mut run, action) = Run::locked(&[terminal("p"), newer]);
    assert_eq!(action, Action::Claim(Arc::new(terminal("p"))));
    run.step(Observation::ClaimConflict);
    let reviewed = Record { manual_review: true, ..terminal("p") };
    assert_eq!(run.step(got(reviewed.clone())), Action::Claim(Arc::new(reviewed.clone())));
    assert_eq!(run.step(Observation::Claimed(Arc::new(reviewed.clone()))), create_after(Some(&reviewed)));
}

#[test]
fn a_predecessor_that_was_read_again_is_planned_for_again() {
    let (mut run, _) = Run::locked(&[terminal("p")]);
    run.step(Observation::ClaimConflict);
    let newer = Record { ordinal: 4, ..claimed("p") };
    assert_eq!(run.step(got(newer.clone())), Action::Claim(Arc::new(newer.clone())));
    assert_eq!(run.step(Observation::Claimed(Arc::new(newer.clone()))), create_after(Some(&newer)));
}

#[rstest]
#[case::claim_not_found(Observation::ClaimNotFound)]
#[case::gone_after_conflict(Observation::Got(None))]
fn a_predecessor_that_is_gone_needs_a_view_that_says_something_else(#[case] observation: Observation) {
    let (mut run, _) = Run::locked(&[terminal("p")]);
    assert_eq!(run.step(observation), Action::Read(Known::Changed));
}

#[test]
fn a_terminating_predecessor_that_nobody_claimed_is_waited_for() {
    let terminating = Record { terminating: true, ..terminal("p") };
    let (mut run, action) = Run::locked(&[terminating]);
    assert_eq!(action, Action::AwaitDeletion);
    assert_eq!(run.step(Observation::Waited), read());
    assert_eq!(run.see(&[]), create_after(None));
}

#[test]
fn a_terminating_predecessor_that_was_claimed_before_is_claimed_again() {
    let terminating = Record { terminating: true, ..claimed("p") };
    let (_, action) = Run::locked(std::slice::from_ref(&terminating));
    assert_eq!(action, Action::Claim(Arc::new(terminating)));
}

#[test]
fn a_refused_claim_waits_for_the_deletion() {
    let (mut run, _) = Run::locked(&[terminal("p")]);
    assert_eq!(run.step(Observation::ClaimRefused), Action::AwaitDeletion);
}

/// What is found under the derived name after 409 AlreadyExists.
#[rstest]
#[case::active(active("x"), duplicate(active("x")))]
#[case::ours(ours(active("x")), Action::Done(Found::Created { record: Arc::new(ours(active("x"))), claimed: None }))]
#[case::ours_and_already_terminal(
    ours(terminal("x")),
    Action::Done(Found::Created { record: Arc::new(ours(terminal("x"))), claimed: None })
)]
#[case::terminal(terminal("x"), Action::Read(Known::UpTo(version(10))))]
#[case::terminating(Record { terminating: true, ..active("x") }, Action::AwaitDeletion)]
#[case::terminating_and_claimed(
    Record { terminating: true, ..claimed("x") },
    Action::Claim(Arc::new(Record { terminating: true, ..claimed("x") }))
)]
#[case::foreign(
    Record { fingerprint: Fingerprint::of("other"), ..active("x") },
    Action::Done(Found::NameTaken("rr-x".to_owned()))
)]
fn an_object_of_the_derived_name_is_looked_at(#[case] found: Record, #[case] expected: Action) {
    let (mut run, _) = Run::locked(&[]);
    assert_eq!(run.step(Observation::Exists), Action::Get(remediation_request_name(&fingerprint(), None)));
    assert_eq!(run.step(got(found)), expected);
}

fn ours(record: Record) -> Record {
    Record { created_by: Some(TAG.to_owned()), ..record }
}

#[test]
fn an_earlier_create_whose_answer_was_lost_is_recognised_in_the_view() {
    let mut run = Run::new();
    run.step(Observation::Begin);
    let record = ours(active("x"));
    let expected = Found::Created { record: Arc::new(record.clone()), claimed: None };
    assert_eq!(run.see(&[record]), Action::Done(expected));
}

#[test]
fn a_decision_whose_time_is_over_is_forgotten() {
    let (mut run, _) = Run::locked(&[terminal("p")]);
    assert_eq!(run.step(Observation::Begin), read());
    assert_eq!(run.see(&[terminal("q")]), Action::Claim(Arc::new(terminal("q"))));
}

#[test]
fn a_view_that_still_shows_what_is_known_to_be_gone_decides_nothing() {
    let past = Past { gone: Some("a".to_owned()), ..Past::default() };
    let mut run = Run::knowing(past);
    run.step(Observation::Begin);
    assert_eq!(run.see(&[active("a")]), Action::Read(Known::Changed));
    assert_eq!(run.see(&[]), Action::Lock);
}

#[test]
fn a_404_that_a_consistent_list_refutes_is_not_believed() {
    let past = Past { gone: Some("a".to_owned()), ..Past::default() };
    let mut run = Run::knowing(past);
    run.step(Observation::Begin);
    assert_eq!(run.see(&[active("a")]), Action::Read(Known::Changed));
    assert_eq!(run.step(Observation::Listed(records(&[active("a")]))), duplicate(active("a")));

    let past = Past { gone: Some("a".to_owned()), ..Past::default() };
    let mut run = Run::knowing(past);
    run.step(Observation::Begin);
    run.see(&[active("a")]);
    assert_eq!(run.step(Observation::Listed(records(&[]))), Action::Lock);
    run.step(Observation::Locked);
    assert_eq!(run.see(&[active("a")]), Action::Read(Known::Changed), "the view is behind, and stays so");

    let (mut run, _) = Run::locked(&[terminal("p")]);
    assert_eq!(run.step(Observation::ClaimNotFound), Action::Read(Known::Changed));
    assert_eq!(run.step(Observation::Listed(records(&[terminal("p")]))), Action::Claim(Arc::new(terminal("p"))));
    assert_eq!(run.step(Observation::ClaimNotFound), Action::Read(Known::Changed));
    assert_eq!(run.step(Observation::Listed(records(&[]))), create_after(None));
}

#[test]
fn a_view_must_have_come_as_far_as_answers_have_shown() {
    let past = Past { floor: version(42), ..Past::default() };
    assert_eq!(Run::knowing(past).step(Observation::Begin), Action::Read(Known::UpTo(version(42))));
}

#[rstest]
#[case::that_may_be_its_own(remediation_request_name(&fingerprint(), None), true)]
#[case::of_another_name("rr-of-another".to_owned(), false)]
fn an_object_that_somebody_took_the_creators_name_from_leaves_in_doubt_who_created_it(
    #[case] name: String,
    #[case] in_doubt: bool,
) {
    let (mut run, action) = Run::locked(&[]);
    assert!(matches!(action, Action::Create(_)));
    // The create was not answered in time.
    run.step(Observation::Begin);
    let record = Record { name, created_by: None, ..active("x") };
    let expected = if in_doubt { Action::Done(Found::InDoubt { claimed: None }) } else { duplicate(record.clone()) };
    assert_eq!(run.see(&[record]), expected);
}

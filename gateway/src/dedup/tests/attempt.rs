use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use rstest::rstest;

use super::{active, claimed, fingerprint, records, terminal, version};
use crate::{
    config::Config,
    context::Monotonic,
    dedup::{
        deduplicate,
        protocol::lock::Acquisition,
        protocol::{
            Now,
            attempt::{Attempt, Effect, Event, Failure, Found, Known, Past, Snapshot},
        },
    },
    kubernetes::Error,
    remediation::{Author, Fingerprint, Record, remediation_request_name},
};

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
const TAG: &str = "gateway-pod-1/boot/1";

struct Run {
    attempt: Attempt,
    now: Monotonic,
    deadline: Monotonic,
}

impl Run {
    fn new() -> Self {
        Self::knowing(Past::default())
    }

    fn knowing(past: Past) -> Self {
        let (began, deadline) = (Monotonic::default(), at(60_000));
        let attempt = Attempt::new(fingerprint(), Author::of(TAG), past, &Config::default(), (began, deadline));
        Self { attempt, now: began, deadline }
    }

    /// An attempt that has the lock and has read `all`.
    fn locked(all: &[Record]) -> (Self, Effect) {
        let mut run = Self::new();
        assert_eq!(run.step(Event::Begin), read());
        assert_eq!(run.see(all), Effect::Lock);
        assert_eq!(run.step(Event::Lock(Acquisition::Acquired)), read());
        let effect = run.see(all);
        (run, effect)
    }

    fn step(&mut self, event: Event) -> Effect {
        self.attempt.step(event, Now { wall: NOW, monotonic: self.now })
    }

    fn see(&mut self, all: &[Record]) -> Effect {
        self.step(Event::Read(Snapshot { records: records(all), listed: false }))
    }
}

/// `record` in a later version.
fn later(record: &Record) -> Record {
    Record { version: version(99), ..record.clone() }
}

/// So many milliseconds after the attempt began.
fn at(ms: u64) -> Monotonic {
    Monotonic::default() + Duration::from_millis(ms)
}

/// A wait of the longest pause.
fn await_deletion() -> Effect {
    Effect::AwaitDeletion(Config::default().lock.max_backoff)
}

fn read() -> Effect {
    Effect::Read(Known::UpTo(version(0)))
}

fn duplicate(record: Record) -> Effect {
    Effect::Done(Ok(Found::Duplicate { record: Arc::new(record), claimed: None }))
}

fn got(record: Record) -> Event {
    Event::Got(Ok(Some(Arc::new(record))))
}

fn create_after(predecessor: Option<&Record>) -> Effect {
    let predecessor = predecessor.map(|record| (record.ordinal, &*record.uid));
    Effect::Create(remediation_request_name(&fingerprint(), predecessor))
}

#[test]
fn a_new_fingerprint_is_created_under_the_lock_after_a_second_look() {
    let (mut run, effect) = Run::locked(&[]);
    assert_eq!(effect, create_after(None));
    let record = Arc::new(active("new"));
    let effect = run.step(Event::Created(Ok(Arc::clone(&record))));
    assert_eq!(effect, Effect::Done(Ok(Found::Created { record, claimed: None })));
}

#[test]
fn a_duplicate_needs_no_lock() {
    let mut run = Run::new();
    run.step(Event::Begin);
    assert_eq!(run.see(&[active("a")]), duplicate(active("a")));
}

#[test]
fn what_appears_while_the_lock_is_waited_for_is_a_duplicate() {
    let mut run = Run::new();
    run.step(Event::Begin);
    assert_eq!(run.see(&[]), Effect::Lock);
    assert!(matches!(run.step(Event::Lock(Acquisition::Contended)), Effect::AwaitLock { .. }));
    assert_eq!(run.step(Event::Waited), read());
    assert_eq!(run.see(&[active("a")]), duplicate(active("a")));
}

#[test]
fn once_the_time_to_wait_for_the_lock_is_over_the_fence_alone_must_do() {
    let mut run = Run::new();
    run.step(Event::Begin);
    run.see(&[]);
    run.now = at(500);
    assert_eq!(run.step(Event::Lock(Acquisition::Contended)), read());
    assert_eq!(run.see(&[]), create_after(None));
}

#[test]
fn a_predecessor_is_claimed_before_its_successor_is_created_and_released_afterwards() {
    let (mut run, effect) = Run::locked(&[terminal("p")]);
    assert_eq!(effect, Effect::Claim(Arc::new(terminal("p"))));
    assert_eq!(run.step(Event::Claimed(Ok(Arc::new(claimed("p"))))), create_after(Some(&terminal("p"))));
    let record = Arc::new(active("new"));
    let effect = run.step(Event::Created(Ok(Arc::clone(&record))));
    assert_eq!(effect, Effect::Done(Ok(Found::Created { record, claimed: Some(Arc::new(claimed("p"))) })));
}

#[test]
fn a_predecessor_whose_successor_another_has_created_is_released_too() {
    let (mut run, _) = Run::locked(&[terminal("p")]);
    run.step(Event::Claimed(Ok(Arc::new(claimed("p")))));
    run.step(Event::Created(Err(Error::AlreadyExists(String::new()))));
    let expected = Found::Duplicate { record: Arc::new(active("new")), claimed: Some(Arc::new(claimed("p"))) };
    assert_eq!(run.step(got(active("new"))), Effect::Done(Ok(expected)));
}

#[test]
fn a_claim_of_another_is_renewed_before_the_create() {
    let (_, effect) = Run::locked(&[claimed("p")]);
    assert_eq!(effect, Effect::Claim(Arc::new(claimed("p"))));
}

#[test]
fn a_claim_on_a_newer_version_is_tried_again_on_that_version() {
    let (mut run, _) = Run::locked(&[terminal("p")]);
    assert_eq!(run.step(Event::Claimed(Err(Error::Conflict(String::new())))), Effect::Get("rr-p".to_owned()));
    assert_eq!(run.step(got(claimed("p"))), Effect::Claim(Arc::new(claimed("p"))));
}

#[test]
fn a_predecessor_that_suppresses_by_now_makes_the_signal_its_duplicate() {
    let (mut run, _) = Run::locked(&[terminal("p")]);
    run.step(Event::Claimed(Err(Error::Conflict(String::new()))));
    let reviewed = Record { manual_review: true, ..terminal("p") };
    assert_eq!(run.step(got(reviewed.clone())), duplicate(reviewed));
}

#[test]
fn a_predecessor_that_is_not_the_newest_suppresses_nothing() {
    let newer = Record { ordinal: 0, created: Some(NOW), ..terminal("n") };
    let (mut run, effect) = Run::locked(&[terminal("p"), newer]);
    assert_eq!(effect, Effect::Claim(Arc::new(terminal("p"))));
    run.step(Event::Claimed(Err(Error::Conflict(String::new()))));
    let reviewed = Record { manual_review: true, ..terminal("p") };
    assert_eq!(run.step(got(reviewed.clone())), Effect::Claim(Arc::new(reviewed.clone())));
    assert_eq!(run.step(Event::Claimed(Ok(Arc::new(later(&claimed("p")))))), create_after(Some(&reviewed)));
}

#[test]
fn a_predecessor_that_was_read_again_is_planned_for_again() {
    let (mut run, _) = Run::locked(&[terminal("p")]);
    run.step(Event::Claimed(Err(Error::Conflict(String::new()))));
    let newer = Record { ordinal: 4, ..claimed("p") };
    assert_eq!(run.step(got(newer.clone())), Effect::Claim(Arc::new(newer.clone())));
    assert_eq!(run.step(Event::Claimed(Ok(Arc::new(later(&newer))))), create_after(Some(&newer)));
}

#[rstest]
#[case::nothing_was_stored(claimed("p"), claimed("p"))]
#[case::without_its_finalizer(terminal("p"), later(&terminal("p")))]
fn a_claim_that_is_not_there_is_none(#[case] before: Record, #[case] answered: Record) {
    let (mut run, _) = Run::locked(&[before]);
    let effect = run.step(Event::Claimed(Ok(Arc::new(answered))));
    assert!(matches!(effect, Effect::Done(Err(Failure::Failed(Error::Unexpected(_))))), "{effect:?}");
}

#[test]
fn a_create_beside_others_that_count_against_the_same_quota_is_decided_on_again() {
    let (mut run, _) = Run::locked(&[]);
    assert_eq!(run.step(Event::Created(Err(Error::Conflict(String::new())))), read());
    assert_eq!(run.see(&[]), create_after(None));
}

#[rstest]
#[case::claim_not_found(Event::Claimed(Err(Error::NotFound(String::new()))))]
#[case::gone_after_conflict(Event::Got(Ok(None)))]
fn a_predecessor_that_is_gone_needs_a_view_that_says_something_else(#[case] event: Event) {
    let (mut run, _) = Run::locked(&[terminal("p")]);
    assert_eq!(run.step(event), Effect::Read(Known::Changed));
}

#[test]
fn a_terminating_predecessor_that_nobody_claimed_is_waited_for() {
    let terminating = Record { terminating: true, ..terminal("p") };
    let (mut run, effect) = Run::locked(&[terminating]);
    assert_eq!(effect, await_deletion());
    assert_eq!(run.step(Event::Waited), read());
    assert_eq!(run.see(&[]), create_after(None));
}

#[test]
fn a_terminating_predecessor_that_was_claimed_before_is_claimed_again() {
    let terminating = Record { terminating: true, ..claimed("p") };
    let (_, effect) = Run::locked(std::slice::from_ref(&terminating));
    assert_eq!(effect, Effect::Claim(Arc::new(terminating)));
}

#[test]
fn a_refused_claim_waits_for_the_deletion_if_there_is_one() {
    let refused = || Error::Invalid("refused".to_owned());
    let (mut run, _) = Run::locked(&[terminal("p")]);
    assert_eq!(run.step(Event::Claimed(Err(refused()))), Effect::Get("rr-p".to_owned()));
    let terminating = Record { terminating: true, ..terminal("p") };
    assert_eq!(run.step(got(terminating)), await_deletion());
    let (mut run, _) = Run::locked(&[terminal("p")]);
    run.step(Event::Claimed(Err(refused())));
    assert_eq!(run.step(got(terminal("p"))), Effect::Done(Err(Failure::Unclaimable(refused()))));
    let renewed = Record { terminating: true, ..claimed("p") };
    let (mut run, _) = Run::locked(std::slice::from_ref(&renewed));
    run.step(Event::Claimed(Err(refused())));
    assert_eq!(run.step(got(renewed)), Effect::Done(Err(Failure::Unclaimable(refused()))));
    let (mut run, _) = Run::locked(&[terminal("p")]);
    run.step(Event::Claimed(Err(refused())));
    run.step(Event::Got(Err(Error::Deadline)));
    assert_eq!(run.see(&[terminal("p")]), Effect::Claim(Arc::new(terminal("p"))));
    run.step(Event::Claimed(Err(Error::Conflict(String::new()))));
    assert_eq!(run.step(got(terminal("p"))), Effect::Claim(Arc::new(terminal("p"))), "that refusal is over");
}

/// What is found under the derived name after 409 AlreadyExists.
#[rstest]
#[case::active(active("x"), duplicate(active("x")))]
#[case::ours(ours(active("x")), Effect::Done(Ok(Found::Created { record: Arc::new(ours(active("x"))), claimed: None })))]
#[case::ours_and_already_terminal(
    ours(terminal("x")),
    Effect::Done(Ok(Found::Created { record: Arc::new(ours(terminal("x"))), claimed: None }))
)]
#[case::terminal(terminal("x"), Effect::Read(Known::UpTo(version(10))))]
#[case::terminating(Record { terminating: true, ..active("x") }, await_deletion())]
#[case::terminating_and_claimed(
    Record { terminating: true, ..claimed("x") },
    Effect::Claim(Arc::new(Record { terminating: true, ..claimed("x") }))
)]
#[case::foreign(
    Record { fingerprint: Fingerprint::of("other"), ..active("x") },
    Effect::Done(Ok(Found::NameTaken("rr-x".to_owned())))
)]
fn an_object_of_the_derived_name_is_looked_at(#[case] found: Record, #[case] expected: Effect) {
    let (mut run, _) = Run::locked(&[]);
    assert_eq!(
        run.step(Event::Created(Err(Error::AlreadyExists(String::new())))),
        Effect::Get(remediation_request_name(&fingerprint(), None))
    );
    assert_eq!(run.step(got(found)), expected);
}

fn ours(record: Record) -> Record {
    Record { created_by: Some(Author::of(TAG)), ..record }
}

#[test]
fn an_earlier_create_whose_answer_was_lost_is_recognised_in_the_view() {
    let mut run = Run::new();
    run.step(Event::Begin);
    let record = ours(active("x"));
    let expected = Found::Created { record: Arc::new(record.clone()), claimed: None };
    assert_eq!(run.see(&[record]), Effect::Done(Ok(expected)));
}

#[test]
fn a_decision_whose_time_is_over_is_forgotten() {
    let (mut run, _) = Run::locked(&[terminal("p")]);
    assert_eq!(run.step(Event::Begin), read());
    assert_eq!(run.see(&[terminal("q")]), Effect::Claim(Arc::new(terminal("q"))));
}

#[test]
fn a_view_that_still_shows_what_is_known_to_be_gone_decides_nothing() {
    let past = Past { gone: Some("a".into()), ..Past::default() };
    let mut run = Run::knowing(past);
    run.step(Event::Begin);
    assert_eq!(run.see(&[active("a")]), Effect::Read(Known::Changed));
    assert_eq!(run.see(&[]), Effect::Lock);
}

#[test]
fn a_404_that_a_consistent_list_refutes_is_not_believed() {
    let past = Past { gone: Some("a".into()), ..Past::default() };
    let mut run = Run::knowing(past);
    run.step(Event::Begin);
    assert_eq!(run.see(&[active("a")]), Effect::Read(Known::Changed));
    assert_eq!(
        run.step(Event::Read(Snapshot { records: records(&[active("a")]), listed: true })),
        duplicate(active("a"))
    );

    let past = Past { gone: Some("a".into()), ..Past::default() };
    let mut run = Run::knowing(past);
    run.step(Event::Begin);
    run.see(&[active("a")]);
    assert_eq!(run.step(Event::Read(Snapshot { records: records(&[]), listed: true })), Effect::Lock);
    run.step(Event::Lock(Acquisition::Acquired));
    assert_eq!(run.see(&[active("a")]), Effect::Read(Known::Changed), "the view is behind, and stays so");

    let (mut run, _) = Run::locked(&[terminal("p")]);
    assert_eq!(run.step(Event::Claimed(Err(Error::NotFound(String::new())))), Effect::Read(Known::Changed));
    assert_eq!(
        run.step(Event::Read(Snapshot { records: records(&[terminal("p")]), listed: true })),
        Effect::Claim(Arc::new(terminal("p")))
    );
    assert_eq!(run.step(Event::Claimed(Err(Error::NotFound(String::new())))), Effect::Read(Known::Changed));
    assert_eq!(run.step(Event::Read(Snapshot { records: records(&[]), listed: true })), create_after(None));
}

#[test]
fn a_view_must_have_come_as_far_as_answers_have_shown() {
    let past = Past { floor: version(42), ..Past::default() };
    assert_eq!(Run::knowing(past).step(Event::Begin), Effect::Read(Known::UpTo(version(42))));
}

#[rstest]
#[case::that_may_be_its_own(remediation_request_name(&fingerprint(), None), true)]
#[case::of_another_name("rr-of-another".to_owned(), false)]
fn an_object_that_somebody_took_the_creators_name_from_leaves_in_doubt_who_created_it(
    #[case] name: String,
    #[case] in_doubt: bool,
) {
    let (mut run, effect) = Run::locked(&[]);
    assert!(matches!(effect, Effect::Create(_)));
    // The create was not answered in time.
    run.step(Event::Begin);
    let record = Record { name: name.into(), created_by: None, ..active("x") };
    let expected =
        if in_doubt { Effect::Done(Ok(Found::InDoubt { claimed: None })) } else { duplicate(record.clone()) };
    assert_eq!(run.see(&[record]), expected);
}

#[test]
fn tries_for_the_lock_are_further_apart_each_time_and_end_with_the_time_to_wait_for_it() {
    let mut run = Run::new();
    let ms = Duration::from_millis;
    let lock = Config::default().lock;
    run.step(Event::Begin);
    let mut backoff = lock.initial_backoff;
    for waited in [0, 100, 300, 499] {
        run.now = at(waited);
        assert_eq!(run.see(&[]), Effect::Lock);
        let expected = Effect::AwaitLock { backoff, left: lock.wait_timeout - ms(waited) };
        assert_eq!(run.step(Event::Lock(Acquisition::Contended)), expected);
        assert_eq!(run.step(Event::Waited), read());
        backoff = (backoff * 2).min(lock.max_backoff);
    }
    run.see(&[]);
    run.now = at(500);
    assert_eq!(run.step(Event::Lock(Acquisition::Contended)), read());
    assert!(!run.attempt.is_locked());
    assert_eq!(run.attempt.waited_for_lock(), Some(ms(500)));
}

#[test]
fn a_decision_that_is_too_old_is_not_acted_on_but_made_anew() {
    let mut run = Run::new();
    run.step(Event::Begin);
    run.see(&[terminal("p")]);
    run.step(Event::Lock(Acquisition::Acquired));
    run.now = run.attempt.send_until();
    assert!(run.now < run.deadline, "the signal has time left");
    assert_eq!(run.see(&[terminal("p")]), read());
    assert_eq!(run.see(&[terminal("p")]), Effect::Claim(Arc::new(terminal("p"))));
    assert_eq!(run.step(Event::Claimed(Err(Error::Deadline))), read());
    assert_eq!(run.see(&[terminal("p")]), Effect::Claim(Arc::new(terminal("p"))));
    run.now = run.deadline;
    let late = Effect::Done(Err(Failure::Failed(Error::Deadline)));
    assert_eq!(run.step(Event::Claimed(Err(Error::Deadline))), late);
}

#[rstest]
#[case::that_has_waited_for_nothing(terminal("p"), false)]
#[case::that_waits_for_a_deletion(Record { terminating: true, ..terminal("p") }, true)]
fn at_the_deadline_an_attempt_ends_and_tells_whether_a_deletion_kept_it(#[case] found: Record, #[case] blocked: bool) {
    let (mut run, _) = Run::locked(&[found]);
    run.now = run.deadline;
    assert_eq!(run.step(Event::Waited), Effect::Done(Err(Failure::Late { blocked })));
}

#[test]
fn who_is_contradicted_all_the_time_pauses_for_longer_each_time() {
    let (mut run, _) = Run::locked(&[terminal("p")]);
    let mut pauses = Vec::new();
    for _ in 0..20 {
        let mut effect = run.step(Event::Claimed(Err(Error::Conflict(String::new()))));
        if let Effect::Pause(pause) = effect {
            pauses.push(pause);
            effect = run.step(Event::Waited);
        }
        assert_eq!(effect, Effect::Get("rr-p".to_owned()));
        effect = run.step(got(terminal("p")));
        if let Effect::Pause(pause) = effect {
            pauses.push(pause);
            effect = run.step(Event::Waited);
        }
        assert_eq!(effect, Effect::Claim(Arc::new(terminal("p"))));
    }
    let lock = Config::default().lock;
    assert_eq!((pauses[0], pauses[1]), (lock.initial_backoff, lock.initial_backoff * 2));
    assert_eq!(pauses.last(), Some(&lock.max_backoff));
    assert_eq!(pauses.len(), 4 + 40 - 11, "after all effects but the first eleven");
}

#[rstest]
#[case::by_the_only_create(terminal("p"), false, Some(later(&claimed("p"))))]
#[case::while_an_earlier_try_is_in_doubt(terminal("p"), true, None)]
#[case::where_another_had_claimed_before(claimed("p"), false, None)]
fn the_claim_for_a_refused_create_is_released_only_if_no_other_can_rely_on_it(
    #[case] predecessor: Record,
    #[case] in_doubt: bool,
    #[case] released: Option<Record>,
) {
    let (mut run, _) = Run::locked(&[predecessor]);
    run.step(Event::Claimed(Ok(Arc::new(later(&claimed("p"))))));
    let error = deduplicate::Error::Deadline;
    let expected = Failure::Refused { error: error.clone(), claimed: released.map(Arc::new) };
    assert_eq!(run.step(Event::Refused { error, in_doubt }), Effect::Done(Err(expected)));
}

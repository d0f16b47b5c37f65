//! 404s that are not true: a webhook answers so, a CRD is being replaced, an API server starts. What there is stays as it was, and
//! nobody asks again and again.

use embedded_apiserver::{Effect, Fault, RequestInfo};
use harness::{
    fleet::Fleet,
    testing::{assert_quiet, count_of, end, lines, name_of, only, rest, script, send, send_until_accepted, spent},
};
use rstest::rstest;

/// What is answered 404.
#[derive(Clone, Copy, Debug)]
enum Asked {
    /// The create of the counter.
    CounterCreate,
    /// A count.
    CounterWrite,
    /// A look whether a write had an effect.
    CounterRead,
    /// The look at the RemediationRequest beside a count.
    Object,
}

impl Asked {
    fn is(self, request: &RequestInfo) -> bool {
        let counter = request.resource == "leases" && !request.name.starts_with("gw-lock-");
        match self {
            Self::CounterCreate => request.verb == "create" && counter && request.path.ends_with("/leases"),
            Self::CounterWrite => request.verb == "patch" && counter,
            Self::CounterRead => request.verb == "get" && counter,
            Self::Object => request.verb == "get" && request.label() == "remediationrequests",
        }
    }
}

fn not_found() -> Fault {
    Fault::refused(Effect::not_found())
}

/// One RemediationRequest, and `counted` further signals on it.
async fn counted(seed: u64, counted: u32) -> (Fleet, Vec<harness::replica::Replica>) {
    let fleet = Fleet::new(seed);
    let replicas = fleet.start_all(2).await;
    assert_eq!(send(&fleet, &replicas[0], "missing").await.status, 201);
    rest().await;
    for _ in 0..counted {
        assert_eq!(send(&fleet, &replicas[0], "missing").await.status, 202);
    }
    rest().await;
    fleet.api.clear_requests();
    (fleet, replicas)
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn one_404_that_is_not_true_costs_a_signal_another_try_at_most(
    #[values(Asked::CounterWrite, Asked::CounterRead, Asked::Object)] asked: Asked,
    #[values(0, 1)] before: u32,
    #[values(None, Some(Fault::answer_lost()), Some(Fault::lost()))] doubt: Option<Fault>,
    #[values(0, 1)] other: usize,
) {
    let (fleet, replicas) = counted(1, before).await;
    let script = script(&fleet);
    if let Some(doubt) = doubt {
        script.on(1, "patch", "leases", doubt);
    }
    script.add(1, not_found(), move |request| asked.is(request));
    let (answer, tries) = send_until_accepted(&fleet, &replicas[other], "missing").await;
    let lines = lines(&spent(&fleet));
    assert_eq!(answer.status, 202, "{lines:#?}");
    assert!(tries <= 2 && lines.len() <= 12 * tries, "{tries} tries: {lines:#?}");
    script.clear();
    for replica in &replicas {
        assert_eq!(send(&fleet, replica, "missing").await.status, 202);
    }
    rest().await;
    let counted = count_of(&only(&fleet));
    let acknowledged = u64::from(before) + 4;
    assert!((acknowledged..acknowledged + tries as u64).contains(&counted), "{counted} of {acknowledged}");
    assert_quiet(&fleet);
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn where_404s_stay_a_signal_is_answered_after_few_requests_and_counted_once_they_are_over(
    #[values(Asked::CounterCreate, Asked::CounterWrite, Asked::CounterRead, Asked::Object)] asked: Asked,
    #[values(0, 1)] before: u32,
    #[values(None, Some(Fault::answer_lost()), Some(Fault::lost()))] doubt: Option<Fault>,
) {
    let (fleet, replicas) = counted(2, before).await;
    let script = script(&fleet);
    if let Some(doubt) = doubt {
        script.on(1, "patch", "leases", doubt);
    }
    script.add(usize::MAX, not_found(), move |request| asked.is(request));
    let answer = send(&fleet, &replicas[0], "missing").await;
    let lines = lines(&spent(&fleet));
    println!("{} after {} requests", answer.status, lines.len());
    assert!(answer.status == 202 || answer.status.is_server_error(), "{answer:?}");
    assert!(lines.len() <= 30, "{} {lines:#?}", answer.status);
    script.clear();
    rest().await;
    let (again, _) = send_until_accepted(&fleet, &replicas[1], "missing").await;
    assert_eq!(again.status, 202);
    rest().await;
    assert_quiet(&fleet);
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn a_404_of_one_that_has_ended_makes_no_twin_of_its_successor(
    #[values(Asked::CounterWrite, Asked::Object)] asked: Asked,
) {
    let (fleet, replicas) = counted(3, 1).await;
    let script = script(&fleet);
    end(&fleet, &name_of(&only(&fleet)), "Completed").await;
    script.add(1, not_found(), move |request| asked.is(request));
    for replica in &replicas {
        let (answer, _) = send_until_accepted(&fleet, replica, "missing").await;
        assert!(answer.status.is_success());
    }
    rest().await;
    assert_eq!(fleet.requests().len(), 2);
    assert_quiet(&fleet);
}

//! Answers that are none, before a real API server: what `virtual_time::outage` says of the embedded one.

use std::time::{Duration, Instant};

use futures::future::join_all;
use gateway::context::Context;
use harness::{
    cluster::Permissions,
    control_plane::{ControlPlane, for_tests},
    oracles::occurrences,
    testing::{Proxy, Wrong},
};

use super::world::{World, client};

const WRONG: [Wrong; 14] = [
    Wrong::Page,
    Wrong::FailurePage,
    Wrong::MissingPage,
    Wrong::Truncated,
    Wrong::CutOff,
    Wrong::OtherType,
    Wrong::ThrottledAsText,
    Wrong::ThrottledAsStatus,
    Wrong::Throttled,
    Wrong::Forbidden,
    Wrong::ForbiddenPage,
    Wrong::StallBeforeHead,
    Wrong::StallAfterHead,
    Wrong::Endless,
];
const WATCHES: [Wrong; 6] = [
    Wrong::WatchGone,
    Wrong::WatchRefusedAsGone,
    Wrong::WatchEnds,
    Wrong::WatchEndlessLine,
    Wrong::WatchPage,
    Wrong::WatchStalls,
];
/// For how long no watch works; as long as the first column of `robustness.md` says.
const SPELL: Duration = Duration::from_secs(20);
const WATCHES_MAX: usize = 15;
const REQUESTS_MAX: usize = 40;

/// Signals while `wrong` is before the API server, of a new resource and of a known one; what the senders got.
async fn suffer(plane: &ControlPlane, wrong: Wrong) -> String {
    let mut world = World::empty(plane, Permissions::Full).await;
    let proxy = Proxy::before_server(client(plane, 1).await);
    let namespace = world.stage.namespace.clone();
    world.start(1, proxy.client(&namespace), Context::system()).await;
    assert_eq!(world.send(0, "known").await.status, 201);
    assert_eq!(world.send(0, "known").await.status, 202);
    proxy.set(Some(wrong));
    let answers = join_all(["new", "known"].map(|resource| {
        let world = &world;
        async move {
            let began = Instant::now();
            let answer = world.send(0, resource).await;
            assert!(answer.status.is_server_error(), "{wrong:?}: Alertmanager is to send {resource} again: {answer:?}");
            format!("{} after {:.1} s", answer.status.as_u16(), began.elapsed().as_secs_f64())
        }
    }))
    .await;
    let passed = proxy.passed();
    assert!(passed.lists + passed.others <= REQUESTS_MAX, "{wrong:?}: {passed:?}");
    proxy.set(None);
    for resource in ["new", "known"] {
        world.send_until_accepted(0, resource).await;
    }
    world.quiet().await;
    let counted: u64 = world.requests("known").await.iter().map(occurrences).sum();
    assert!(counted >= 3, "{wrong:?}: {counted}");
    format!("{wrong:?}: new {}, known {}, {} requests", answers[0], answers[1], passed.lists + passed.others)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_before_a_real_api_server_is_told_to_senders_and_costs_no_acknowledged_signal() {
    let Some(plane) = for_tests().await else { return };
    for told in join_all(WRONG.map(|wrong| suffer(&plane, wrong))).await {
        println!("{told}");
    }
}

/// Signals of a known and of new resources while no watch works, because of `wrong`.
async fn watch_in_vain(plane: &ControlPlane, wrong: Wrong) -> String {
    let mut world = World::empty(plane, Permissions::Full).await;
    let proxy = Proxy::before_server(client(plane, 1).await);
    proxy.set(Some(wrong));
    let (namespace, context) = (world.stage.namespace.clone(), Context::system());
    world.start(1, proxy.client(&namespace), context.clone()).await;
    let (began, mut rounds, mut slowest) = (Instant::now(), 0, Duration::ZERO);
    while began.elapsed() < SPELL {
        for resource in ["known", &format!("new-{rounds}")] {
            let sent = Instant::now();
            let answer = world.send(0, resource).await;
            assert!(answer.status.is_success(), "{wrong:?}: {resource}: {answer:?}");
            slowest = slowest.max(sent.elapsed());
        }
        rounds += 1;
        context.sleep(Duration::from_millis(500)).await;
    }
    let passed = proxy.passed();
    assert!(passed.watches <= WATCHES_MAX && passed.lists <= WATCHES_MAX, "{wrong:?}: {passed:?}");
    proxy.set(None);
    world.quiet().await;
    let counted: u64 = world.requests("known").await.iter().map(occurrences).sum();
    assert_eq!(counted, rounds, "{wrong:?}");
    format!("{wrong:?}: {} + {} in {SPELL:?}, slowest {slowest:.1?}", passed.watches, passed.lists)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_that_never_work_before_a_real_api_server_cost_few_lists_and_no_signal() {
    let Some(plane) = for_tests().await else { return };
    for told in join_all(WATCHES.map(|wrong| watch_in_vain(&plane, wrong))).await {
        println!("{told}");
    }
}

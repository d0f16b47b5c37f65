//! Counting on an object that others write too.

use std::{
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use embedded_apiserver::{Effect, Fault, Faults, RequestInfo, Script};
use harness::{
    explore::neighbours::TypedController,
    fleet::Fleet,
    load::Percentiles,
    replica::Replica,
    testing::{assert_quiet, count_of, name_of, only, rest, script, send, wait_ms},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

/// Takes effect, is answered after `for_ms`, and then with a broken connection.
fn lost_answer(for_ms: u64) -> Fault {
    Fault { delay_after: Duration::from_millis(for_ms), after: Some(Effect::Reset), ..Fault::default() }
}

/// Whether a request of `gateway-pod-1` counts, be it in the status or beside the object.
fn counts(request: &RequestInfo) -> bool {
    let counter = request.resource == "leases" && request.name.starts_with("gw-count-");
    let status = request.label() == "remediationrequests/status";
    request.caller.user == "gateway-pod-1" && request.verb == "patch" && (counter || status)
}

/// A fleet with one RemediationRequest about `resource` on which each of `replicas` has counted once.
async fn counted(seed: u64, replicas: usize, resource: &str) -> (Fleet, Vec<Replica>, Arc<Script>, u64) {
    let fleet = Fleet::new(seed);
    let script = script(&fleet);
    let replicas = fleet.start_all(replicas).await;
    for replica in &replicas {
        assert!(send(&fleet, replica, resource).await.status.is_success());
    }
    rest().await;
    let count = replicas.len() as u64;
    (fleet, replicas, script, count)
}

#[tokio::test(start_paused = true)]
async fn a_typed_controller_that_drops_unknown_fields_makes_nothing_count_twice() {
    let (fleet, replicas, script, counted) = counted(1, 2, "typed").await;
    let controller = TypedController::new(&fleet);
    for round in 0..5 {
        script.add(1, lost_answer(60), counts);
        let signal = send(&fleet, &replicas[0], "typed");
        let write = async {
            wait_ms(5).await;
            controller.set_phase(&fleet, &name_of(&only(&fleet)), "Processing").await
        };
        let (answer, change) = futures::join!(signal, write);
        assert!(change.is_some_and(|change| change.done), "round {round}");
        assert_eq!(answer.status, 202, "round {round}");
    }
    rest().await;
    assert_eq!(count_of(&only(&fleet)), counted + 5);
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn forty_replicas_that_count_on_one_object_count_each_signal_once() {
    let (fleet, replicas, script, counted) = counted(2, 40, "crowd").await;
    script.add(1, lost_answer(2_000), counts);
    let slow = send(&fleet, &replicas[0], "crowd");
    let others = async {
        wait_ms(20).await;
        futures::future::join_all(replicas[1..].iter().map(|replica| send(&fleet, replica, "crowd"))).await
    };
    let (slow, others) = futures::join!(slow, others);
    assert!(slow.status.is_success() && others.iter().all(|answer| answer.status.is_success()));
    rest().await;
    assert_eq!(count_of(&only(&fleet)), counted + 40);
    assert_quiet(&fleet);
}

/// One signal every `every_us` for `for_ms`, in turn to each replica; how long each answer took.
async fn stream(fleet: &Fleet, replicas: &[Replica], resource: &str, every_us: u64, for_ms: u64) -> Vec<Duration> {
    let sends = (0..for_ms * 1000 / every_us).map(async |number| {
        wait_ms(number * every_us / 1000).await;
        let began = tokio::time::Instant::now();
        let answer = send(fleet, &replicas[number as usize % replicas.len()], resource).await;
        assert!(answer.status.is_success(), "{answer:?}");
        began.elapsed()
    });
    futures::future::join_all(sends).await
}

/// Ways of different lengths, as over a network: reads take 2 to 6 ms, writes 4 to 12 ms.
struct Weather(Mutex<StdRng>);

impl Faults for Weather {
    fn decide(&self, request: &RequestInfo) -> Fault {
        let mut rng = self.0.lock().unwrap();
        let mut way =
            || Duration::from_millis(if request.is_read() { rng.random_range(1..=3) } else { rng.random_range(2..=6) });
        Fault { delay_before: way(), delay_after: way(), ..Fault::default() }
    }
}

#[tokio::test(start_paused = true)]
async fn three_replicas_that_count_fifty_signals_a_second_on_one_object_never_conflict() {
    let (fleet, replicas, _, _) = counted(3, 3, "steady").await;
    fleet.api.set_faults(Arc::new(Weather(Mutex::new(StdRng::seed_from_u64(3)))));
    fleet.api.clear_requests();
    let took = Percentiles::of(&stream(&fleet, &replicas, "steady", 20_000, 10_000).await);
    rest().await;
    let conflicts = fleet.api.requests().iter().filter(|request| request.code == "409").count();
    let writes = fleet.api.requests().iter().filter(|r| r.resource == "remediationrequests/status").count();
    println!("{took:?} ms, {conflicts} conflicts, {writes} writes of the status");
    assert_eq!(conflicts, 0);
    assert!(took.p99 <= 30.0, "{took:?}");
    assert!(writes <= 3 * 14, "{writes} writes of the status in 13 s");
    assert_quiet(&fleet);
}

/// A controller moves phases all the while; how many of its changes got through, of how many, and the longest wait.
async fn beside_a_stream(seed: u64, every_us: u64) -> (usize, usize, Duration) {
    const FOR_MS: u64 = 7_000;
    let (fleet, replicas, _, _) = counted(seed, 3, "busy").await;
    let name = name_of(&only(&fleet));
    let controller = TypedController::new(&fleet);
    let (mut begun, mut changes) = (0, Vec::new());
    let moves = async {
        for step in 0.. {
            begun += 1;
            let phase = ["Processing", "Executing"][step % 2];
            changes.extend(controller.set_phase(&fleet, &name, phase).await);
            wait_ms(100).await;
        }
    };
    let signals = stream(&fleet, &replicas, "busy", every_us, FOR_MS);
    futures::future::select(pin!(moves), pin!(signals)).await;
    let through = changes.iter().filter(|change| change.done).count();
    let tries: u32 = changes.iter().map(|change| change.tries).sum();
    let longest = changes.iter().map(|change| change.took).max().unwrap_or(Duration::from_millis(FOR_MS));
    println!("{through} of {begun} changes in {tries} writes, longest {longest:?}");
    rest().await;
    assert_quiet(&fleet);
    (through, begun, longest)
}

#[rstest::rstest]
#[case::fifty_a_second(4, 20_000)]
#[case::a_thousand_a_second(5, 1_000)]
#[tokio::test(start_paused = true)]
async fn a_controller_gets_its_writes_through_within_a_second_however_many_signals_come(
    #[case] seed: u64,
    #[case] every_us: u64,
) {
    let (through, begun, longest) = beside_a_stream(seed, every_us).await;
    assert!(through * 10 >= begun * 9 && through >= 20, "{through} of {begun}");
    assert!(longest <= Duration::from_secs(1), "{longest:?}");
}

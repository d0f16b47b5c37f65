//! Several managers at once: whatever the interleaving, one wins.

use std::{sync::Mutex, time::Duration};

use embedded_apiserver::{Fault, Faults, RequestInfo};
use gateway::dedup::lock::Acquisition::{Acquired, Contended};
use jiff::SignedDuration;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rstest::rstest;
use serde_json::Value;

use super::world::{Pod, World};
use harness::testing::wait_ms;

/// Every request and every answer is under way for a random time.
struct Shuffled(Mutex<StdRng>);

impl Shuffled {
    fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl Faults for Shuffled {
    fn decide(&self, _: &RequestInfo) -> Fault {
        let mut rng = self.0.lock().unwrap();
        let mut delay = || Duration::from_millis(rng.random_range(0..5));
        Fault { delay_before: delay(), delay_after: delay(), ..Fault::default() }
    }
}

/// Lets all try at once; the numbers of those who acquired the lock.
async fn race(pods: &[Pod]) -> Vec<usize> {
    let tries = futures::future::join_all(pods.iter().map(Pod::acquire)).await;
    let mut winners = Vec::new();
    for (i, tried) in tries.into_iter().enumerate() {
        match tried.unwrap() {
            Acquired => winners.push(i),
            Contended => {}
        }
    }
    winners
}

#[rstest]
#[case::two_managers(2)]
#[case::many_managers(20)]
#[tokio::test(start_paused = true)]
async fn of_managers_that_create_the_lease_at_once_exactly_one_acquires(#[case] managers: usize) {
    let mut winners = vec![0; managers];
    for seed in 0..50 {
        let world = World::new("race");
        world.faults(Shuffled::new(seed));
        let pods: Vec<Pod> = (0..managers).map(|i| world.pod(i)).collect();
        let won = race(&pods).await;
        assert_eq!(won.len(), 1, "seed {seed}: {won:?}");
        winners[won[0]] += 1;
        assert_eq!(world.lease()["spec"]["holderIdentity"], format!("gateway-pod-{}", won[0]), "seed {seed}");
        assert_eq!(pods.iter().map(Pod::failures).sum::<u64>(), 0, "to be slower is no error");
    }
    assert!(winners.iter().filter(|won| **won > 0).count() > 1, "the seeds differ: {winners:?}");
}

#[tokio::test(start_paused = true)]
async fn of_managers_that_take_an_expired_lease_over_exactly_one_acquires() {
    let mut conflicts = 0;
    for seed in 0..50 {
        let world = World::new("take-over-race");
        world.held_by("gateway-pod-99", SignedDuration::from_secs(60));
        world.faults(Shuffled::new(seed));
        let pods: Vec<Pod> = (0..5).map(|i| world.pod(i)).collect();
        let won = race(&pods).await;
        assert_eq!(won.len(), 1, "seed {seed}: {won:?}");
        assert_eq!(world.lease()["spec"]["holderIdentity"], format!("gateway-pod-{}", won[0]), "seed {seed}");
        assert_eq!(world.lease()["spec"]["leaseTransitions"], 4);
        assert_eq!(pods.iter().map(Pod::failures).sum::<u64>(), 0);
        wait_ms(100).await;
        let requests = world.requests();
        let count = |line: &str| requests.iter().filter(|request| *request == line).count();
        assert_eq!(count("get 200"), 5, "seed {seed}: who was slower knows enough");
        conflicts += count("update 409");
    }
    assert!(conflicts > 0, "the race was never close");
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_goes_from_hand_to_hand_is_never_in_two() {
    for seed in 0..10 {
        let world = World::new("hand-to-hand");
        world.faults(Shuffled::new(seed));
        let held = Mutex::new(0_usize);
        let rounds = Mutex::new(0_usize);
        let work = |pod: Pod| {
            let (held, rounds) = (&held, &rounds);
            async move {
                for _ in 0..100 {
                    if pod.acquire().await == Ok(Acquired) {
                        *held.lock().unwrap() += 1;
                        assert_eq!(*held.lock().unwrap(), 1, "seed {seed}");
                        *rounds.lock().unwrap() += 1;
                        wait_ms(3).await;
                        *held.lock().unwrap() -= 1;
                        pod.release().await.unwrap();
                    }
                    wait_ms(2).await;
                }
            }
        };
        futures::future::join_all((0..4).map(|i| work(world.pod(i)))).await;
        assert!(*rounds.lock().unwrap() > 50, "seed {seed}");
        assert_eq!(world.lease(), Value::Null);
    }
}

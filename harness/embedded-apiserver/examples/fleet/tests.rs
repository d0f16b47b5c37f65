//! The controller over a server in this process, in virtual time, with faults.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use embedded_apiserver::{
    Caller, Commit, Effect, EmbeddedApi, Fault, Faults, Options, RequestInfo, Script, WatchFault,
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, CustomResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use kube_runtime::utils::Backoff;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::controller::{self, Fleet, FleetSpec, LABEL};

/// As whom the controller logs in.
const USER: &str = "fleet-controller";

/// More than the controller needs for what is left to do when nothing goes wrong any more.
const CONVERGED: Duration = Duration::from_secs(60);

/// One second between tries: a constant, so that the same seed has the same history.
struct EverySecond;

impl Iterator for EverySecond {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }
}

impl Backoff for EverySecond {
    fn reset(&mut self) {}
}

/// A server with a fleet, judged at every write.
struct Stage {
    server: EmbeddedApi,
    /// Most workers that there ever were at once.
    most: Arc<AtomicUsize>,
}

impl Stage {
    async fn new(replicas: u32) -> Self {
        let crds = vec![serde_json::to_value(Fleet::crd()).expect("a CRD is JSON")];
        let server = EmbeddedApi::new(Options { crds, ..Options::default() });
        let (most, mut workers) = (Arc::new(AtomicUsize::new(0)), 0_usize);
        let noted = Arc::clone(&most);
        server.on_commit(move |commit: &Commit| {
            match (commit.resource.as_str(), &commit.old, &commit.new) {
                ("configmaps", None, Some(_)) => workers += 1,
                ("configmaps", Some(_), None) => workers -= 1,
                _ => {}
            }
            noted.fetch_max(workers, Ordering::SeqCst);
        });
        let stage = Self { server, most };
        stage
            .fleets()
            .create(&PostParams::default(), &Fleet::new("blue", FleetSpec { replicas }))
            .await
            .expect("created");
        stage
    }

    fn fleets(&self) -> Api<Fleet> {
        Api::default_namespaced(self.server.client("test", "default"))
    }

    /// Starts the controller, as a process of its own would.
    fn start(&self) -> JoinHandle<()> {
        tokio::spawn(controller::run_with(self.server.client(USER, "default"), EverySecond))
    }

    /// What a crash of that process is to the server.
    fn crash(&self, running: &JoinHandle<()>) {
        running.abort();
        self.server.disconnect_after_send(USER);
    }

    fn workers(&self) -> Vec<String> {
        let names = self.server.objects("configmaps").into_iter();
        names
            .filter(|map| map["metadata"]["labels"][LABEL] == "blue")
            .map(|map| map["metadata"]["name"].to_string())
            .collect()
    }

    async fn ready(&self) -> u32 {
        self.fleets().get("blue").await.expect("it").status.unwrap_or_default().ready
    }

    /// After a while without faults there are as many workers as there should be, and there were never more.
    async fn has_converged_to(&self, replicas: usize) {
        tokio::time::sleep(CONVERGED).await;
        assert_eq!(self.workers().len(), replicas, "{:?}", self.workers());
        assert_eq!(self.ready().await as usize, replicas);
        assert!(self.most.load(Ordering::SeqCst) <= replicas, "{:?} at once", self.most);
    }
}

#[tokio::test(start_paused = true)]
async fn a_fleet_gets_its_workers_and_a_lost_one_is_replaced() {
    let stage = Stage::new(3).await;
    stage.start();
    stage.has_converged_to(3).await;
    let workers: Api<ConfigMap> = Api::default_namespaced(stage.server.client("test", "default"));
    workers.delete("blue-1", &DeleteParams::default()).await.expect("deleted");
    stage.has_converged_to(3).await;
}

#[tokio::test(start_paused = true)]
async fn the_workers_of_a_fleet_go_with_it() {
    let stage = Stage::new(3).await;
    stage.start();
    stage.has_converged_to(3).await;
    stage.fleets().delete("blue", &DeleteParams::default()).await.expect("deleted");
    tokio::time::sleep(CONVERGED).await;
    assert_eq!(stage.workers(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_does_not_make_a_worker_too_many() {
    let stage = Stage::new(3).await;
    let faults = Arc::new(Script::new());
    faults.on(2, "create", "configmaps", Fault::answer_lost());
    faults.on(1, "patch", "fleets/status", Fault::refused(Effect::unavailable()));
    stage.server.set_faults(faults);
    stage.start();
    stage.has_converged_to(3).await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_two_requests_is_made_up_for_by_the_next_process() {
    let stage = Stage::new(3).await;
    let faults = Arc::new(Script::new());
    let second = |request: &RequestInfo| request.verb == "create" && request.resource == "configmaps";
    faults.add(3, Fault { delay_before: Duration::from_secs(10), ..Fault::default() }, second);
    stage.server.set_faults(faults);
    let first = stage.start();
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(stage.workers().len(), 1, "the second is under way");
    stage.crash(&first);
    stage.start();
    stage.has_converged_to(3).await;
}

#[tokio::test(start_paused = true)]
async fn what_happens_while_watches_are_broken_is_seen_afterwards() {
    let stage = Stage::new(3).await;
    stage.start();
    stage.has_converged_to(3).await;
    stage.server.break_watches(USER);
    let fewer = Patch::Merge(json!({"spec": {"replicas": 1}}));
    stage.fleets().patch("blue", &PatchParams::default(), &fewer).await.expect("patched");
    stage.server.compact();
    tokio::time::sleep(CONVERGED).await;
    assert_eq!((stage.workers().len(), stage.ready().await), (1, 1));
}

/// Draws what goes wrong.
struct Chance(Mutex<StdRng>);

impl Chance {
    fn draw(&self) -> u32 {
        self.0.lock().expect("no panic").random_range(0..100)
    }
}

impl Faults for Chance {
    fn decide(&self, request: &RequestInfo) -> Fault {
        if request.caller.user != USER {
            return Fault::default();
        }
        let fault = match self.draw() {
            0..5 => Fault::lost(),
            5..15 => Fault::answer_lost(),
            15..20 => Fault::refused(Effect::throttled(1)),
            _ => Fault::default(),
        };
        let [before, after] = [self.draw(), self.draw()].map(|percent| Duration::from_millis(u64::from(percent) * 5));
        Fault { delay_before: before, delay_after: after, cache_lag: after, ..fault }
    }

    fn watch_event(&self, _: &Caller, _: &str) -> WatchFault {
        match self.draw() {
            0..5 => WatchFault::Break,
            5..8 => WatchFault::Expire,
            percent => WatchFault::Delay(Duration::from_millis(u64::from(percent) * 10)),
        }
    }
}

/// Two replicas without any coordination, each of which may crash at any time.
async fn run(seed: u64) -> Vec<String> {
    let stage = Stage::new(3).await;
    let mut rng = StdRng::seed_from_u64(seed);
    stage.server.set_faults(Arc::new(Chance(Mutex::new(StdRng::seed_from_u64(seed)))));
    let mut replicas = [stage.start(), stage.start()];
    let workers: Api<ConfigMap> = Api::default_namespaced(stage.server.client("test", "default"));
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..5_000))).await;
        // Its absence is nothing new to them.
        drop(workers.delete(&format!("blue-{}", rng.random_range(0..3)), &DeleteParams::default()).await);
        if rng.random_range(0..3) == 0 {
            replicas.iter().for_each(|replica| stage.crash(replica));
            replicas = [stage.start(), stage.start()];
        }
    }
    stage.server.set_faults(Arc::new(embedded_apiserver::NoFaults));
    stage.has_converged_to(3).await;
    stage.server.requests().iter().map(|request| format!("{request:?}")).collect()
}

#[tokio::test(start_paused = true)]
async fn whatever_goes_wrong_there_is_never_a_worker_too_many_and_none_missing_in_the_end() {
    for seed in 0..50 {
        println!("seed {seed}");
        run(seed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_has_the_same_history() {
    assert_eq!(run(7).await, run(7).await);
}

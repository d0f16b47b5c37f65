//! What goes wrong on the way to the embedded API, and what it records.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::support::{api, code_and_reason, elapsed_ms, incident, incidents, lease, leases, refusal, wait_ms};
use embedded_apiserver::{
    Down, Effect, EmbeddedApi, Fault, Faults, Gate, Latency, NoFaults, Point, RequestInfo, Script,
};
use futures::StreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams, WatchParams},
};
use serde_json::json;
use tokio::sync::oneshot;

fn post() -> PostParams {
    PostParams::default()
}

fn scripted(api: &EmbeddedApi) -> Arc<Script> {
    let script = Arc::new(Script::new());
    api.set_faults(Arc::clone(&script) as _);
    script
}

fn is_reset<T>(result: &kube::Result<T>) -> bool {
    matches!(result, Err(kube::Error::Service(_)))
}

#[tokio::test(start_paused = true)]
async fn a_lost_request_has_no_effect_and_a_lost_answer_hides_one() {
    let api = api();
    let script = scripted(&api);
    let leases = leases(api.client("one", "test"));
    script.on(1, "create", "leases", Fault::lost());
    assert!(is_reset(&leases.create(&post(), &lease("a")).await));
    assert_eq!(api.objects("leases").len(), 0);
    script.on(1, "create", "leases", Fault::answer_lost());
    assert!(is_reset(&leases.create(&post(), &lease("a")).await));
    assert_eq!(api.objects("leases").len(), 1);
    assert_eq!(code_and_reason(leases.create(&post(), &lease("a")).await).1, "AlreadyExists");
}

#[tokio::test(start_paused = true)]
async fn refusals_carry_code_reason_and_when_to_retry() {
    let api = api();
    let script = scripted(&api);
    let leases = leases(api.client("one", "test"));
    let faults = [
        (Effect::throttled(2), 429, "TooManyRequests", 2),
        (Effect::internal_error(), 500, "InternalError", 0),
        (Effect::unavailable(), 503, "ServiceUnavailable", 0),
        (Effect::timed_out(), 504, "Timeout", 0),
    ];
    for (effect, code, reason, seconds) in faults {
        script.on(1, "create", "leases", Fault::refused(effect));
        let status = refusal(leases.create(&post(), &lease("a")).await);
        assert_eq!((status.code, status.reason.as_str()), (code, reason));
        assert_eq!(status.details.map_or(0, |details| details.retry_after_seconds), seconds);
    }
    assert_eq!(api.objects("leases").len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_sent_takes_effect_although_its_caller_gave_up() {
    let api = api();
    let script = scripted(&api);
    let leases = leases(api.client("one", "test"));
    let slow = Fault { delay_before: Duration::from_secs(40), ..Fault::default() };
    script.on(1, "create", "leases", slow);
    #[allow(clippy::disallowed_methods, reason = "tests own the clock")]
    let given_up = tokio::time::timeout(Duration::from_secs(5), leases.create(&post(), &lease("a"))).await;
    assert!(given_up.is_err());
    assert_eq!(api.objects("leases").len(), 0);
    wait_ms(40_000).await;
    assert_eq!(api.objects("leases").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn latency_takes_virtual_time() {
    let api = api();
    api.set_faults(Arc::new(Latency::default()));
    let leases = leases(api.client("one", "test"));
    assert_eq!(elapsed_ms(leases.create(&post(), &lease("a"))).await, 4);
    assert_eq!(elapsed_ms(leases.get("a")).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_down_resets_everything() {
    let api = api();
    let down = Arc::new(Down::over(Arc::new(NoFaults)));
    api.set_faults(Arc::clone(&down) as _);
    let leases = leases(api.client("one", "test"));
    down.set(true);
    assert!(is_reset(&leases.get("a").await));
    down.set(false);
    assert_eq!(code_and_reason(leases.get("a").await).0, 404);
    down.cut_off("one", true);
    assert!(is_reset(&leases.get("a").await));
    assert_eq!(code_and_reason(crate::support::leases(api.client("two", "test")).get("a").await).0, 404);
    down.cut_off("one", false);
    assert_eq!(code_and_reason(leases.get("a").await).0, 404);
}

async fn crash_while_sent(crash: impl FnOnce(&EmbeddedApi)) -> EmbeddedApi {
    let api = api();
    let script = scripted(&api);
    let leases = leases(api.client("one", "test"));
    let slow = Fault { delay_before: Duration::from_millis(10), ..Fault::default() };
    script.on(2, "create", "leases", slow);
    let task = async {
        leases.create(&post(), &lease("a")).await.unwrap();
    };
    #[allow(clippy::disallowed_methods, reason = "tests own the clock")]
    let under_way = tokio::spawn({
        let leases = leases.clone();
        async move { leases.create(&post(), &lease("b")).await.map(drop) }
    });
    drop(task);
    wait_ms(5).await;
    crash(&api);
    wait_ms(60_000).await;
    assert!(!under_way.is_finished(), "the dead are told nothing");
    #[allow(clippy::disallowed_methods, reason = "tests own the clock")]
    let dead = tokio::time::timeout(Duration::from_secs(60), leases.get("a")).await;
    assert!(dead.is_err(), "nor are they listened to");
    let restarted: Api<Lease> = Api::namespaced(api.client("one", "test"), "test");
    assert_eq!(code_and_reason(restarted.get("a").await).0, 404);
    api
}

#[tokio::test(start_paused = true)]
async fn a_crash_drops_what_is_under_way() {
    let api = crash_while_sent(|api| api.disconnect("one")).await;
    assert_eq!(api.objects("leases").len(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_may_land_after_the_crash() {
    let api = crash_while_sent(|api| api.disconnect_after_send("one")).await;
    assert_eq!(api.objects("leases").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn commits_and_requests_are_told_in_order() {
    let api = api();
    let commits = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&commits);
    api.on_commit(move |commit| {
        let change = match (&commit.old, &commit.new) {
            (None, _) => "created",
            (Some(_), Some(_)) => "changed",
            (Some(_), None) => "deleted",
        };
        let resource = [commit.resource.as_str(), commit.subresource.as_str()].join("/");
        seen.lock().unwrap().push(format!("{} {} {resource} {}", commit.caller, commit.verb, change));
    });
    let incidents = incidents(api.client("one", "test"));
    incidents.create(&post(), &incident("a", "k")).await.unwrap();
    let status = Patch::Merge(json!({"status": {"count": 1}}));
    incidents.patch_status("a", &PatchParams::default(), &status).await.unwrap();
    incidents.get("b").await.unwrap_err();
    incidents.delete("a", &DeleteParams::default()).await.unwrap();
    assert_eq!(
        *commits.lock().unwrap(),
        ["one create incidents/ created", "one patch incidents/status changed", "one delete incidents/ deleted"]
    );
    let requests: Vec<String> = api
        .requests()
        .iter()
        .map(|r| format!("{} {} {} {} {}", r.caller, r.verb, r.resource, r.name, r.code))
        .collect();
    assert_eq!(
        requests,
        [
            "one create incidents a 201",
            "one patch incidents/status a 200",
            "one get incidents b 404",
            "one delete incidents a 200"
        ]
    );
    api.clear_requests();
    assert_eq!(api.requests(), []);
}

/// Everything waits here for a scheduler.
#[derive(Default)]
struct Parked(Mutex<Vec<(String, oneshot::Sender<()>)>>);

impl Parked {
    fn waiting(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|(name, _)| name.clone()).collect()
    }

    /// Lets one go on, and waits until everything else waits again.
    async fn release(&self, name: &str) {
        let gate = {
            let mut waiting = self.0.lock().unwrap();
            let at = waiting.iter().position(|(other, _)| other == name).unwrap();
            waiting.remove(at).1
        };
        gate.send(()).unwrap();
        wait_ms(1).await;
    }
}

impl Faults for Parked {
    fn decide(&self, _: &RequestInfo) -> Fault {
        Fault::default()
    }

    fn gate(&self, point: Point<'_>) -> Option<Gate> {
        let name = match point {
            Point::Effect(request) => format!("effect {}", request.caller.user),
            Point::Answer(request) => format!("answer {}", request.caller.user),
            Point::Event(caller, resource) => format!("event {} {resource}", caller.user),
        };
        let (release, released) = oneshot::channel();
        self.0.lock().unwrap().push((name, release));
        Some(Box::pin(async {
            let _ = released.await;
        }))
    }
}

#[tokio::test(start_paused = true)]
async fn a_scheduler_may_choose_the_order_of_everything() {
    let api = api();
    let watching = leases(api.client("watcher", "test"));
    let mut events = watching.watch(&WatchParams::default(), "0").await.unwrap().boxed();
    let parked = Arc::new(Parked::default());
    api.set_faults(Arc::clone(&parked) as _);
    let create = async |user: &'static str| leases(api.client(user, "test")).create(&post(), &lease("lock")).await;
    let schedule = async {
        wait_ms(1).await;
        assert_eq!(parked.waiting(), ["effect one", "effect two"]);
        parked.release("effect two").await;
        parked.release("effect one").await;
        assert_eq!(parked.waiting(), ["answer two", "event watcher leases", "answer one"]);
        parked.release("answer one").await;
        parked.release("event watcher leases").await;
        parked.release("answer two").await;
    };
    let (one, two, event, ()) = futures::join!(create("one"), create("two"), events.next(), schedule);
    assert_eq!(code_and_reason(one).1, "AlreadyExists");
    two.unwrap();
    event.unwrap().unwrap();
}

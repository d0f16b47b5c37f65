//! What requests tell of the API server, by what comes back and when.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use http_body_util::Full;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, client::Body};
use rstest::rstest;
use tower::service_fn;

use super::*;

const GET: Operation = Operation { verb: "get", resource: "pods" };
const DEADLINE: Duration = Duration::from_secs(15);

/// What every request comes to, and after how long.
#[derive(Clone, Copy, Debug)]
enum World {
    Error(io::ErrorKind, u64),
    Status(u16, u64),
    Silent,
}

struct Rig {
    kubernetes: Kubernetes,
    context: Context,
    metrics: Metrics,
    sent: Arc<AtomicUsize>,
}

fn rig(world: World) -> Rig {
    let (context, metrics) = (Context::system(), Metrics::new().unwrap());
    let sent = Arc::<AtomicUsize>::default();
    let (time, counted) = (context.clone(), Arc::clone(&sent));
    let service = service_fn(move |_: Request<Body>| {
        counted.fetch_add(1, Ordering::SeqCst);
        let time = time.clone();
        async move {
            let (secs, answer) = match world {
                World::Silent => std::future::pending().await,
                World::Error(kind, secs) => (secs, Err(io::Error::from(kind))),
                World::Status(code, secs) => {
                    let body = Full::from(
                        r#"{"kind":"Status","message":"m","reason":"","code":"#.to_owned() + &code.to_string() + "}",
                    );
                    (secs, Ok(Response::builder().status(code).body(body).unwrap()))
                }
            };
            time.sleep(Duration::from_secs(secs)).await;
            answer
        }
    });
    let kubernetes = Kubernetes::new(Client::new(service, "a"), context.clone(), metrics.clone(), Retry::default());
    Rig { kubernetes, context, metrics, sent }
}

impl Rig {
    async fn get(&self) -> Result<Option<Pod>, Error> {
        let pods: Api<Pod> = Api::namespaced(self.kubernetes.client(), "a");
        self.kubernetes.once(GET, self.context.monotonic() + DEADLINE, pods.get_opt("p")).await
    }

    fn state(&self) -> i64 {
        self.metrics.circuit_breaker_state.with_label_values(&["kubernetes-api"]).get()
    }
}

#[rstest]
#[case::silent(World::Silent)]
#[case::connect_timeout(World::Error(io::ErrorKind::TimedOut, 5))]
#[case::no_route_in_the_end(World::Error(io::ErrorKind::HostUnreachable, 3))]
#[case::gave_up_itself(World::Status(504, 10))]
#[case::broken_after_long(World::Status(500, 2))]
#[tokio::test(start_paused = true)]
async fn what_is_no_answer_opens_the_circuit_and_then_nothing_is_sent_but_probes(#[case] world: World) {
    let rig = rig(world);
    assert!(rig.get().await.is_err());
    rig.context.sleep(Duration::from_secs(11)).await;
    assert_eq!(rig.state(), 2, "{world:?}");
    let sent = rig.sent.load(Ordering::SeqCst);
    assert_eq!(rig.get().await, Err(Error::NotSent));
    assert_eq!(rig.sent.load(Ordering::SeqCst), sent);
    rig.context.sleep(Duration::from_secs(60)).await;
    let probes = rig.sent.load(Ordering::SeqCst) - sent;
    assert!((5..=120).contains(&probes), "{probes}");
}

#[rstest]
#[case::refused(World::Error(io::ErrorKind::ConnectionRefused, 0))]
#[case::reset(World::Error(io::ErrorKind::ConnectionReset, 0))]
#[case::reset_after_long(World::Error(io::ErrorKind::ConnectionReset, 5))]
#[case::unavailable(World::Status(503, 0))]
#[case::forbidden(World::Status(403, 0))]
#[case::slow(World::Status(404, 9))]
#[tokio::test(start_paused = true)]
async fn what_fails_fast_or_is_answered_opens_nothing(#[case] world: World) {
    let rig = rig(world);
    for _ in 0..20 {
        assert_ne!(rig.get().await, Err(Error::NotSent));
        assert_eq!(rig.state(), 0, "{world:?}");
    }
    assert_eq!(rig.sent.load(Ordering::SeqCst), 20, "and no probe is sent");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_had_no_time_says_nothing() {
    let rig = rig(World::Silent);
    let pods: Api<Pod> = Api::namespaced(rig.kubernetes.client(), "a");
    let soon = rig.context.monotonic() + Duration::from_millis(900);
    assert_eq!(rig.kubernetes.once(GET, soon, pods.get_opt("p")).await, Err(Error::Deadline));
    assert_eq!((rig.state(), rig.sent.load(Ordering::SeqCst)), (0, 1));
}

//! The two routes that take signals.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    body::Body,
    extract::{Request, State},
    middleware,
    response::Response,
    routing::any,
};
use bytes::Bytes;
use futures::FutureExt as _;
use http::{HeaderValue, Method, header, request::Parts};
use tokio::sync::oneshot;
use tracing::Instrument as _;

use super::{
    answer::{Answer, answer},
    app::App,
    auth,
    body::{self, Failure},
    gate::{Gate, Place},
    info::{Peer, RequestInfo},
    memory::{Budget, Charge},
    problem::{Kind, Problem},
    request::{observe, panic_text},
    routes::{KUBERNETES_EVENT, PROMETHEUS},
    server::{Phase, network},
};
use crate::{config, context::Monotonic, remediation::Source, trace::Scope};

/// `Retry-After` when no place is free: places are held for milliseconds, so the shortest that HTTP can express.
const RETRY_SOON: Duration = Duration::from_secs(1);
/// For the answer to a token that is not accepted.
const REFUSAL_PAUSE: Duration = Duration::from_millis(100);
/// An answer that every connection may have, whatever the others have.
const SMALL_ANSWER_BYTES: usize = 8 * 1024;
/// A handler keeps to its deadline by itself; this much later its answer is not waited for any more.
const HANDLER_GRACE: Duration = Duration::from_secs(1);

#[derive(Clone)]
struct Shared {
    app: Arc<App>,
    gate: Arc<Gate>,
    budget: Arc<Budget>,
}

/// The routes of the signal listener.
pub fn router(app: App) -> Router {
    let gate = Arc::new(Gate::new(&app.server, &app.context, &app.metrics));
    let budget = Arc::new(Budget::new(&app.server, &app.context, &app.metrics));
    let app = Arc::new(app);
    Router::new()
        // Any method: axum's own 405 has no body.
        .route(PROMETHEUS, any(prometheus))
        .route(KUBERNETES_EVENT, any(kubernetes_event))
        .fallback(not_found)
        .layer(middleware::from_fn_with_state(Arc::clone(&app), observe))
        .with_state(Shared { app, gate, budget })
}

async fn prometheus(
    State(shared): State<Shared>,
    Extension(info): Extension<RequestInfo>,
    request: Request,
) -> Response {
    receive(&shared, Source::Prometheus, &info, request).await
}

async fn kubernetes_event(
    State(shared): State<Shared>,
    Extension(info): Extension<RequestInfo>,
    request: Request,
) -> Response {
    receive(&shared, Source::KubernetesEvents, &info, request).await
}

async fn not_found(
    State(shared): State<Shared>,
    Extension(info): Extension<RequestInfo>,
    request: Request,
) -> Response {
    hold_back(&shared.app, request.extensions().get()).await;
    Problem::new(Kind::NotFound, format!("signals are received at {PROMETHEUS} and {KUBERNETES_EVENT}")).respond(&info)
}

async fn receive(shared: &Shared, source: Source, info: &RequestInfo, request: Request) -> Response {
    process(shared, source, info, request).await.unwrap_or_else(Answer::Problem).respond(info)
}

async fn process(shared: &Shared, source: Source, info: &RequestInfo, request: Request) -> Result<Answer, Problem> {
    let Shared { app, gate, .. } = shared;
    let (head, body) = request.into_parts();
    if head.method != Method::POST {
        hold_back(app, head.extensions.get()).await;
        let problem = Problem::new(Kind::MethodNotAllowed, "signals must be sent with POST");
        return Err(problem.header(header::ALLOW, HeaderValue::from_static("POST")));
    }
    if let Err(problem) = body::check_head(&head.headers, app.server.max_body_bytes) {
        // A client that expects to be told first has sent nothing yet.
        if problem.kind == Kind::BodyTooLarge && !head.headers.contains_key(header::EXPECT) {
            body::discard(body, app.server.max_body_bytes, &app.context).await;
        }
        hold_back(app, head.extensions.get()).await;
        return Err(problem);
    }
    if app.readiness.is_draining() {
        return Err(shutting_down());
    }
    // It begins with the head: a sender that is slow with the body has less time left, and is told so by 503 or 504.
    let deadline = info.received + app.server.kubernetes_request_timeout;
    // No place is held while a token is reviewed or a body is awaited: how long that takes is not ours to say.
    let peer = head.extensions.get().map(|Peer(address)| address.ip());
    if let Some(authenticator) = &app.auth
        && let Err(refusal) = auth::check(authenticator, &app.log, &head.headers, path(source), peer, deadline).await
    {
        if refusal.is_for_token {
            hold_back(app, head.extensions.get()).await;
        }
        return Err(refusal.problem);
    }
    Scope::current().note(|notes| notes.is_discarded = false);
    let (body, charge) = read_body(shared, &head, body, deadline).await?;
    let Some(place) = gate.enter(peer.map(network)).await else {
        app.metrics.http_requests_overload.inc();
        let problem = Problem::new(Kind::Busy, "too many requests are in flight; send it again");
        return Err(problem.retry_after(RETRY_SOON));
    };
    let answer = handle(app, (place, charge), source, body, deadline).await?;
    Ok(keep(shared, head.extensions.get(), answer))
}

/// Delays the answer, or else a flood of what is refused unread would run as fast as it is refused and use up the CPUs.
async fn hold_back(app: &App, phase: Option<&Phase>) {
    if let Some(phase) = phase {
        phase.refused();
    }
    app.context.sleep(REFUSAL_PAUSE).await;
}

/// Counts `answer` as memory until its sender has read it. Where too many wait to be read, it tells no results of single alerts.
fn keep(Shared { app, budget, .. }: &Shared, phase: Option<&Phase>, answer: Answer) -> Answer {
    let bytes = answer.results_bytes();
    if bytes <= SMALL_ANSWER_BYTES {
        return answer;
    }
    let Some(memory) = budget.answer(bytes) else {
        app.metrics.http_bounds_met.with_label_values(&["answers"]).inc();
        return answer.without_results();
    };
    // One that is called in process has read it at once.
    if let Some(phase) = phase {
        phase.keep(memory);
    }
    answer
}

async fn read_body(shared: &Shared, head: &Parts, body: Body, deadline: Monotonic) -> Result<(Bytes, Charge), Problem> {
    let Shared { app, budget, .. } = shared;
    let config::Server { max_body_bytes, read_timeout, .. } = app.server;
    let read_by = (app.context.monotonic() + read_timeout).min(deadline);
    let phase = head.extensions.get::<Phase>();
    if let Some(phase) = phase {
        phase.body();
    }
    let announced = body::announced(&head.headers);
    let result = body::read(body, announced, budget, max_body_bytes, read_by, &app.context).await;
    if let Some(phase) = phase {
        phase.request();
    }
    result.map_err(|failure| {
        if failure == Failure::NoMemory {
            app.metrics.http_bounds_met.with_label_values(&["bodies"]).inc();
        }
        failure.problem(max_body_bytes)
    })
}

/// Has the body handled in a task of its own: a client that goes away, or a connection that is cut off, must not leave
/// a signal half done.
async fn handle(
    app: &App,
    held: (Place, Charge),
    source: Source,
    body: Bytes,
    deadline: Monotonic,
) -> Result<Answer, Problem> {
    let (sender, receiver) = oneshot::channel();
    let handler = Arc::clone(&app.handler);
    let work = async move {
        // The results of many alerts take more than their text: no more of them at once than there are places.
        let handled = async { answer(&handler.handle(source, body, deadline).await) };
        let result = AssertUnwindSafe(handled).catch_unwind().await;
        drop(held);
        // Nobody waits any more if the client has gone.
        let _ = sender.send(result);
    };
    app.context.spawn(Scope::current().within(work.in_current_span()));
    match app.context.timeout_at(deadline + HANDLER_GRACE, receiver).await {
        Ok(Ok(Ok(answer))) => Ok(answer),
        Ok(Ok(Err(panic))) => {
            tracing::error!(panic = panic_text(&*panic), "the handling of a signal panicked");
            Err(Problem::new(Kind::Internal, "the gateway failed to handle the signal").logged())
        }
        Ok(Err(_)) => Err(shutting_down()),
        Err(_) => Err(Problem::new(Kind::Deadline, "no result within the deadline; send it again")),
    }
}

fn shutting_down() -> Problem {
    Problem::new(Kind::ShuttingDown, "this replica is shutting down; send it again")
        .retry_after(RETRY_SOON)
        .header(header::CONNECTION, HeaderValue::from_static("close"))
}

const fn path(source: Source) -> &'static str {
    match source {
        Source::Prometheus => PROMETHEUS,
        Source::KubernetesEvents => KUBERNETES_EVENT,
    }
}

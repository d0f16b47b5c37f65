//! Traces on their way from a sender through a gateway to its Kubernetes API, DataStorage and collector.

mod collector;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, http::HeaderMap, routing::post};
use embedded_apiserver::Caller;
use gateway::{config::Config, context::Context};
use harness::{
    fleet::embedded_api,
    load::webhook,
    replica::{NAMESPACE, ReplicaSpec, Served, config, pod_name},
    testing::PROMETHEUS,
};
use http::Request;
use jiff::Timestamp;
use kube::Client;
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};
use rstest::rstest;
use serde_json::{Value, json};
use tower::{ServiceBuilder, util::MapRequestLayer};

use collector::{Collector, Mood, texts};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SENDER: &str = "00f067aa0ba902b7";
/// On a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The contexts of requests that were received.
type Contexts = Arc<Mutex<Vec<(Option<String>, Option<String>)>>>;

fn note(contexts: &Contexts, headers: &HeaderMap) {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    contexts.lock().unwrap().push((text("traceparent"), text("tracestate")));
}

/// A gateway whose API server and DataStorage keep the contexts of requests.
struct Stage {
    served: Served,
    api: Contexts,
    datastorage: Contexts,
}

impl Stage {
    async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let (api, datastorage) = (Contexts::default(), Contexts::default());
        let (server, _) = embedded_api(Timestamp::now());
        let noted = Arc::clone(&api);
        let layer = MapRequestLayer::new(move |request: Request<kube::client::Body>| {
            note(&noted, request.headers());
            request
        });
        let service = ServiceBuilder::new().layer(layer).service(server.service(Caller::new(pod_name(1))));
        let mut config = config();
        config.datastorage.url = format!("http://{}", audited(&datastorage).await).parse().ok();
        change(&mut config);
        let spec = ReplicaSpec { config, ..ReplicaSpec::new(pod_name(1)) };
        let served = spec.serve(Client::new(service, NAMESPACE), Context::system()).await.unwrap();
        Self { served, api, datastorage }
    }

    /// Sends `body` with `headers`; the answer's status.
    async fn send(&self, body: &Value, headers: &[(&str, &[u8])]) -> u16 {
        let mut request = reqwest::Client::new().post(format!("http://{}{PROMETHEUS}", self.served.api)).json(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap().status().as_u16()
    }

    async fn metric(&self, series: &str) -> f64 {
        let text = reqwest::get(format!("http://{}/metrics", self.served.metrics)).await.unwrap().text().await.unwrap();
        harness::replica::metric(&text, series).unwrap_or_else(|| panic!("{series} is not exposed"))
    }

    async fn until(&self, what: &str, done: impl AsyncFn(&Self) -> bool) {
        let wait = async {
            while !done(self).await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        assert!(tokio::time::timeout(TIMEOUT, wait).await.is_ok(), "not in time: {what}");
    }
}

async fn audited(contexts: &Contexts) -> SocketAddr {
    let contexts = Arc::clone(contexts);
    let received = move |headers: HeaderMap, _: Bytes| {
        note(&contexts, &headers);
        std::future::ready(())
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/api/v1/audit/events/batch", post(received));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn traced(collector: &Collector) -> impl FnOnce(&mut Config) + use<> {
    let endpoint = collector.endpoint();
    move |config| {
        config.tracing.endpoint = endpoint;
        config.tracing.headers.insert("authorization".to_owned(), "Bearer hunter2".to_owned());
    }
}

/// `count` alerts about the Deployment `checkout`.
fn alerts(count: usize) -> Value {
    let mut body = webhook("checkout", &Timestamp::now().to_string());
    let alert = body["alerts"][0].take();
    body["alerts"] = (0..count)
        .map(|number| {
            let mut alert = alert.clone();
            alert["labels"]["alertname"] = json!(format!("Alert{number}"));
            alert
        })
        .collect();
    body
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The spans of a kind, by their ids.
fn of_kind(spans: &[Span], kind: SpanKind) -> BTreeMap<String, &Span> {
    spans.iter().filter(|span| span.kind() == kind).map(|span| (hex(&span.span_id), span)).collect()
}

#[tokio::test]
async fn a_trace_leads_from_the_senders_span_through_each_alert_to_each_request_and_is_told_to_all() {
    let collector = Collector::start(Mood::Fine).await;
    let stage = Stage::start(traced(&collector)).await;
    let parent = format!("00-{TRACE}-{SENDER}-01");
    let headers = [("traceparent", parent.as_bytes()), ("tracestate", b"vendor=1"), ("x-request-id", b"r-1")];
    stage.api.lock().unwrap().clear();
    assert_eq!(stage.send(&alerts(1), &headers).await, 201);
    let contexts = stage.api.lock().unwrap().clone();
    let spans = collector
        .spans(|spans| {
            let clients = of_kind(spans, SpanKind::Client);
            !of_kind(spans, SpanKind::Server).is_empty() && clients.values().any(|span| span.name.contains("audit"))
        })
        .await;

    assert!(spans.iter().all(|span| hex(&span.trace_id) == TRACE && span.trace_state == "vendor=1"), "{spans:#?}");
    assert!(
        spans.iter().all(|span| span.start_time_unix_nano > 0 && span.end_time_unix_nano >= span.start_time_unix_nano)
    );
    let servers = of_kind(&spans, SpanKind::Server);
    let [(server_id, server)] = &servers.iter().collect::<Vec<_>>()[..] else { panic!("{servers:#?}") };
    assert_eq!(
        (hex(&server.parent_span_id).as_str(), server.name.as_str()),
        (SENDER, "POST /api/v1/signals/prometheus")
    );
    let head = texts(&server.attributes);
    for (key, value) in [
        ("http.request.method", "POST"),
        ("http.route", PROMETHEUS),
        ("url.path", PROMETHEUS),
        ("url.scheme", "http"),
        ("http.response.status_code", "201"),
        ("client.address", "127.0.0.1"),
    ] {
        assert_eq!(head.get(key).map(String::as_str), Some(value), "{key}");
    }
    let signals = of_kind(&spans, SpanKind::Internal);
    let [(signal_id, signal)] = &signals.iter().collect::<Vec<_>>()[..] else { panic!("{signals:#?}") };
    assert_eq!(hex(&signal.parent_span_id), **server_id);
    let about = texts(&signal.attributes);
    assert_eq!((about["gateway.signal.name"].as_str(), about["gateway.outcome"].as_str()), ("Alert0", "created"));
    assert!(about["gateway.remediation_request.name"].starts_with("rr-"));

    let clients = of_kind(&spans, SpanKind::Client);
    assert!(clients.values().all(|span| hex(&span.parent_span_id) == **signal_id), "{clients:#?}");
    let requests: BTreeMap<_, _> = clients.values().map(|span| (span.name.clone(), texts(&span.attributes))).collect();
    let created = &requests["POST remediationrequests"];
    assert_eq!(created["http.response.status_code"], "201");
    assert!(created["url.path"].ends_with("/namespaces/kubernaut-system/remediationrequests"), "{created:?}");

    // The API server was told of each span by its own id; a watch and what is done afterwards belong to no trace.
    let told: BTreeSet<String> = contexts.iter().filter_map(|(parent, _)| parent.clone()).collect();
    assert!(told.len() >= 2, "{contexts:?}");
    for parent in &told {
        let [_, trace, span, flags] = parent.split('-').collect::<Vec<_>>()[..] else { panic!("{parent}") };
        assert!(trace == TRACE && flags == "01" && clients.contains_key(span), "{parent}");
    }
    assert!(contexts.iter().all(|(parent, state)| parent.is_some() == (state.as_deref() == Some("vendor=1"))));
    let (audited, _) = stage.datastorage.lock().unwrap()[0].clone();
    let audit = clients.iter().find(|(_, span)| span.name.contains("audit")).unwrap().0;
    assert_eq!(audited.unwrap(), format!("00-{TRACE}-{audit}-01"));

    collector.look(|received| {
        assert_eq!(received.headers["authorization"], "Bearer hunter2");
        assert_eq!(received.headers["content-type"], "application/x-protobuf");
        assert_eq!(received.resource["service.name"], "signal-gateway");
        assert_eq!(received.resource["k8s.pod.name"], pod_name(1));
    });
    stage.served.shut_down(TIMEOUT).await;
}

#[tokio::test]
async fn signals_that_are_counted_together_are_linked_with_the_one_count_and_it_with_them() {
    let collector = Collector::start(Mood::Fine).await;
    let stage = Stage::start(traced(&collector)).await;
    assert_eq!(stage.send(&alerts(1), &[]).await, 201);
    assert_eq!(stage.send(&alerts(9), &[]).await, 207);
    let spans = collector.spans(|spans| of_kind(spans, SpanKind::Server).len() == 2).await;
    let counts: Vec<&Span> = spans.iter().filter(|span| span.name == "count").collect();
    let linked = counts.iter().any(|count| !count.links.is_empty());
    assert!(linked, "{:#?}", spans.iter().map(|span| &span.name).collect::<Vec<_>>());
    let by_id = |id: &[u8]| spans.iter().find(|span| span.span_id == id).unwrap();
    for count in counts {
        let signals = texts(&count.attributes)["gateway.batch.signals"].parse::<usize>().unwrap();
        assert_eq!(count.links.len(), signals - 1);
        assert_eq!(by_id(&count.parent_span_id).name, "signal");
        for link in &count.links {
            let signal = by_id(&link.span_id);
            assert_eq!((signal.name.as_str(), &signal.trace_id), ("signal", &link.trace_id));
            assert!(signal.links.iter().any(|back| back.span_id == count.span_id));
        }
        assert!(spans.iter().any(|span| span.parent_span_id == count.span_id && span.name.ends_with("leases")));
    }
    stage.served.shut_down(TIMEOUT).await;
}

#[rstest]
#[case::another_version_than_there_will_ever_be(b"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")]
#[case::no_trace(b"00-00000000000000000000000000000000-00f067aa0ba902b7-01")]
#[case::no_span(b"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01")]
#[case::not_ascii(b"00-4bf92f3577b34da6a3ce929d0e0e47\xc3\xbc-00f067aa0ba902b7-01")]
#[case::long(&[b'0'; 8000])]
#[tokio::test]
async fn a_context_that_cannot_be_read_is_no_reason_to_refuse_a_signal_and_begins_a_new_trace(#[case] parent: &[u8]) {
    let collector = Collector::start(Mood::Fine).await;
    let stage = Stage::start(traced(&collector)).await;
    let state = "a".repeat(8000);
    assert_eq!(stage.send(&alerts(1), &[("traceparent", parent), ("tracestate", state.as_bytes())]).await, 201);
    let spans = collector.spans(|spans| !of_kind(spans, SpanKind::Server).is_empty()).await;
    let server = spans.iter().find(|span| span.kind() == SpanKind::Server).unwrap();
    assert!(server.parent_span_id.is_empty() && server.trace_state.is_empty());
    assert_ne!(hex(&server.trace_id), TRACE);
    stage.served.shut_down(TIMEOUT).await;
}

#[tokio::test]
async fn what_its_sender_does_not_record_is_not_recorded_but_its_context_passed_on() {
    let collector = Collector::start(Mood::Fine).await;
    let stage = Stage::start(traced(&collector)).await;
    stage.api.lock().unwrap().clear();
    let parent = format!("00-{TRACE}-{SENDER}-00");
    assert_eq!(stage.send(&alerts(1), &[("traceparent", parent.as_bytes())]).await, 201);
    let told: BTreeSet<_> = stage.api.lock().unwrap().iter().filter_map(|(parent, _)| parent.clone()).collect();
    assert_eq!(told, BTreeSet::from([parent]));
    stage.served.shut_down(TIMEOUT).await;
    assert_eq!(collector.look(|received| received.spans.len()), 0);
}

#[tokio::test]
async fn who_is_refused_for_the_path_or_the_type_fills_no_queue() {
    let collector = Collector::start(Mood::Fine).await;
    let stage = Stage::start(traced(&collector)).await;
    let client = reqwest::Client::new();
    let url = |path: &str| format!("http://{}{path}", stage.served.api);
    assert_eq!(client.post(url("/nothing")).send().await.unwrap().status(), 404);
    assert_eq!(client.get(url(PROMETHEUS)).send().await.unwrap().status(), 405);
    assert_eq!(client.post(url(PROMETHEUS)).body("x").send().await.unwrap().status(), 415);
    stage.served.shut_down(TIMEOUT).await;
    assert_eq!(collector.look(|received| received.spans.len()), 0);
}

#[tokio::test]
async fn without_an_endpoint_nobody_is_told_of_a_trace() {
    let stage = Stage::start(|_| ()).await;
    let parent = format!("00-{TRACE}-{SENDER}-01");
    assert_eq!(stage.send(&alerts(1), &[("traceparent", parent.as_bytes())]).await, 201);
    assert!(stage.api.lock().unwrap().iter().all(|(parent, state)| parent.is_none() && state.is_none()));
    stage.served.shut_down(TIMEOUT).await;
}

const LOST: [&str; 3] = ["rejected", "failed", "dropped"];

#[rstest]
#[case::silent(Mood::Silent, "failed")]
#[case::picky(Mood::Picky, "rejected")]
#[case::bad_request(Mood::Answers(400), "failed")]
#[case::unauthorized(Mood::Answers(401), "failed")]
#[case::too_many(Mood::Answers(429), "failed")]
#[case::broken(Mood::Answers(500), "failed")]
#[case::unavailable(Mood::Answers(503), "failed")]
#[case::moved(Mood::Answers(302), "failed")]
#[case::nonsense(Mood::Nonsense, "failed")]
#[tokio::test]
async fn a_collector_that_does_not_take_spans_costs_no_signal_anything_and_the_loss_is_counted(
    #[case] mood: Mood,
    #[case] outcome: &str,
) {
    let collector = Collector::start(mood).await;
    lose(collector.endpoint(), outcome).await;
}

#[tokio::test]
async fn a_collector_that_is_not_there_costs_no_signal_anything_and_the_loss_is_counted() {
    lose("http://127.0.0.1:9".parse().ok(), "failed").await;
}

async fn lose(endpoint: Option<url::Url>, outcome: &str) {
    let stage = Stage::start(|config| {
        config.tracing.endpoint = endpoint;
        config.tracing.timeout = Duration::from_millis(700);
        config.datastorage.url = None;
    })
    .await;
    let counted = |outcome: &str| format!("gateway_trace_spans_total{{outcome=\"{outcome}\"}}");
    for outcome in LOST {
        assert_eq!(stage.metric(&counted(outcome)).await, 0.0, "from the start");
    }
    assert_eq!(stage.send(&alerts(1), &[]).await, 201);
    for _ in 0..10 {
        assert_eq!(stage.send(&alerts(1), &[]).await, 202);
    }
    stage.until(outcome, async |stage| stage.metric(&counted(outcome)).await > 0.0).await;
    stage.served.shut_down(TIMEOUT).await;
}

#[tokio::test]
async fn what_does_not_fit_into_the_queue_is_dropped_and_counted() {
    let collector = Collector::start(Mood::Silent).await;
    let endpoint = collector.endpoint();
    let stage = Stage::start(|config| {
        config.tracing.endpoint = endpoint;
        config.tracing.queue_size = 1;
    })
    .await;
    assert_eq!(stage.send(&alerts(1), &[]).await, 201);
    for _ in 0..200 {
        assert_eq!(stage.send(&alerts(1), &[]).await, 202);
    }
    stage
        .until("dropped", async |stage| stage.metric("gateway_trace_spans_total{outcome=\"dropped\"}").await > 0.0)
        .await;
    stage.served.shut_down(TIMEOUT).await;
}

#[tokio::test]
async fn spans_that_wait_are_sent_before_the_end_and_a_failure_has_its_status() {
    let collector = Collector::start(Mood::Fine).await;
    let stage = Stage::start(|config| {
        traced(&collector)(config);
        config.datastorage.url = "http://127.0.0.1:9".parse().ok();
        config.datastorage.buffer.max_retries = 0;
    })
    .await;
    assert_eq!(stage.send(&alerts(1), &[]).await, 201);
    stage.served.shut_down(TIMEOUT).await;
    let spans = collector.look(|received| received.spans.clone());
    assert!(!of_kind(&spans, SpanKind::Server).is_empty());
    let audit = spans.iter().find(|span| span.name == "POST audit events").unwrap();
    assert_eq!(audit.status.as_ref().unwrap().code(), StatusCode::Error);
    assert_eq!(texts(&audit.attributes)["error.type"], "unreachable");
}

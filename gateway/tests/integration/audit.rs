//! The audit trail against a DataStorage service that works, does not, or does not like an event.

use std::{collections::BTreeMap, time::Duration};

use gateway::{
    audit::{Event, Pipeline, Recorder, start},
    config::{Buffer, DataStorage},
    context::Context,
    dedup::{Accepted, Error, Outcome},
    log_limit::LogLimit,
    metrics::Metrics,
    remediation::{Fingerprint, Signal, Source, TargetResource},
};
use jiff::Timestamp;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{body_string_contains, header, method, path},
};

const PATH: &str = "/storage/api/v1/audit/events/batch";
const SOON: Duration = Duration::from_secs(30);

/// A gateway's audit trail and the service it talks to.
struct Rig {
    server: MockServer,
    context: Context,
    metrics: Metrics,
    pipeline: Pipeline,
}

impl Rig {
    async fn new(buffer: Buffer) -> Self {
        Self::with(MockServer::start().await, buffer)
    }

    fn with(server: MockServer, buffer: Buffer) -> Self {
        let (context, metrics) = (Context::system(), Metrics::new().unwrap());
        let url = format!("{}/storage/", server.uri()).parse().unwrap();
        let settings = DataStorage { url: Some(url), timeout: Duration::from_secs(1), buffer };
        let pipeline = start(&settings, &context, &metrics, LogLimit::new(context.clone())).unwrap();
        Self { server, context, metrics, pipeline }
    }

    async fn answers(&self, status: u16, times: u64) {
        let answer = ResponseTemplate::new(status);
        Mock::given(method("POST")).and(path(PATH)).respond_with(answer).up_to_n_times(times).mount(&self.server).await;
    }

    fn record(&self, names: impl IntoIterator<Item = usize>) {
        let recorder = self.pipeline.recorder();
        names.into_iter().for_each(|name| recorder.record(event(name)));
    }

    async fn shutdown(&self) {
        self.pipeline.shutdown(self.context.monotonic() + SOON).await;
    }

    /// Waits until `count` events were sent.
    async fn sent(&self, count: u64) {
        let deadline = self.context.monotonic() + SOON;
        while self.count("sent") < count && self.context.monotonic() < deadline {
            self.context.sleep(Duration::from_millis(1)).await;
        }
    }

    /// The correlation ids of each request's events.
    async fn batches(&self) -> Vec<Vec<String>> {
        let requests = self.server.received_requests().await.unwrap();
        requests.iter().map(ids).collect()
    }

    fn count(&self, outcome: &str) -> u64 {
        self.metrics.audit_events.with_label_values(&[outcome]).get()
    }
}

fn ids(request: &Request) -> Vec<String> {
    let events: Vec<Value> = request.body_json().unwrap();
    events.iter().map(|event| event["correlation_id"].as_str().unwrap().to_owned()).collect()
}

fn quick(batch_size: usize) -> Buffer {
    Buffer { buffer_size: 100, batch_size, flush_interval: Duration::from_millis(2), max_retries: 3 }
}

fn patient(batch_size: usize) -> Buffer {
    Buffer { flush_interval: Duration::from_secs(60), ..quick(batch_size) }
}

fn signal() -> Signal {
    Signal {
        fingerprint: Fingerprint::of("x"),
        name: "PodCrashLooping".to_owned(),
        severity: "critical".to_owned(),
        source: Source::Prometheus,
        target: TargetResource {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            name: "api-0".to_owned(),
            namespace: "shop".to_owned(),
        },
        cluster_id: None,
        firing_time: Timestamp::UNIX_EPOCH,
        received_time: Timestamp::UNIX_EPOCH,
        labels: BTreeMap::from([("pod".to_owned(), "api-0".to_owned())]),
        annotations: BTreeMap::new(),
        provider_data: serde_json::Map::new(),
        original_payload: String::new(),
    }
}

fn accepted(name: &str, outcome: Outcome) -> Accepted {
    Accepted {
        uid: None,
        outcome,
        name: name.to_owned(),
        namespace: "kubernaut".to_owned(),
        occurrence_count: 3,
        first_occurrence: Timestamp::UNIX_EPOCH,
        last_occurrence: Timestamp::UNIX_EPOCH,
    }
}

fn event(name: usize) -> Event {
    Event::crd_created(Timestamp::UNIX_EPOCH, &signal(), &accepted(&format!("rr-{name}"), Outcome::Created))
}

#[tokio::test]
async fn a_full_batch_is_sent_at_once() {
    let rig = Rig::new(patient(3)).await;
    rig.answers(201, 10).await;
    rig.record(0..6);
    rig.sent(6).await;
    assert_eq!(rig.batches().await, [["rr-0", "rr-1", "rr-2"], ["rr-3", "rr-4", "rr-5"]]);
    assert_eq!(rig.metrics.audit_queue_depth.get(), 0);
}

#[tokio::test]
async fn a_batch_that_does_not_fill_is_sent_after_the_interval() {
    let rig = Rig::new(quick(50)).await;
    rig.answers(201, 10).await;
    rig.record(0..2);
    rig.sent(2).await;
    assert_eq!(rig.batches().await, [["rr-0", "rr-1"]]);
}

#[tokio::test]
async fn a_batch_is_sent_again_until_it_is_accepted() {
    let rig = Rig::new(quick(10)).await;
    for status in [503, 429, 408] {
        rig.answers(status, 1).await;
    }
    rig.answers(200, 1).await;
    rig.record(0..2);
    rig.shutdown().await;
    assert_eq!(rig.batches().await, vec![["rr-0", "rr-1"]; 4]);
    assert_eq!((rig.count("sent"), rig.count("failed")), (2, 0));
}

#[rstest]
#[case::in_seconds(&[("retry-after", "1")])]
#[case::by_a_date_of_its_clock(&[("date", "Thu, 01 Jan 2026 00:00:00 GMT"), ("retry-after", "Thu, 01 Jan 2026 00:00:01 GMT")])]
#[tokio::test]
async fn a_service_that_asks_to_be_tried_later_is(#[case] headers: &[(&str, &str)]) {
    let rig = Rig::new(quick(1)).await;
    let answer =
        headers.iter().fold(ResponseTemplate::new(429), |answer, (name, value)| answer.insert_header(*name, *value));
    Mock::given(method("POST")).respond_with(answer).up_to_n_times(1).mount(&rig.server).await;
    rig.answers(201, 1).await;
    let began = rig.context.monotonic();
    rig.record(0..1);
    rig.sent(1).await;
    assert_eq!(rig.count("sent"), 1);
    assert!(rig.context.monotonic().since(began) >= Duration::from_secs(1), "tried again too soon");
}

#[tokio::test]
async fn a_batch_that_never_succeeds_is_counted_and_the_next_one_is_tried() {
    let rig = Rig::new(Buffer { max_retries: 1, ..quick(1) }).await;
    rig.answers(500, 2).await;
    rig.answers(200, 1).await;
    rig.record(0..2);
    rig.shutdown().await;
    assert_eq!((rig.count("sent"), rig.count("failed")), (1, 1));
}

#[tokio::test]
async fn a_poison_event_costs_none_of_its_neighbours() {
    let rig = Rig::new(patient(8)).await;
    let poison = Mock::given(method("POST")).and(body_string_contains("\"rr-5\""));
    poison.respond_with(ResponseTemplate::new(422)).with_priority(1).mount(&rig.server).await;
    rig.answers(201, 100).await;
    rig.record(0..8);
    rig.shutdown().await;
    assert_eq!((rig.count("sent"), rig.count("rejected"), rig.count("failed")), (7, 1, 0));
    let expected: [&[&str]; 7] = [
        &["rr-0", "rr-1", "rr-2", "rr-3", "rr-4", "rr-5", "rr-6", "rr-7"],
        &["rr-0", "rr-1", "rr-2", "rr-3"],
        &["rr-4", "rr-5", "rr-6", "rr-7"],
        &["rr-4", "rr-5"],
        &["rr-4"],
        &["rr-5"],
        &["rr-6", "rr-7"],
    ];
    assert_eq!(rig.batches().await, expected);
}

#[tokio::test]
async fn missing_permission_costs_one_request_per_batch() {
    let rig = Rig::new(patient(8)).await;
    rig.answers(403, 100).await;
    rig.record(0..8);
    rig.shutdown().await;
    assert_eq!((rig.batches().await.len(), rig.count("failed")), (1, 8));
}

#[tokio::test]
async fn events_survive_a_service_that_is_down_and_comes_back() {
    // Bound, so that nobody else gets the port, but not listening: connections are refused.
    let down = TcpSocket::new_v4().unwrap();
    down.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let port = down.local_addr().unwrap().port();
    let (context, metrics) = (Context::system(), Metrics::new().unwrap());
    let buffer = Buffer { flush_interval: Duration::from_millis(10), max_retries: 8, ..quick(10) };
    let url = format!("http://127.0.0.1:{port}").parse().unwrap();
    let settings = DataStorage { url: Some(url), timeout: Duration::from_secs(1), buffer };
    let pipeline = start(&settings, &context, &metrics, LogLimit::new(context.clone())).unwrap();
    pipeline.recorder().record(event(1));
    context.sleep(Duration::from_millis(30)).await;
    let listener = down.listen(16).unwrap().into_std().unwrap();
    let back = MockServer::builder().listener(listener).start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(202)).mount(&back).await;
    pipeline.shutdown(context.monotonic() + SOON).await;
    assert_eq!(metrics.audit_events.with_label_values(&["sent"]).get(), 1);
}

#[tokio::test]
async fn what_finds_no_room_is_dropped_and_counted() {
    let rig = Rig::new(Buffer { buffer_size: 3, ..patient(1) }).await;
    rig.answers(200, 100).await;
    // The task has not run yet: nothing is taken out meanwhile.
    rig.record(0..5);
    assert_eq!((rig.count("dropped"), rig.metrics.audit_queue_depth.get()), (2, 3));
    rig.shutdown().await;
    assert_eq!((rig.count("sent"), rig.count("dropped")), (3, 2));
}

#[tokio::test]
async fn events_that_wait_are_bounded_in_bytes_too_and_their_room_is_given_back() {
    let many = Buffer { buffer_size: 1_000_000, batch_size: 10_000, ..patient(0) };
    let rig = Rig::new(many).await;
    rig.answers(201, 100).await;
    let mut large = signal();
    large.labels.insert("text".to_owned(), "x".repeat(4000));
    let recorder = rig.pipeline.recorder();
    for name in 0..6000 {
        let accepted = accepted(&format!("rr-{name}"), Outcome::Created);
        recorder.record(Event::crd_created(Timestamp::UNIX_EPOCH, &large, &accepted));
    }
    let dropped = rig.count("dropped");
    assert!((2000..3000).contains(&dropped), "16 MiB of 4.7 kB each were kept: {dropped} dropped");
    rig.shutdown().await;
    assert_eq!((rig.count("sent"), rig.count("dropped")), (6000 - dropped, dropped));
    let bytes: usize = rig.server.received_requests().await.unwrap().iter().map(|request| request.body.len()).sum();
    assert!(bytes <= (16 << 20) + 6000, "{bytes}");
}

#[tokio::test]
async fn a_shutdown_sends_what_is_left_without_waiting_for_a_full_batch() {
    let rig = Rig::new(patient(50)).await;
    rig.answers(200, 10).await;
    rig.record(0..3);
    rig.shutdown().await;
    assert_eq!(rig.batches().await, [["rr-0", "rr-1", "rr-2"]]);
    rig.record([4]);
    assert_eq!((rig.count("sent"), rig.count("dropped")), (3, 1), "nothing is taken after a shutdown");
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_so_long_as_datastorage_asks() {
    let rig = Rig::new(quick(1)).await;
    let later = ResponseTemplate::new(503).insert_header("retry-after", "30");
    Mock::given(method("POST")).respond_with(later).up_to_n_times(1).mount(&rig.server).await;
    rig.answers(200, 10).await;
    rig.record(0..3);
    while rig.batches().await.is_empty() {
        rig.context.sleep(Duration::from_millis(1)).await;
    }
    rig.pipeline.shutdown(rig.context.monotonic() + SOON / 3).await;
    assert_eq!((rig.count("sent"), rig.count("dropped")), (3, 0));
}

#[tokio::test]
async fn a_shutdown_ends_at_its_deadline_and_counts_what_is_left() {
    let rig = Rig::new(patient(2)).await;
    let slow = ResponseTemplate::new(200).set_delay(Duration::from_secs(10));
    Mock::given(method("POST")).respond_with(slow).mount(&rig.server).await;
    rig.record(0..5);
    rig.pipeline.shutdown(rig.context.monotonic() + Duration::from_millis(20)).await;
    assert_eq!((rig.count("sent"), rig.count("dropped"), rig.metrics.audit_queue_depth.get()), (0, 5, 0));
}

#[tokio::test]
async fn without_an_address_events_are_forgotten() {
    let (context, metrics) = (Context::system(), Metrics::new().unwrap());
    let pipeline = start(&DataStorage::default(), &context, &metrics, LogLimit::new(context.clone())).unwrap();
    pipeline.recorder().record(event(1));
    Recorder::disabled().record(event(2));
    pipeline.shutdown(context.monotonic()).await;
    assert_eq!(metrics.audit_queue_depth.get(), 0);
}

#[tokio::test]
async fn the_body_is_an_array_of_events_in_the_schema_of_datastorage() {
    let rig = Rig::new(patient(4)).await;
    let json = Mock::given(method("POST")).and(path(PATH)).and(header("content-type", "application/json"));
    json.respond_with(ResponseTemplate::new(200)).mount(&rig.server).await;
    let (at, signal) = ("2026-01-02T03:04:05.5Z".parse().unwrap(), signal());
    let results =
        [Ok(accepted("rr-new", Outcome::Created)), Ok(accepted("rr-old", Outcome::Deduplicated)), Err(Error::Deadline)];
    let recorder = rig.pipeline.recorder();
    results.iter().flat_map(|result| Event::of_result(at, &signal, result)).for_each(|event| recorder.record(event));
    rig.shutdown().await;
    let requests = rig.server.received_requests().await.unwrap();
    let events: Vec<Value> = requests.iter().flat_map(|request| request.body_json::<Vec<Value>>().unwrap()).collect();

    let expected = |kind: &str, action: &str, actor: (&str, &str), rr: &str, status: &str| {
        json!({
            "version": "1.0", "event_type": kind, "event_timestamp": "2026-01-02T03:04:05.5Z",
            "event_category": "gateway", "event_action": action, "event_outcome": "success",
            "actor_type": actor.0, "actor_id": actor.1,
            "resource_type": "RemediationRequest", "resource_id": format!("kubernaut/{rr}"), "correlation_id": rr,
            "event_data": {
                "event_type": kind, "signal_type": "alert", "signal_source": "prometheus",
                "signal_name": "PodCrashLooping", "severity": "critical", "fingerprint": Fingerprint::of("x").as_str(),
                "namespace": "shop", "resource_kind": "Pod", "resource_name": "api-0",
                "signal_labels": {"pod": "api-0"}, "deduplication_status": status, "occurrence_count": 3,
                "remediation_request": format!("kubernaut/{rr}"),
            },
        })
    };
    let (sender, gateway) = (("external", "prometheus"), ("service", "gateway"));
    assert_eq!(events[0], expected("gateway.signal.received", "received", sender, "rr-new", "new"));
    assert_eq!(events[1], expected("gateway.crd.created", "created", gateway, "rr-new", "new"));
    assert_eq!(events[2], expected("gateway.signal.received", "received", sender, "rr-old", "duplicate"));
    assert_eq!(events[3], expected("gateway.signal.deduplicated", "deduplicated", gateway, "rr-old", "duplicate"));
    assert_eq!(events[4]["event_type"], "gateway.crd.failed");
    assert_eq!(events[4]["event_outcome"], "failure");
    assert_eq!(events[4]["correlation_id"], Fingerprint::of("x").as_str());
    assert_eq!(events[4]["event_data"]["error_details"]["message"], "no result within the deadline");
}

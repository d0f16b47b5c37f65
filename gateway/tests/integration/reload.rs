//! The binary follows its configuration file on SIGHUP, and says in one line what it is when it starts.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{method, path},
};

use super::process::{Gateway, ask, command, exchange, on_any_ports, until};

/// A gateway with a configuration file.
struct Rig {
    folder: TempDir,
    gateway: Gateway,
    lines: Arc<Mutex<Vec<Value>>>,
}

impl Rig {
    fn start(text: &str) -> Self {
        Self::before("http://127.0.0.1:9", text)
    }

    /// Before the Kubernetes API at `server`.
    fn before(server: &str, text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        std::fs::write(&file, text).unwrap();
        let mut command = command(folder.path());
        let kubeconfig = folder.path().join("kubeconfig");
        let text = std::fs::read_to_string(&kubeconfig).unwrap().replace("http://127.0.0.1:9", server);
        std::fs::write(kubeconfig, text).unwrap();
        command.arg("--config").arg(&file);
        let mut child = on_any_ports(&mut command).spawn().unwrap();
        let lines = read(&mut child);
        Self { folder, gateway: Gateway(child), lines }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("config.yaml")
    }

    /// Waits for the line with this message.
    fn line(&self, message: &str) -> Value {
        let mut found = Value::Null;
        until(message, || {
            let lines = self.lines.lock().unwrap();
            found = lines.iter().find(|line| line["message"] == message).cloned().unwrap_or_default();
            !found.is_null()
        });
        found
    }

    fn count(&self, message: &str) -> usize {
        self.lines.lock().unwrap().iter().filter(|line| line["message"] == message).count()
    }

    fn hang_up(&self) {
        assert!(Command::new("kill").args(["-HUP", &self.gateway.0.id().to_string()]).status().unwrap().success());
    }

    /// The value of a metric.
    fn metric(&self, name: &str) -> f64 {
        let metrics: SocketAddr = self.line("gateway started")["metrics"].as_str().unwrap().parse().unwrap();
        let (_, exposed) = ask(metrics, "GET /metrics").expect("an answer");
        exposed.lines().find_map(|line| line.strip_prefix(&format!("{name} "))?.parse().ok()).expect(name)
    }
}

/// What it logs, line by line, as it comes.
fn read(child: &mut Child) -> Arc<Mutex<Vec<Value>>> {
    let lines = Arc::<Mutex<Vec<Value>>>::default();
    let (out, all) = (child.stdout.take().unwrap(), Arc::clone(&lines));
    thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            all.lock().unwrap().push(serde_json::from_str(&line).unwrap());
        }
    });
    lines
}

#[test]
fn the_start_is_one_line_that_tells_which_gateway_it_is_without_secrets() {
    let rig = Rig::start("datastorage: {url: 'http://me:hunter2@127.0.0.1:9'}\nsignal: {cluster: {name: prod-eu-1}}");
    let line = rig.line("gateway started");
    let expected = [
        ("version", env!("CARGO_PKG_VERSION")),
        ("pod", "gateway-0"),
        ("namespace", "kubernaut-system"),
        ("auth", "none: anyone who can connect can send signals"),
        ("scope", "labelled kubernaut.ai/managed=true"),
        ("datastorage", "http://***:***@127.0.0.1:9/"),
        ("api_server", "http://127.0.0.1:9/"),
        ("cluster", "prod-eu-1"),
    ];
    for (field, value) in expected {
        assert_eq!(line[field], value, "{line}");
    }
    assert_eq!(line["config"], rig.file().to_str().unwrap());
    assert!(line["may_not"].as_str().unwrap().starts_with("unknown: "), "{line}");
    for listener in ["signals", "health", "metrics"] {
        let address: SocketAddr = line[listener].as_str().unwrap().parse().unwrap();
        assert_ne!(address.port(), 0, "where it is, not what was asked for: {line}");
    }
    assert!(!format!("{:?}", rig.lines.lock().unwrap()).contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_start_names_the_rights_that_are_missing() {
    let server = MockServer::start().await;
    let review = |allowed: bool| json!({ "spec": {}, "status": { "allowed": allowed } });
    let answer = move |request: &Request| {
        let asked: Value = request.body_json().unwrap_or_default();
        let is_missing = asked["spec"]["resourceAttributes"]["verb"] == "delete";
        ResponseTemplate::new(201).set_body_json(review(!is_missing))
    };
    let reviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    Mock::given(method("POST")).and(path(reviews)).respond_with(answer).mount(&server).await;
    let rig = tokio::task::block_in_place(|| Rig::before(&server.uri(), ""));
    let may_not = tokio::task::block_in_place(|| rig.line("gateway started"))["may_not"].clone();
    assert_eq!(may_not, "delete leases.coordination.k8s.io in kubernaut-system");
}

#[test]
fn every_line_about_a_request_has_its_ids() {
    let rig = Rig::start("logging: {level: debug}");
    let signals: SocketAddr = rig.line("gateway started")["signals"].as_str().unwrap().parse().unwrap();
    let request = "POST /api/v1/signals/prometheus HTTP/1.1\r\nhost: a\r\nx-request-id: r-1\r\nconnection: close\r\n\
                   traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\ncontent-length: 2\r\n\r\n{}";
    exchange(signals, request).expect("an answer");
    let answered = rig.line("answered");
    assert_eq!(answered["span"]["request_id"], "r-1", "{answered}");
    assert_eq!(answered["span"]["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736", "{answered}");
}

#[test]
fn what_alerts_are_about_may_change_while_the_gateway_runs() {
    let rig = Rig::start("signal: {exporters: [one-exporter]}");
    rig.line("gateway started");
    let other = "signal: {exporters: [other-exporter], maxPayloadBytes: 2048, ignore: ['a=\"b\"']}\n\
                 scope: {requireManagedLabel: false}";
    std::fs::write(rig.file(), other).unwrap();
    rig.hang_up();
    let changed = rig.line("configuration reloaded")["changed"].as_str().unwrap().to_owned();
    for key in ["signal.exporters", "signal.maxPayloadBytes", "signal.ignore", "scope.requireManagedLabel"] {
        assert!(changed.contains(key), "{key}: {changed}");
    }
    assert_eq!(rig.count("a configuration change needs a restart to take effect: `kubectl rollout restart`"), 0);
}

#[test]
fn sighup_loads_the_file_and_a_bad_one_keeps_the_old_configuration() {
    let rig = Rig::start("logging: {level: info}");
    rig.line("gateway started");
    let began = rig.metric("gateway_config_last_reload_success_timestamp_seconds");
    std::fs::write(rig.file(), "logging: {level: debug}\nlock: {duration: 40s}").unwrap();
    rig.hang_up();
    assert_eq!(rig.line("configuration reloaded")["changed"], "logging.level: info is now debug");
    let restart = "a configuration change needs a restart to take effect: `kubectl rollout restart`";
    assert_eq!(rig.line(restart)["keys"], "lock.duration");
    until("what was hidden is logged", || rig.lines.lock().unwrap().iter().any(|line| line["level"] == "DEBUG"));
    until("it is counted", || rig.metric("gateway_config_last_reload_success_timestamp_seconds") > began);
    assert_eq!(rig.metric("gateway_config_last_reload_successful"), 1.0);

    std::fs::write(rig.file(), "logging: {level: loud}\nscope: {cacheSize: 0}").unwrap();
    rig.hang_up();
    let unusable = "the new configuration is not valid: the old one stays in effect";
    let line = rig.line(unusable);
    assert!(line["error"].as_str().unwrap().contains("logging.level: `loud` is not a valid log filter"), "{line}");
    assert!(line["error"].as_str().unwrap().contains("scope.cacheSize: 0 is not between"), "{line}");
    until("it is counted", || rig.metric("gateway_config_last_reload_successful") == 0.0);
    assert_eq!(rig.count(unusable), 1, "it is told once");

    std::fs::write(rig.file(), "logging: {level: info}").unwrap();
    rig.hang_up();
    until("a good one is loaded", || rig.count("configuration reloaded") == 2);
    until("it is counted", || rig.metric("gateway_config_last_reload_successful") == 1.0);
}

/// The audit event that DataStorage received after `before` others.
async fn nth_event(server: &MockServer, before: usize) -> Value {
    let mut found = None;
    until("an event", || {
        let requests =
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(server.received_requests()));
        let batches = requests.unwrap();
        found = batches.iter().flat_map(|batch| batch.body_json::<Vec<Value>>().unwrap()).nth(before);
        found.is_some()
    });
    found.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_followed_or_refused_is_in_the_audit_trail() {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(201)).mount(&server).await;
    let text = |level: &str| {
        format!(
            "logging: {{level: {level}}}\ndatastorage: {{url: '{}', buffer: {{flushInterval: 10ms}}}}",
            server.uri()
        )
    };
    let rig = Rig::start(&text("info"));
    rig.line("gateway started");
    std::fs::write(rig.file(), text("warn")).unwrap();
    rig.hang_up();
    let event = nth_event(&server, 0).await;
    assert_eq!(event["event_type"], "gateway.config.reloaded");
    assert_eq!(event["resource_id"], "kubernaut-system/gateway-0");
    let change = json!({"key": "logging.level", "from": "info", "to": "warn"});
    assert_eq!(event["event_data"]["changes"], json!([change]));
    assert_eq!(rig.count("configuration reloaded"), 1, "logged although the new level hides it");

    for _ in 0..2 {
        std::fs::write(rig.file(), text("loud")).unwrap();
        rig.hang_up();
        rig.line("the new configuration is not valid: the old one stays in effect");
    }
    let refused = nth_event(&server, 1).await;
    assert_eq!(
        (&refused["event_type"], &refused["event_outcome"]),
        (&json!("gateway.config.refused"), &json!("failure"))
    );
    let message = refused["event_data"]["error_details"]["message"].as_str().unwrap();
    assert!(message.contains("logging.level: `loud` is not a valid log filter"), "{refused}");
    std::fs::write(rig.file(), text("error")).unwrap();
    rig.hang_up();
    assert_eq!(nth_event(&server, 2).await["event_type"], "gateway.config.reloaded", "what is refused is told once");
}

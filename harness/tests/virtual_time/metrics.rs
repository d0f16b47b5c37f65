//! The metric of failed lock acquisitions, and the metrics endpoint as Prometheus reads it.

use std::{
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
    sync::Arc,
};

use axum::body::Body;
use embedded_apiserver::{Down, Effect, Fault, Latency};
use harness::{
    fleet::Fleet,
    replica::Replica,
    testing::{FAILURES, Logs, answered, assert_quiet, exchange, rest, script, send, skip, storm, wait_ms},
};
use http::Request;
use rstest::rstest;

/// The metric's lines of the text format; `#` lines too.
fn lines_of(replica: &Replica, metric: &str) -> Vec<String> {
    let mine = |line: &&str| line.split_whitespace().any(|word| word == metric);
    replica.metrics().lines().filter(mine).map(str::to_owned).collect()
}

fn failures(replica: &Replica) -> u64 {
    replica.metric(FAILURES).expect("it is there from the start") as u64
}

#[tokio::test(start_paused = true)]
async fn the_metric_is_there_from_the_start_with_its_help_text() {
    let fleet = Fleet::new(1);
    let replica = fleet.start(1).await;
    let expected = [
        "# HELP gateway_lock_acquisition_failures_total Total number of failed distributed lock acquisitions",
        "# TYPE gateway_lock_acquisition_failures_total counter",
        "gateway_lock_acquisition_failures_total 0",
    ];
    assert_eq!(lines_of(&replica, FAILURES), expected);
}

#[tokio::test(start_paused = true)]
async fn signals_that_succeed_and_contention_do_not_raise_it() {
    let fleet = Fleet::new(2);
    script(&fleet);
    let replicas = fleet.start_all(3).await;
    let (logs, _guard) = Logs::capture();
    let mut sent = 0;
    for i in 0..34 {
        let answers = storm(&fleet, &replicas, &format!("normal-{i}"), 30).await;
        sent += answered(&answers, 201) + answered(&answers, 202);
    }
    assert_eq!(sent, 1_020);
    let contended: f64 = replicas.iter().filter_map(|r| r.metric("gateway_lock_contention_total")).sum();
    assert!(contended >= 34.0, "there was contention");
    assert_eq!(replicas.iter().map(failures).sum::<u64>(), 0, "less than 0.1 % of a thousand is none");
    assert!(logs.errors("").is_empty(), "{:?}", logs.errors(""));
    rest().await;
    assert_quiet(&fleet);
}

#[rstest]
#[case::connection_lost(Fault::lost())]
#[case::answer_lost(Fault::answer_lost())]
#[case::internal_error(Fault::refused(Effect::internal_error()))]
#[tokio::test(start_paused = true)]
async fn each_api_error_of_an_acquisition_raises_it_by_one_with_one_error_in_the_log(#[case] fault: Fault) {
    let fleet = Fleet::new(3);
    let script = script(&fleet);
    let replicas = fleet.start_all(3).await;
    let (logs, _guard) = Logs::capture();
    for i in 1..=7_u64 {
        script.on(1, "create", "leases", fault.clone());
        let answer = send(&fleet, &replicas[0], &format!("failing-{i}")).await;
        assert_eq!(answer.status, 500);
        assert_eq!(failures(&replicas[0]), i);
    }
    assert_eq!(logs.errors("lock acquisition failed").len(), 7);
    assert_eq!(logs.errors("").len(), 7, "nothing else goes wrong: {:?}", logs.errors(""));
    rest().await;
    assert_quiet(&fleet);
}

#[tokio::test(start_paused = true)]
async fn each_replica_counts_for_itself() {
    let fleet = Fleet::new(4);
    let script = script(&fleet);
    let replicas = fleet.start_all(3).await;
    script.add(5, Fault::lost(), |r| r.caller.user == "gateway-pod-2" && r.verb == "create" && r.resource == "leases");
    for i in 0..6 {
        for replica in &replicas {
            send(&fleet, replica, &format!("own-{}-{i}", replica.name)).await;
        }
    }
    assert_eq!(replicas.iter().map(failures).collect::<Vec<_>>(), [0, 5, 0]);
    for replica in &replicas {
        let scrape = Request::get("/metrics").body(Body::empty()).unwrap();
        let answer = exchange(replica.metrics_endpoint(), scrape).await;
        assert_eq!(answer.status, 200, "{}", replica.name);
        assert!(answer.header("content-type").starts_with("text/plain"), "{}", answer.header("content-type"));
    }
}

#[tokio::test(start_paused = true)]
async fn it_agrees_with_the_log_over_an_outage_and_rises_no_more_after_it() {
    let fleet = Fleet::new(5);
    let down = Arc::new(Down::over(Arc::new(Latency::default())));
    fleet.api.set_faults(down.clone());
    let replicas = fleet.start_all(3).await;
    let (logs, _guard) = Logs::capture();
    for round in 0..20 {
        down.set((5..15).contains(&round));
        for (i, replica) in replicas.iter().enumerate() {
            let answer = send(&fleet, replica, &format!("outage-{round}-{i}")).await;
            assert_eq!(answer.status.as_u16(), if (5..15).contains(&round) { 500 } else { 201 });
        }
        wait_ms(100).await;
    }
    let counted: u64 = replicas.iter().map(failures).sum();
    assert_eq!(counted, 30);
    assert_eq!(logs.errors("lock acquisition failed").len() as u64, counted);
    wait_ms(15_000).await;
    assert_quiet(&fleet);
}

/// `promtool`, from `PROMTOOL` or the path.
fn promtool() -> Option<PathBuf> {
    let runs = |path: &PathBuf| Command::new(path).arg("--version").output().is_ok_and(|out| out.status.success());
    std::env::var_os("PROMTOOL").map(PathBuf::from).or_else(|| Some("promtool".into())).filter(runs)
}

#[tokio::test(start_paused = true)]
async fn promtool_has_no_complaint_about_the_metrics() {
    let Some(promtool) = promtool() else {
        skip("promtool not found (apt install prometheus)");
        return;
    };
    let fleet = Fleet::new(6);
    let script = script(&fleet);
    let replicas = fleet.start_all(3).await;
    storm(&fleet, &replicas, "promtool", 30).await;
    script.on(1, "create", "leases", Fault::lost());
    send(&fleet, &replicas[0], "promtool-error").await;
    send(&fleet, &replicas[0], "promtool-error").await;
    harness::testing::post(&replicas[0], "nonsense").await;
    rest().await;
    for replica in &replicas {
        let text = replica.metrics();
        assert!(text.lines().filter(|line| line.starts_with("# TYPE")).count() > 15, "{text}");
        let child = Command::new(&promtool)
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && said.is_empty(), "{said}");
    }
}

//! Timelines of real runs, violations included.
#![allow(clippy::disallowed_methods, reason = "tests own the clock")]

use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use embedded_apiserver::{Caller, Fault, Faults, RequestInfo, WatchFault};
use futures::future::join_all;
use gateway::remediation::Fingerprint;
use harness::{
    baselines::Protocol,
    fleet::Fleet,
    load::webhook,
    oracles::Violation,
    replica::Replica,
    trace::{API, Life, Mode, Trace},
};

use super::*;
use crate::origin::Origin;

const PROMETHEUS: &str = "/api/v1/signals/prometheus";

/// Latencies of all sizes, by a small generator of its own; the creates of `slow` take longer than a lease lasts.
struct Latencies {
    state: Mutex<u64>,
    slow: &'static str,
}

impl Latencies {
    fn draw(&self, below: u64) -> Duration {
        let mut state = self.state.lock().unwrap();
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Duration::from_millis((*state >> 33) % below)
    }
}

impl Faults for Latencies {
    fn decide(&self, request: &RequestInfo) -> Fault {
        let is_slow = request.caller.user == self.slow && request.verb == "create";
        if is_slow && request.resource == "remediationrequests" {
            return Fault { delay_before: Duration::from_secs(35), ..Fault::default() };
        }
        let (before, after) = (self.draw(15) + Duration::from_millis(1), self.draw(15));
        match self.draw(12).as_millis() {
            // What is slow is bad enough.
            _ if !self.slow.is_empty() => Fault { delay_before: before, delay_after: after, ..Fault::default() },
            0 => Fault { delay_before: before, ..Fault::lost() },
            1 => Fault { delay_before: before, delay_after: after, ..Fault::answer_lost() },
            _ => Fault { delay_before: before, delay_after: after, ..Fault::default() },
        }
    }

    fn watch_event(&self, _: &Caller, _: &str) -> WatchFault {
        WatchFault::Delay(self.draw(25))
    }
}

fn origin(commit: &str) -> Origin {
    Origin { command: "sim replay".to_owned(), commit: commit.to_owned(), date: "2026-01-02".to_owned() }
}

/// What is left of a run.
struct Told {
    protocol: Protocol,
    fleet: Fleet,
    violations: Vec<Violation>,
}

impl Told {
    fn run(&self) -> Run<'_> {
        let profile = vec![("latency".to_owned(), "1–15 ms".to_owned()), ("lost".to_owned(), "1 of 12".to_owned())];
        Run {
            seed: 7,
            protocol: self.protocol,
            faults: "light",
            profile,
            origin: origin("0123abcd"),
            toolchain: "rustc 1.89.0",
            replay: "sim replay --seed 7 --faults light",
            trace: &self.fleet.trace,
            violations: &self.violations,
        }
    }
}

fn simulate<F: Future<Output = ()>>(
    protocol: Protocol,
    slow: &'static str,
    script: impl FnOnce(Arc<Fleet>, Vec<Replica>) -> F,
) -> Told {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let fleet = Arc::new(Fleet::new(7).with_protocol(protocol).with_trace(Mode::Full));
        fleet.api.set_faults(Arc::new(Latencies { state: Mutex::new(11), slow }));
        let replicas = fleet.start_all(3).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        script(Arc::clone(&fleet), replicas).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let violations = fleet.finish();
        fleet.trace.end(&violations);
        Told { protocol, fleet: Arc::into_inner(fleet).unwrap(), violations }
    })
}

async fn signal(fleet: &Fleet, replica: &Replica, resource: &str, after_ms: u64) {
    tokio::time::sleep(Duration::from_millis(after_ms)).await;
    let fingerprint = Fingerprint::of(&format!("shop:Deployment:{resource}"));
    let body = webhook(resource, "2026-10-31T23:00:00Z").to_string();
    let answer = fleet.send(replica, PROMETHEUS, body, fingerprint.as_str());
    let _ = tokio::time::timeout(Duration::from_secs(40), answer).await;
}

/// Six signals on two resources at once, and nobody locks.
fn unlocked() -> Told {
    simulate(Protocol::Unlocked, "", async |fleet, replicas| {
        let resources = ["checkout", "cart"];
        join_all((0..6).map(|i| signal(&fleet, &replicas[i % 3], resources[i / 4], 3 * i as u64))).await;
    })
}

/// A create under way outlives the lease, and its sender.
fn lease_only() -> Told {
    simulate(Protocol::LeaseOnly, "gateway-pod-1", async |fleet, replicas| {
        let crash = async {
            tokio::time::sleep(Duration::from_secs(32)).await;
            fleet.trace.life("gateway-pod-1", Life::Crashed);
            fleet.api.disconnect_after_send("gateway-pod-1");
            replicas[0].crash();
        };
        let (first, later) =
            (signal(&fleet, &replicas[0], "checkout", 0), signal(&fleet, &replicas[1], "checkout", 31_000));
        let third = signal(&fleet, &replicas[2], "checkout", 31_400);
        let pause = async {
            tokio::time::sleep(Duration::from_millis(31_450)).await;
            fleet.trace.life("gateway-pod-3", Life::Paused);
            replicas[2].context().pause();
            tokio::time::sleep(Duration::from_secs(3)).await;
            fleet.trace.life("gateway-pod-3", Life::Resumed);
            replicas[2].context().resume();
        };
        tokio::time::timeout(Duration::from_secs(40), async { futures::join!(first, later, third, crash, pause) })
            .await
            .ok();
    })
}

fn fenced() -> Told {
    simulate(Protocol::Fenced, "", async |fleet, replicas| {
        join_all((0..8).map(|i| signal(&fleet, &replicas[i % 3], "checkout", 5 * i as u64))).await;
    })
}

#[test]
fn twins_are_told_where_they_came_from() {
    let told = unlocked();
    assert!(!told.violations.is_empty());
    let text = text(&told.run());
    let violation = text.lines().position(|line| line.contains(">>> VIOLATION of single-active")).expect("told");
    let before = text.lines().nth(violation - 1).unwrap_or_default();
    assert!(before.contains("● @") && before.contains("create rr"), "the write that broke it comes before: {before}");
    assert!(text.contains("0 found") && text.contains("request lost"), "{text}");
}

#[test]
fn lines_are_160_characters_at_most() {
    for told in [unlocked(), lease_only(), fenced()] {
        let text = text(&told.run());
        for line in text.lines().skip(1) {
            assert!(line.chars().count() <= 160, "{line}");
        }
    }
}

#[test]
fn a_crash_and_a_late_create_are_told() {
    let told = lease_only();
    let text = text(&told.run());
    assert!(text.contains("═ crashed") && text.contains("35 s there"), "{text}");
    let timeline = model::Timeline::of(&told.fleet.trace.events());
    let late: Vec<_> = timeline.requests.iter().filter(|request| !request.late.is_empty()).collect();
    assert_eq!(late.len(), 1);
    assert!(late[0].commit.is_some() && !late[0].heard, "it made the twin, and nobody heard: {:?}", late[0]);
    let overlapping = timeline.bars.iter().filter(|bar| bar.to.is_none()).count();
    assert!(overlapping >= 2, "{:?}", timeline.bars);
    let bands: Vec<_> = timeline.bands.iter().map(|band| (band.what, band.to.is_some())).collect();
    assert_eq!(bands, [("paused", true), ("crashed", false)]);
}

#[test]
fn what_was_cut_off_or_stood_still_goes_on_when_everything_heals() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let events = runtime.block_on(async {
        let trace = Trace::new(Mode::Full);
        for (name, life) in [("a", Life::Paused), ("b", Life::CutOff), ("c", Life::Crashed), (API, Life::Healed)] {
            trace.life(name, life);
        }
        trace.events()
    });
    let bands = model::Timeline::of(&events).bands;
    let open: Vec<_> = bands.iter().filter(|band| band.to.is_none()).map(|band| band.what).collect();
    assert_eq!(open, ["crashed"]);
}

#[test]
fn a_run_without_violations_says_so() {
    let told = fenced();
    assert_eq!(told.violations, []);
    let (text, html) = (text(&told.run()), html(&told.run()));
    assert!(text.starts_with("PASS") && !text.contains(">>>  VIOLATION"));
    assert!(html.contains("<p class=\"verdict\">PASS</p>"));
}

#[test]
fn a_page_loads_nothing_from_elsewhere_and_is_the_same_for_the_same_run() {
    let told = unlocked();
    let page = html(&told.run());
    assert_eq!(page, html(&unlocked().run()));
    let page = page.replace("href=\"#", "");
    for reference in ["src=", "href=", "url(http", "@import", "fetch(", "import(", "XMLHttpRequest"] {
        assert!(!page.contains(reference), "{reference}");
    }
    assert!(
        page.contains("0123abcd")
            && page.contains("sim replay --seed 7 --faults light")
            && page.contains(">2026-01-02<")
    );
}

#[test]
fn without_scripts_each_event_has_a_row_and_a_violation_follows_what_broke_it() {
    let told = unlocked();
    let (page, timeline) = (html(&told.run()), model::Timeline::of(&told.fleet.trace.events()));
    let after = |mark: &str| {
        let rest = page.split(mark).skip(1);
        rest.map(|text| text.split('"').next().and_then(|row| row.parse().ok()).unwrap()).collect::<Vec<usize>>()
    };
    let rows = after("data-row=\"");
    assert!(rows.is_sorted_by(|a, b| a < b), "{rows:?}");
    let answered = timeline.signals.iter().filter(|signal| signal.answered.is_some()).count();
    let events =
        [timeline.signals.len(), answered, timeline.requests.len(), timeline.commits.len(), timeline.notes.len()];
    assert_eq!(rows.len(), events.iter().sum::<usize>() + timeline.violations.len());
    let broken = after("id=\"violation-1\" class=\"violation\" data-row=\"");
    assert!(rows.contains(&broken[0]) && timeline.commits.iter().any(|commit| commit.row + 1 == broken[0]));
}

#[test]
fn names_cannot_leave_their_place() {
    let mut told = fenced();
    told.fleet = fleet_with("</script><script>alert(1)</script>");
    let message = "</pre></script><img onerror=alert(1)>".to_owned();
    told.violations = vec![Violation { oracle: "counts", version: None, message }];
    let page = html(&Run { origin: origin("<b>"), replay: "\"><script>", ..told.run() });
    assert_eq!(page.matches("<script").count(), 2, "its own");
    assert_eq!(page.matches("</script>").count(), 2);
    assert!(!page.contains("<img") && !page.contains("<b>"));
    let json =
        page.split("id=\"timeline\">").nth(1).and_then(|rest| rest.split("</script>").next()).unwrap_or_default();
    let data: serde_json::Value = serde_json::from_str(json).expect("still JSON");
    assert!(data.to_string().contains("</script><script>alert(1)"), "and complete");
}

/// A fleet in whose trace a hostile name stands everywhere.
fn fleet_with(name: &str) -> Fleet {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let fleet = Fleet::new(1).with_trace(Mode::Full);
        fleet.trace.note(name, name);
        fleet.trace.life(name, Life::Crashed);
        drop(fleet.trace.posted(name, name));
        fleet
    })
}

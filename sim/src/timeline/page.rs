//! The page: a header, the timeline in rows, and the same as text. A script draws lanes beside the rows, and filters them.

use maud::{Markup, PreEscaped, html};
use serde_json::json;

use super::{
    model::{Request, Timeline},
    names, rows,
    run::Run,
    text,
};
use crate::{
    outcome::plural,
    report::{document, made},
};

const STYLE: &str = concat!(include_str!("../report/palette.css"), include_str!("page.css"));
const SCRIPT: &str =
    concat!("\"use strict\";\n", include_str!("layout.js"), include_str!("draw.js"), include_str!("page.js"));

pub(super) fn render(run: &Run<'_>) -> String {
    let timeline = Timeline::of(&run.trace.events());
    let (class, verdict) = run.verdict();
    let title = format!("{verdict}: seed {} under {}", run.seed, run.protocol);
    document(
        &title,
        STYLE,
        html! {
            main {
                header class=(class) {
                    p.verdict { (verdict) }
                    h1 { (run.headline()) }
                    p { (subject(run, &timeline)) }
                    p { "Replay: " code { (run.replay) } }
                    @if !timeline.violations.is_empty() { p { a.jump href="#violation-1" { (jump(&timeline)) } } }
                }
                details.card { summary { "About the run" } (facts(run, &timeline)) }
                (happened(&timeline))
                details.card { summary { "The same as text, in columns" } pre { (text::render(run)) } }
            }
            (made(&run.origin))
            script type="application/json" id="timeline" { (PreEscaped(data(&timeline))) }
            script { (PreEscaped(SCRIPT)) }
        },
    )
    .into_string()
}

fn jump(timeline: &Timeline) -> String {
    match timeline.violations.len() {
        1 => "Jump to the violation".to_owned(),
        several => format!("Jump to the first of {several} violations"),
    }
}

fn subject(run: &Run<'_>, timeline: &Timeline) -> String {
    let Run { seed, protocol, .. } = run;
    let replicas = plural(timeline.lanes.iter().filter(|lane| lane.replica).count(), "replica");
    let (signals, requests) = (plural(timeline.signals.len(), "signal"), plural(timeline.requests.len(), "request"));
    format!("Seed {seed}, protocol {protocol} ({}); {replicas}, {signals}, {requests}.", protocol.summary())
}

/// What the run was.
fn facts(run: &Run<'_>, timeline: &Timeline) -> Markup {
    let facts = [
        ("faults", run.faults.to_owned()),
        ("toolchain", run.toolchain.to_owned()),
        ("hash of all events", format!("{:016x}", run.trace.hash())),
    ];
    let profile = run.profile.iter().map(|(what, value)| (what.as_str(), value.clone()));
    let letters: Vec<String> =
        (0..timeline.fingerprints.len()).map(|of| format!("fingerprint {}", names::letter(of))).collect();
    let fingerprints = letters.iter().map(String::as_str).zip(timeline.fingerprints.iter().cloned());
    html! {
        dl.facts {
            @for (what, value) in facts.into_iter().chain(profile).chain(fingerprints) {
                div { dt { (what) } dd { (value) } }
            }
        }
    }
}

/// How to read it, what is shown of it, and the timeline.
fn happened(timeline: &Timeline) -> Markup {
    html! {
        section.card aria-labelledby="happened" {
            h2 id="happened" { "What happened" }
            details.fold { summary { "How to read it" } (PreEscaped(include_str!("legend.html"))) }
            form.fold.controls hidden { details { summary { "What is shown" } (controls(timeline)) } }
            div.timeline {
                div.heads aria-hidden="true" {}
                div.lanes aria-hidden="true" {}
                (rows::list(timeline))
            }
        }
    }
}

fn controls(timeline: &Timeline) -> Markup {
    let kinds = [
        ("rr", "RemediationRequests", true),
        ("lease", "leases", true),
        ("reads", "reads", true),
        ("events", "watch events", true),
        ("other", "everything else", false),
    ];
    html! {
        label {
            "fingerprint "
            select id="fingerprint" {
                option value="" { "all" }
                @for (index, fingerprint) in timeline.fingerprints.iter().enumerate() {
                    option value=(index) { (names::letter(index)) " " (names::cut(fingerprint, 13)) }
                }
            }
        }
        fieldset {
            legend { "callers" }
            @for (index, lane) in timeline.lanes.iter().enumerate() {
                (checkbox("lane", &index.to_string(), &lane.short, true))
            }
        }
        fieldset {
            legend { "show" }
            @for (id, what, on) in kinds { (checkbox("kind", id, what, on)) }
        }
    }
}

fn checkbox(name: &str, id: &str, what: &str, on: bool) -> Markup {
    html! { label { input type="checkbox" name=(name) value=(id) checked[on]; " " (what) } " " }
}

/// What is drawn beside the rows, for the script. No `<` of a name can end the element it is in.
fn data(timeline: &Timeline) -> String {
    let place = |version: Option<u64>| {
        timeline.commits.iter().find(|commit| version == Some(commit.version)).map(|commit| commit.row)
    };
    let lanes: Vec<&str> = timeline.lanes.iter().map(|lane| lane.short.as_str()).collect();
    let request = |request: &Request| {
        let Request { row, lane, class, effect, ended, heard, commit, .. } = request;
        let (late, commit) = (!request.late.is_empty(), place(*commit));
        json!({
            "row": row, "lane": lane, "class": class, "effect": effect, "ended": ended, "heard": heard,
            "late": late, "commit": commit,
        })
    };
    let requests: Vec<_> = timeline.requests.iter().map(request).collect();
    let deliveries = timeline.deliveries.iter().map(|delivery| {
        json!({
            "row": delivery.row, "lane": delivery.lane, "commit": place(delivery.version),
            "fingerprint": delivery.fingerprint, "kind": names::kind(&delivery.resource),
            "other": delivery.short.starts_with("BOOKMARK"),
        })
    });
    let bars =
        timeline.bars.iter().map(|bar| json!({ "fingerprint": bar.fingerprint, "from": bar.from, "to": bar.to }));
    let bands = timeline.bands.iter().map(|band| json!({ "lane": band.lane, "from": band.from, "to": band.to }));
    let (deliveries, bars, bands): (Vec<_>, Vec<_>, Vec<_>) = (deliveries.collect(), bars.collect(), bands.collect());
    let letters: Vec<String> = (0..timeline.fingerprints.len()).map(names::letter).collect();
    let violations: Vec<_> = timeline.violations.iter().map(|broken| broken.row).collect();
    json!({
        "lanes": lanes, "letters": letters, "requests": requests, "deliveries": deliveries, "bars": bars,
        "bands": bands, "violations": violations,
    })
    .to_string()
    .replace('<', "\\u003c")
}

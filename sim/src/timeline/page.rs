//! The page: a header, the story in rows, and the same as text. A script draws lanes beside the rows, and filters them.

use maud::{Markup, PreEscaped, html};
use serde_json::json;

use super::{
    names, rows,
    run::Run,
    story::{Request, Story},
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
    let story = Story::of(&run.trace.events());
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
                    p { (subject(run, &story)) }
                    p { "Again: " code { (run.replay) } }
                    @if !story.violations.is_empty() { p { a.jump href="#violation-1" { (jump(&story)) } } }
                }
                details.card { summary { "About the run" } (facts(run, &story)) }
                (happened(&story))
                details.card { summary { "The same as text, in columns" } pre { (text::render(run)) } }
            }
            (made(&run.origin))
            script type="application/json" id="story" { (PreEscaped(data(&story))) }
            script { (PreEscaped(SCRIPT)) }
        },
    )
    .into_string()
}

fn jump(story: &Story) -> String {
    match story.violations.len() {
        1 => "Jump to the violation".to_owned(),
        several => format!("Jump to the first of {several} violations"),
    }
}

fn subject(run: &Run<'_>, story: &Story) -> String {
    let Run { seed, protocol, .. } = run;
    let replicas = plural(story.lanes.iter().filter(|lane| lane.replica).count(), "replica");
    let (signals, requests) = (plural(story.signals.len(), "signal"), plural(story.requests.len(), "request"));
    format!("Seed {seed}, protocol {protocol} ({}); {replicas}, {signals}, {requests}.", protocol.summary())
}

/// What the run was.
fn facts(run: &Run<'_>, story: &Story) -> Markup {
    let facts = [
        ("faults", run.faults.to_owned()),
        ("toolchain", run.toolchain.to_owned()),
        ("hash of all events", format!("{:016x}", run.trace.hash())),
    ];
    let profile = run.profile.iter().map(|(what, value)| (what.as_str(), value.clone()));
    let letters: Vec<String> =
        (0..story.fingerprints.len()).map(|of| format!("fingerprint {}", names::letter(of))).collect();
    let fingerprints = letters.iter().map(String::as_str).zip(story.fingerprints.iter().cloned());
    html! {
        dl.facts {
            @for (what, value) in facts.into_iter().chain(profile).chain(fingerprints) {
                div { dt { (what) } dd { (value) } }
            }
        }
    }
}

/// How to read it, what is shown of it, and the story.
fn happened(story: &Story) -> Markup {
    html! {
        section.card aria-labelledby="happened" {
            h2 id="happened" { "What happened" }
            details.fold { summary { "How to read it" } (PreEscaped(include_str!("legend.html"))) }
            form.fold.controls hidden { details { summary { "What is shown" } (controls(story)) } }
            div.story {
                div.heads aria-hidden="true" {}
                div.lanes aria-hidden="true" {}
                (rows::list(story))
            }
        }
    }
}

fn controls(story: &Story) -> Markup {
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
                @for (index, fingerprint) in story.fingerprints.iter().enumerate() {
                    option value=(index) { (names::letter(index)) " " (names::cut(fingerprint, 13)) }
                }
            }
        }
        fieldset {
            legend { "callers" }
            @for (index, lane) in story.lanes.iter().enumerate() {
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
fn data(story: &Story) -> String {
    let place = |version: Option<u64>| {
        story.commits.iter().find(|commit| version == Some(commit.version)).map(|commit| commit.row)
    };
    let lanes: Vec<&str> = story.lanes.iter().map(|lane| lane.short.as_str()).collect();
    let request = |request: &Request| {
        let Request { row, lane, class, effect, ended, heard, commit, .. } = request;
        let (late, commit) = (!request.late.is_empty(), place(*commit));
        json!({
            "row": row, "lane": lane, "class": class, "effect": effect, "ended": ended, "heard": heard,
            "late": late, "commit": commit,
        })
    };
    let requests: Vec<_> = story.requests.iter().map(request).collect();
    let deliveries = story.deliveries.iter().map(|delivery| {
        json!({
            "row": delivery.row, "lane": delivery.lane, "commit": place(delivery.version),
            "fingerprint": delivery.fingerprint, "kind": names::kind(&delivery.resource),
            "other": delivery.short.starts_with("BOOKMARK"),
        })
    });
    let bars = story.bars.iter().map(|bar| json!({ "fingerprint": bar.fingerprint, "from": bar.from, "to": bar.to }));
    let bands = story.bands.iter().map(|band| json!({ "lane": band.lane, "from": band.from, "to": band.to }));
    let (deliveries, bars, bands): (Vec<_>, Vec<_>, Vec<_>) = (deliveries.collect(), bars.collect(), bands.collect());
    let letters: Vec<String> = (0..story.fingerprints.len()).map(names::letter).collect();
    let violations: Vec<_> = story.violations.iter().map(|broken| broken.row).collect();
    json!({
        "lanes": lanes, "letters": letters, "requests": requests, "deliveries": deliveries, "bars": bars,
        "bands": bands, "violations": violations,
    })
    .to_string()
    .replace('<', "\\u003c")
}

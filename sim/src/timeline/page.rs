//! The page: a header, the diagram that the script draws, and the text for those who cannot see it.

use maud::{Markup, PreEscaped, html};
use serde_json::json;

use super::{names, run::Run, story::Story, text};
use crate::report::document;

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
            header class=(class) {
                p.verdict { (verdict) }
                h1 { (run.headline()) }
                (facts(run, &story))
            }
            (diagram(&story))
            details.fallback { summary { "The same as text" } pre { (text::render(run)) } }
            script type="application/json" id="story" { (PreEscaped(data(&story))) }
            script { (PreEscaped(SCRIPT)) }
        },
    )
    .into_string()
}

/// What the run was.
fn facts(run: &Run<'_>, story: &Story) -> Markup {
    let Run { seed, protocol, faults, profile, commit, toolchain, replay, .. } = run;
    let replicas = story.lanes.iter().filter(|lane| lane.replica).count();
    let rows = [
        ("seed", seed.to_string()),
        ("protocol", format!("{protocol} ({})", protocol.summary())),
        ("faults", (*faults).to_owned()),
        ("replicas", replicas.to_string()),
        ("signals", story.signals.len().to_string()),
        ("requests", story.requests.len().to_string()),
        ("commit", (*commit).to_owned()),
        ("toolchain", (*toolchain).to_owned()),
        ("hash", format!("{:016x}", run.trace.hash())),
    ];
    html! {
        dl.facts { @for (what, value) in rows { div { dt { (what) } dd { (value) } } } }
        p { "Again: " code { (replay) } }
        @if !profile.is_empty() {
            details {
                summary { "Fault profile" }
                dl.facts { @for (what, value) in profile { div { dt { (what) } dd { (value) } } } }
            }
        }
    }
}

/// Controls, an empty diagram and the panel.
fn diagram(story: &Story) -> Markup {
    let kinds = [
        ("rr", "RemediationRequests", true),
        ("lease", "leases", true),
        ("reads", "reads", true),
        ("events", "watch events", true),
        ("other", "everything else", false),
    ];
    html! {
        form.controls aria-label="What is shown" {
            button type="button" id="jump" hidden { "Jump to violation" }
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
        div.view {
            div id="diagram" role="img" tabindex="0"
                aria-label="Timeline; the same as text is at the end of the page" {}
            aside id="panel" aria-live="polite" {
                h2 { "How to read it" }
                (PreEscaped(include_str!("legend.html")))
            }
        }
        noscript { p { "Without scripts, see the text below." } }
    }
}

fn checkbox(name: &str, id: &str, what: &str, on: bool) -> Markup {
    html! { label { input type="checkbox" name=(name) value=(id) checked[on]; " " (what) } " " }
}

/// The story for the script. No `<` of a name can end the element it is in.
fn data(story: &Story) -> String {
    let letters: Vec<String> = (0..story.fingerprints.len()).map(names::letter).collect();
    json!({ "story": story, "letters": letters }).to_string().replace('<', "\\u003c")
}

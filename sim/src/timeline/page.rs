//! The page: a header, the diagram that the script draws, and the text for those who cannot see it.

use std::fmt::Write as _;

use serde_json::json;

use super::{Run, names, story::Story, text};
use crate::report::escape;

const STYLE: &str = concat!(include_str!("../report/palette.css"), include_str!("page.css"));
const SCRIPT: &str =
    concat!("\"use strict\";\n", include_str!("layout.js"), include_str!("draw.js"), include_str!("page.js"));

pub(super) fn render(run: &Run<'_>) -> String {
    let story = Story::of(&run.trace.events());
    let (class, verdict) = run.verdict();
    let title = format!("{verdict}: seed {} under {}", run.seed, run.protocol);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header class=\"{class}\">\n<p class=\"verdict\">{verdict}</p>\n<h1>{}</h1>\n{}</header>\n{}\
         <details class=\"fallback\">\n<summary>The same as text</summary>\n<pre>{}</pre>\n</details>\n\
         <script type=\"application/json\" id=\"story\">{}</script>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        escape(&title),
        escape(&run.headline()),
        facts(run, &story),
        diagram(&story),
        escape(&text::render(run)),
        data(&story),
    )
}

/// What the run was.
fn facts(run: &Run<'_>, story: &Story) -> String {
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
    let mut html = "<dl class=\"facts\">\n".to_owned();
    for (what, value) in rows {
        let _ = writeln!(html, "<div><dt>{what}</dt><dd>{}</dd></div>", escape(&value));
    }
    let _ = writeln!(html, "</dl>\n<p>Again: <code>{}</code></p>", escape(replay));
    if !profile.is_empty() {
        html += "<details><summary>Fault profile</summary>\n<dl class=\"facts\">\n";
        for (what, value) in profile {
            let _ = writeln!(html, "<div><dt>{}</dt><dd>{}</dd></div>", escape(what), escape(value));
        }
        html += "</dl></details>\n";
    }
    html
}

/// Controls, an empty diagram and the panel.
fn diagram(story: &Story) -> String {
    let mut options = "<option value=\"\">all</option>".to_owned();
    for (index, fingerprint) in story.fingerprints.iter().enumerate() {
        let (letter, start) = (names::letter(index), names::cut(fingerprint, 13));
        let _ = write!(options, "<option value=\"{index}\">{letter} {}</option>", escape(&start));
    }
    let kinds = [
        ("rr", "RemediationRequests", true),
        ("lease", "leases", true),
        ("reads", "reads", true),
        ("events", "watch events", true),
        ("other", "everything else", false),
    ];
    let kinds: String = kinds.map(|(id, what, on)| checkbox("kind", id, what, on)).concat();
    let lanes: Vec<String> = story
        .lanes
        .iter()
        .enumerate()
        .map(|(index, lane)| checkbox("lane", &index.to_string(), &lane.short, true))
        .collect();
    format!(
        "<form class=\"controls\" aria-label=\"What is shown\">\n\
         <button type=\"button\" id=\"jump\" hidden>Jump to violation</button>\n\
         <label>fingerprint <select id=\"fingerprint\">{options}</select></label>\n\
         <fieldset><legend>callers</legend>{}</fieldset>\n<fieldset><legend>show</legend>{kinds}</fieldset>\n</form>\n\
         <div class=\"view\">\n<div id=\"diagram\" role=\"img\" tabindex=\"0\" \
         aria-label=\"Timeline; the same as text is at the end of the page\"></div>\n\
         <aside id=\"panel\" aria-live=\"polite\">\n<h2>How to read it</h2>\n{}</aside>\n</div>\n\
         <noscript><p>Without scripts, see the text below.</p></noscript>\n",
        lanes.concat(),
        include_str!("legend.html"),
    )
}

fn checkbox(name: &str, id: &str, what: &str, on: bool) -> String {
    let checked = if on { " checked" } else { "" };
    format!(
        "<label><input type=\"checkbox\" name=\"{name}\" value=\"{}\"{checked}> {}</label>\n",
        escape(id),
        escape(what)
    )
}

/// The story for the script. No `<` of a name can end the element it is in.
fn data(story: &Story) -> String {
    let letters: Vec<String> = (0..story.fingerprints.len()).map(names::letter).collect();
    json!({ "story": story, "letters": letters }).to_string().replace('<', "\\u003c")
}

//! The timeline as rows of text, one to each event that says something, in their order.

use maud::{Markup, html};

use super::{
    model::{Bar, Commit, Micros, Request, Signal, Timeline},
    names,
};

/// Pauses longer than this are named, in microseconds; the script that filters rows has the same.
const PAUSE: Micros = 60_000;

/// A row, and what it can be filtered by.
struct Row {
    /// In the order of events.
    place: usize,
    at: Micros,
    /// Whose it is; a commit is the API's.
    lane: Option<usize>,
    /// None if it is there whatever fingerprint is asked for.
    fingerprint: Option<Option<usize>>,
    /// rr, lease or other; empty for what is neither request nor commit.
    kind: &'static str,
    is_read: bool,
    /// Whether it only matters to those who want to see everything.
    is_other: bool,
    sign: &'static str,
    /// How the result is drawn.
    class: &'static str,
    lead: String,
    result: String,
    details: Vec<String>,
    /// Its number, from 1.
    violation: Option<usize>,
    /// Other rows that it is about.
    near: Vec<usize>,
}

impl Row {
    fn new(place: usize, at: Micros, sign: &'static str, lead: String) -> Self {
        Self {
            place,
            at,
            lane: None,
            fingerprint: None,
            kind: "",
            is_read: false,
            is_other: false,
            sign,
            class: "",
            lead,
            result: String::new(),
            details: Vec::new(),
            violation: None,
            near: Vec::new(),
        }
    }
}

/// The rows, as a list.
pub(super) fn list(timeline: &Timeline) -> Markup {
    let mut rows: Vec<Row> =
        signals(timeline).chain(requests(timeline)).chain(commits(timeline)).chain(notes(timeline)).collect();
    rows.extend(violations(timeline));
    rows.sort_by_key(|row| row.place);
    let mut before = None;
    html! {
        ol.rows {
            @for row in &rows { (item(row, before.replace(row.at), timeline)) }
        }
    }
}

fn item(row: &Row, before: Option<Micros>, timeline: &Timeline) -> Markup {
    let (pause, is_same) = (row.at.saturating_sub(before.unwrap_or(row.at)), before == Some(row.at));
    let gap = (pause > PAUSE).then(|| format!("⋯ {} ms without events", pause / 1000));
    let id = row.violation.map(|number| format!("violation-{number}"));
    let fingerprint = row.fingerprint.map(|of| of.map_or_else(String::new, |index| index.to_string()));
    let near = (!row.near.is_empty()).then(|| row.near.iter().map(usize::to_string).collect::<Vec<_>>().join(" "));
    let next = row.violation.filter(|number| *number < timeline.violations.len());
    let line = html! {
        span.sign { (row.sign) } " " span.lead { (row.lead) }
        @if !row.result.is_empty() { " " span class={ "result " (row.class) } { (row.result) } }
    };
    html! {
        li id=[id] class=[row.violation.map(|_| "violation")] data-row=(row.place) data-at=(row.at) data-lane=[row.lane]
            data-fingerprint=[fingerprint] data-kind=[Some(row.kind).filter(|kind| !kind.is_empty())]
            data-reads[row.is_read] data-other[row.is_other] data-gap=[gap] data-near=[near] data-same[is_same] {
            details {
                summary { span.time { (format!("{:.1}", row.at as f64 / 1e3)) } span.line { (line) } }
                @for text in &row.details { pre { (text) } }
                @if let Some(number) = next { p { a href={ "#violation-" (number + 1) } { "Next violation" } } }
            }
        }
    }
}

/// Who it was, and about which fingerprint, if there are several.
fn who(timeline: &Timeline, lane: usize, fingerprint: Option<usize>) -> String {
    let name = timeline.lanes.get(lane).map_or("", |lane| &lane.short);
    format!("{name}{}:", letter(timeline, fingerprint))
}

fn letter(timeline: &Timeline, fingerprint: Option<usize>) -> String {
    let several = fingerprint.filter(|_| timeline.fingerprints.len() > 1);
    several.map(|fingerprint| format!(" {}", names::letter(fingerprint))).unwrap_or_default()
}

fn signals(timeline: &Timeline) -> impl Iterator<Item = Row> {
    timeline.signals.iter().flat_map(|signal| {
        let Signal { row, number, lane, fingerprint, at, answered, status, short, text } = signal;
        let row_of = |place, at, sign, result| Row {
            lane: Some(*lane),
            fingerprint: Some(Some(*fingerprint)),
            class: if (200..300).contains(status) { "ok" } else { "bad" },
            result,
            details: vec![text.clone()],
            ..Row::new(place, at, sign, format!("{} signal {number}", who(timeline, *lane, Some(*fingerprint))))
        };
        let arrives = row_of(*row, *at, "»", String::new());
        [Some(arrives), answered.map(|(place, at)| row_of(place, at, "«", format!("answered {short}")))]
            .into_iter()
            .flatten()
    })
}

fn requests(timeline: &Timeline) -> impl Iterator<Item = Row> {
    timeline.requests.iter().map(|request| {
        let Request { row, at, lane, fingerprint, short, late, result, .. } = request;
        let late = if late.is_empty() { String::new() } else { format!("{late} → ") };
        Row {
            lane: Some(*lane),
            fingerprint: Some(*fingerprint),
            kind: names::kind(&request.resource),
            is_read: request.class == "read",
            is_other: short.starts_with("watch ") || (short.starts_with("list ") && fingerprint.is_none()),
            class: request.class,
            result: format!("→ {late}{result}"),
            details: vec![request.text.clone()],
            ..Row::new(*row, *at, "→", format!("{} {short}", who(timeline, *lane, *fingerprint)))
        }
    })
}

fn commits(timeline: &Timeline) -> impl Iterator<Item = Row> {
    timeline.commits.iter().map(|commit| {
        let Commit { row, at, version, by, fingerprint, short, .. } = commit;
        let lead = format!("@{version}{} {short} by {}", letter(timeline, *fingerprint), names::caller(by));
        let deliveries = timeline.deliveries.iter().filter(|delivery| delivery.version == Some(*version));
        let heard: Vec<&str> = deliveries.map(|delivery| delivery.text.as_str()).collect();
        Row {
            fingerprint: Some(*fingerprint),
            kind: names::kind(&commit.resource),
            is_other: by == "seed",
            details: [commit.text.clone(), heard.join("\n")].into_iter().filter(|text| !text.is_empty()).collect(),
            ..Row::new(*row, *at, "●", lead)
        }
    })
}

fn notes(timeline: &Timeline) -> impl Iterator<Item = Row> {
    timeline.notes.iter().map(|note| {
        let lead = note.lane.map_or_else(|| "Kubernetes API:".to_owned(), |lane| who(timeline, lane, None));
        let (result, class) = (note.text.clone(), "note");
        Row { lane: note.lane, is_other: note.at == 0, result, class, ..Row::new(note.row, note.at, "═", lead) }
    })
}

fn violations(timeline: &Timeline) -> impl Iterator<Item = Row> {
    timeline.violations.iter().enumerate().map(|(index, broken)| {
        let by = |version: Option<u64>| version.is_some() && version == broken.version;
        let mut details = Vec::new();
        details
            .extend(timeline.requests.iter().filter(|request| by(request.commit)).map(|request| request.text.clone()));
        let is_alive = |bar: &&Bar| bar.from <= broken.row && bar.to.is_none_or(|to| to > broken.row);
        let lives = timeline.bars.iter().filter(|bar| Some(bar.fingerprint) == broken.fingerprint).filter(is_alive);
        let mut near: Vec<usize> = lives.clone().map(|bar| bar.from).collect();
        near.extend(timeline.commits.iter().filter(|commit| by(Some(commit.version))).map(|commit| commit.row));
        details.extend(lives.map(|bar| format!("{} is active\n{}", bar.name, bar.text)));
        Row {
            result: broken.message.clone(),
            details,
            violation: Some(index + 1),
            near,
            ..Row::new(broken.row, broken.at, "✕", format!("VIOLATION of {}:", broken.oracle))
        }
    })
}

//! The timeline in columns: one for each replica, one for the Kubernetes API, one for all others.

use std::{fmt::Write as _, time::Duration};

use harness::trace::{API, Event, What, words};

use super::{
    model::{Request, Timeline, micros},
    names,
    run::Run,
};

/// Characters of a line at most.
const WIDTH: usize = 160;
const TIME: usize = 11;
/// The API's column, for commits and refusals.
const COMMITS: usize = 36;
/// The column of all who are no replicas.
const OTHERS: usize = 26;
/// Pauses longer than this get a line of their own.
const PAUSE: Duration = Duration::from_millis(500);

const LEGEND: &str = "\
  » n      signal n arrives              « n      signal n is answered: status, number on its RemediationRequest
  → n      request n is sent             ← n      request n is answered
  ✕ n      request n or its answer is lost, or its caller is gone
  ● @v     the store commits version v   ○ n      request n is read, or refused
  ~        a watch event arrives         !        a fault: what happens to this request
  ═        started, crashed, paused …    >>>      a violation
  A, B …   fingerprints                  …1a2b    the end of a RemediationRequest's name
";

pub(super) fn render(run: &Run<'_>) -> String {
    let events = run.trace.events();
    let timeline = Timeline::of(&events);
    let mut text = title(run, &timeline);
    let table = Table::of(&timeline);
    text += &table.head(&timeline);
    let mut last = None;
    for event in &events {
        let Some((column, cell)) = cell(event, &timeline) else { continue };
        let pause = last.map_or(Duration::ZERO, |last| event.at.saturating_sub(last));
        if pause > PAUSE {
            let _ = writeln!(text, "{:>TIME$} ⋯ {} without events", "", words::time(pause));
        }
        last = Some(event.at);
        let ms = event.at.as_micros() as f64 / 1e3;
        match column {
            Column::Across => {
                let _ = writeln!(text, "{}", names::cut(&format!("{ms:>TIME$.1} {cell}"), WIDTH));
            }
            column => text += &table.line(&format!("{ms:.1}"), column, &cell),
        }
    }
    text
}

fn title(run: &Run<'_>, timeline: &Timeline) -> String {
    let Run { seed, protocol, faults, profile, origin, toolchain, replay, .. } = run;
    let mut text = format!("{}  {}\n", run.verdict().1, run.headline());
    let _ = writeln!(text, "seed {seed}, protocol {protocol}, faults {faults}, commit {}, {toolchain}", origin.commit);
    let _ = writeln!(text, "replay: {replay}");
    for (what, value) in profile {
        let _ = writeln!(text, "  {what}: {value}");
    }
    for (index, fingerprint) in timeline.fingerprints.iter().enumerate() {
        let _ = writeln!(text, "  {} = {fingerprint}", names::letter(index));
    }
    text + "\n" + LEGEND + "\n"
}

/// Where an event is told.
#[derive(Clone, Copy)]
enum Column {
    Lane(usize),
    Api,
    Across,
}

/// How wide the columns are.
struct Table {
    /// For each lane: its column.
    places: Vec<usize>,
    replicas: usize,
    width: usize,
    others: bool,
}

impl Table {
    fn of(timeline: &Timeline) -> Self {
        let replicas = timeline.lanes.iter().filter(|lane| lane.replica).count();
        let others = timeline.lanes.len() > replicas;
        let rest = WIDTH - TIME - COMMITS - 3 - if others { OTHERS + 1 } else { 0 };
        let width = (rest / replicas.max(1)).saturating_sub(1).clamp(4, 40);
        let places = (0..timeline.lanes.len()).map(|lane| lane.min(replicas)).collect();
        Self { places, replicas, width, others }
    }

    fn head(&self, timeline: &Timeline) -> String {
        let mut cells: Vec<String> = timeline.lanes.iter().take(self.replicas).map(|lane| lane.short.clone()).collect();
        cells.push("Kubernetes API".to_owned());
        if self.others {
            cells.push("others".to_owned());
        }
        let head = self.row("ms", &cells);
        let rule = "─".repeat(head.trim_end().chars().count());
        format!("{head}{rule}\n")
    }

    /// A line with one cell filled.
    fn line(&self, time: &str, column: Column, cell: &str) -> String {
        let mut cells = vec![String::new(); self.replicas + 1 + usize::from(self.others)];
        let place = match column {
            Column::Lane(lane) => {
                let place = self.places.get(lane).copied().unwrap_or(self.replicas);
                // Others come after the API.
                if place < self.replicas { place } else { self.replicas + 1 }
            }
            Column::Api | Column::Across => self.replicas,
        };
        if let Some(place) = cells.get_mut(place) {
            cell.clone_into(place);
        }
        self.row(time, &cells)
    }

    fn row(&self, time: &str, cells: &[String]) -> String {
        let mut row = format!("{time:>TIME$} ");
        for (index, cell) in cells.iter().enumerate() {
            let width = match index {
                index if index < self.replicas => self.width,
                index if index == self.replicas => COMMITS,
                _ => OTHERS,
            };
            let _ = write!(row, "│{:<width$}", names::cut(cell, width));
        }
        format!("{}\n", row.trim_end())
    }
}

fn cell(event: &Event, timeline: &Timeline) -> Option<(Column, String)> {
    let lane = timeline.lane(&event.actor).map_or(Column::Api, Column::Lane);
    let request = |number: u64| timeline.requests.iter().find(|request| request.number == number);
    let letter = |fingerprint: Option<usize>| match fingerprint {
        Some(fingerprint) if timeline.fingerprints.len() > 1 => format!("{} ", names::letter(fingerprint)),
        _ => String::new(),
    };
    Some(match &event.what {
        What::Posted { signal, fingerprint } => {
            let fingerprint = timeline.fingerprints.iter().position(|known| known == fingerprint);
            (lane, format!("» {signal} {}", letter(fingerprint)))
        }
        What::Replied { signal, .. } => {
            let short = timeline.signals.iter().find(|known| known.number == *signal).map(|known| known.short.as_str());
            (lane, format!("« {signal} {}", short.unwrap_or_default()))
        }
        What::Sent(sent) => {
            let Request { short, fingerprint, .. } = request(sent.request)?;
            let fault = fault(&sent.fault);
            (lane, format!("→ {} {}{short}{fault}", sent.request, letter(*fingerprint)))
        }
        What::TookEffect { request: number, code, reason, items, version } => {
            if request(*number).is_some_and(|request| request.commit.is_some()) {
                return None;
            }
            let mut text = format!("○ {number} {code} {reason}");
            let _ = items.map(|items| write!(text, "{items} found "));
            let _ = version.map(|version| write!(text, "@{version}"));
            (Column::Api, text)
        }
        What::Ended { request: number, .. } => {
            let Request { result, heard, .. } = request(*number)?;
            (lane, format!("{} {number} {result}", if *heard { "←" } else { "✕" }))
        }
        What::Committed(commit) => {
            let found =
                timeline.commits.iter().find(|known| (known.version, known.at) == (commit.version, micros(event)))?;
            if found.by == "seed" {
                return None;
            }
            let (letter, by) = (letter(found.fingerprint), names::caller(&found.by));
            (Column::Api, format!("● @{} {letter}{} by {by}", commit.version, found.short))
        }
        What::Delivered { kind, .. } if kind == "BOOKMARK" => return None,
        What::Delivered { kind, name, version, .. } => {
            let version = version.map(|version| format!(" @{version}")).unwrap_or_default();
            (lane, format!("~ {kind} {}{version}", names::object(name)))
        }
        What::WatchEnded { how, .. } => (lane, format!("~ ! watch {how}")),
        What::Life(life) => (lane, format!("═ {}", life.words())),
        What::Note(text) if event.actor == API => (Column::Api, format!("! {text}")),
        What::Note(text) => (lane, format!("! {text}")),
        What::Violation { oracle, message, .. } => {
            (Column::Across, format!(">>> VIOLATION of {oracle}: {message} <<<"))
        }
    })
}

/// What goes wrong with a request; latencies of the usual kind are nothing.
fn fault(fault: &embedded_apiserver::Fault) -> String {
    let mut told = fault.clone();
    let usual = Duration::from_millis(100);
    if told.delay_before < usual && told.delay_after < usual {
        (told.delay_before, told.delay_after) = (Duration::ZERO, Duration::ZERO);
    }
    let words = words::fate(&told);
    if words.is_empty() { words } else { format!(" ! {words}") }
}

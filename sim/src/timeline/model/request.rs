//! A request to the Kubernetes API, from its sending to its answer.

use std::time::Duration;

use super::time::{Micros, micros};
use crate::timeline::names;
use embedded_apiserver::{Ending, Fault};
use harness::trace::{Event, Sent, What, words};

/// One way that takes longer than this is told.
const LATE: Duration = Duration::from_millis(100);

/// A request, as it is drawn.
#[derive(Debug)]
pub(in crate::timeline) struct Request {
    pub(in crate::timeline) number: u64,
    pub(in crate::timeline) lane: usize,
    pub(in crate::timeline) fingerprint: Option<usize>,
    /// The plural, with the subresource.
    pub(in crate::timeline) resource: String,
    /// What it asks for.
    pub(in crate::timeline) short: String,
    /// What came of it.
    pub(in crate::timeline) result: String,
    /// read, done, refused, failed or open: how it is drawn.
    pub(in crate::timeline) class: &'static str,
    /// Why it is late, empty if it is not.
    pub(in crate::timeline) late: String,
    pub(in crate::timeline) row: usize,
    pub(in crate::timeline) at: Micros,
    /// Where it took effect.
    pub(in crate::timeline) effect: Option<usize>,
    /// Where its sender heard of it, or would have.
    pub(in crate::timeline) ended: Option<usize>,
    /// Whether its sender heard of it.
    pub(in crate::timeline) heard: bool,
    /// The version that it committed.
    pub(in crate::timeline) commit: Option<u64>,
    /// All that is known, a line each.
    pub(in crate::timeline) text: String,
    is_read: bool,
    applied: String,
}

impl Request {
    /// A request that was just sent.
    pub(super) fn new(row: usize, event: &Event, sent: &Sent, lane: usize, fingerprint: Option<usize>) -> Self {
        let Sent { verb, resource, name, version, .. } = sent;
        let mut short = format!("{verb} {}", names::resource(resource));
        for (before, text) in [(" ", names::object(name)), (" @", version.clone())] {
            if !text.is_empty() {
                short = format!("{short}{before}{text}");
            }
        }
        Self {
            number: sent.request,
            lane,
            fingerprint,
            resource: resource.clone(),
            short,
            result: "under way".to_owned(),
            class: "open",
            late: late(&sent.fault),
            row,
            at: micros(event),
            effect: None,
            ended: None,
            heard: false,
            commit: None,
            text: event.to_string(),
            is_read: matches!(*verb, "get" | "list" | "watch"),
            applied: String::new(),
        }
    }

    /// Adds what came of it.
    pub(super) fn add(&mut self, row: usize, event: &Event, commit: Option<u64>) {
        self.text = format!("{}\n{event}", self.text);
        match &event.what {
            What::TookEffect { code, reason, items, .. } => {
                self.effect = Some(row);
                self.commit = commit.filter(|_| !self.is_read);
                let found = items.map(|items| format!("{items} found")).unwrap_or_default();
                self.applied = format!("{code} {reason}{found}").trim_end().to_owned();
            }
            What::Ended { ending, .. } => self.end(row, *ending),
            _ => {}
        }
    }

    fn end(&mut self, row: usize, ending: Ending) {
        self.ended = Some(row);
        self.heard = matches!(ending, Ending::Code(_));
        let took_effect = self.effect.is_some();
        self.result = match ending {
            Ending::Code(code) if took_effect && self.applied.starts_with(&code.to_string()) => self.applied.clone(),
            Ending::Code(code) if took_effect => format!("{code} (took effect: {})", self.applied),
            Ending::Code(code) => code.to_string(),
            Ending::Reset if took_effect => format!("{}, answer lost", self.applied),
            Ending::Reset => "request lost".to_owned(),
            Ending::Unheard(_) if took_effect => format!("{}, too late: the caller gave up", self.applied),
            Ending::Unheard(_) | Ending::Dropped if !took_effect => "dropped".to_owned(),
            Ending::Unheard(_) | Ending::Dropped => format!("{}, the caller is gone", self.applied),
        };
        self.class = match ending {
            Ending::Code(200..300) if self.is_read => "read",
            Ending::Code(200..300) => "done",
            Ending::Code(400..429) => "refused",
            _ => "failed",
        };
    }
}

fn late(fault: &Fault) -> String {
    let Fault { delay_before, delay_after, cache_lag, .. } = fault;
    let mut late = Vec::new();
    for (delay, what) in [(delay_before, "under way"), (delay_after, "its answer"), (cache_lag, "stale by")] {
        if *delay >= LATE {
            late.push(format!("{what} {}", words::time(*delay)));
        }
    }
    late.join(", ")
}

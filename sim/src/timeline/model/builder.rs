//! Joins events, one after the other.

use std::collections::BTreeMap;

use harness::trace::{Committed, Event, Life, Sent, What};

use super::{
    parts::{Band, Bar, Broken, Commit, Delivery, Note, Signal, Timeline},
    request::Request,
    time::{Micros, micros},
};
use crate::timeline::names;

/// The timeline so far, and what is needed to go on.
#[derive(Default)]
pub(super) struct Builder {
    pub(super) timeline: Timeline,
    /// Of the event that is told: its place in the order of events.
    row: usize,
    /// Where requests and signals of a number are.
    requests: BTreeMap<u64, usize>,
    signals: BTreeMap<u64, usize>,
    /// Fingerprints by the names of what belongs to them.
    owners: BTreeMap<String, usize>,
    /// Of the newest commit, until the request that made it is known.
    fresh: Option<(String, u64)>,
}

impl Builder {
    /// Adds one event; they come in their order.
    pub(super) fn add(&mut self, row: usize, event: &Event) {
        let at = micros(event);
        self.row = row;
        let lane = self.timeline.lane(&event.actor);
        match &event.what {
            What::Posted { signal, fingerprint } => self.posted(event, *signal, fingerprint),
            What::Replied { signal, status, detail, count } => {
                let short = match count {
                    Some(count) => format!("{status} #{count}"),
                    None if *status == 0 => "gave up".to_owned(),
                    None => status.to_string(),
                };
                if let Some(signal) = self.signals.get(signal).and_then(|index| self.timeline.signals.get_mut(*index)) {
                    signal.answered = Some((row, at));
                    signal.status = *status;
                    let name = if count.is_some() { names::object(detail) } else { String::new() };
                    signal.short = format!("{short} {name}").trim_end().to_owned();
                    signal.text = format!("{}\n{event}", signal.text);
                }
            }
            What::Sent(sent) => self.sent(event, sent),
            What::TookEffect { request, .. } | What::Ended { request, .. } => {
                let fresh = self.fresh.take().filter(|(caller, _)| *caller == event.actor);
                if let Some(index) = self.requests.get(request)
                    && let Some(request) = self.timeline.requests.get_mut(*index)
                {
                    request.add(row, event, fresh.map(|(_, version)| version));
                }
            }
            What::Committed(commit) => self.committed(event, commit),
            What::Delivered { resource, kind, name, version } => {
                let short = format!("{kind} {}", names::object(name));
                self.delivered(event, resource, name, *version, short);
            }
            What::WatchEnded { resource, how } => self.delivered(event, resource, "", None, format!("watch {how}")),
            What::Life(life) => self.lived(at, lane, *life),
            What::Note(text) => self.timeline.notes.push(Note { row, at, lane, text: text.clone() }),
            What::Violation { oracle, version, message } => {
                let broken = self.timeline.commits.iter().find(|commit| Some(commit.version) == *version);
                let fingerprint = broken.and_then(|commit| commit.fingerprint).or_else(|| self.named_in(message));
                let (oracle, version, message) = (oracle.clone(), *version, message.clone());
                self.timeline.violations.push(Broken { row, at, oracle, message, version, fingerprint });
            }
        }
    }

    fn fingerprint(&mut self, fingerprint: &str) -> usize {
        let known = self.timeline.fingerprints.iter().position(|known| known == fingerprint);
        known.unwrap_or_else(|| {
            self.timeline.fingerprints.push(fingerprint.to_owned());
            self.timeline.fingerprints.len() - 1
        })
    }

    /// The fingerprint that a text names.
    fn named_in(&self, text: &str) -> Option<usize> {
        self.timeline.fingerprints.iter().position(|fingerprint| text.contains(fingerprint.as_str()))
    }

    /// Which fingerprint an object or a selector is about, as far as that is known.
    fn about(&self, name: &str, selector: &str) -> Option<usize> {
        let named = |fingerprint: &String| match name.strip_prefix("gw-lock-") {
            Some(start) => fingerprint.starts_with(start),
            None => name.is_empty() && selector.contains(fingerprint.as_str()),
        };
        self.owners.get(name).copied().or_else(|| self.timeline.fingerprints.iter().position(named)).or_else(|| {
            let start = name.strip_prefix("rr-")?.split('-').next().filter(|start| start.len() == 12)?;
            self.timeline.fingerprints.iter().position(|fingerprint| fingerprint.starts_with(start))
        })
    }

    fn posted(&mut self, event: &Event, number: u64, fingerprint: &str) {
        let fingerprint = self.fingerprint(fingerprint);
        let Some(lane) = self.timeline.lane(&event.actor) else { return };
        self.signals.insert(number, self.timeline.signals.len());
        let (short, text) = ("no answer".to_owned(), event.to_string());
        let at = micros(event);
        self.timeline.signals.push(Signal {
            row: self.row,
            number,
            lane,
            fingerprint,
            at,
            answered: None,
            status: 0,
            short,
            text,
        });
    }

    fn sent(&mut self, event: &Event, sent: &Sent) {
        let fingerprint = self.about(&sent.name, &sent.selector);
        let Some(lane) = self.timeline.lane(&event.actor) else { return };
        self.requests.insert(sent.request, self.timeline.requests.len());
        self.timeline.requests.push(Request::new(self.row, event, sent, lane, fingerprint));
    }

    fn committed(&mut self, event: &Event, commit: &Committed) {
        let at = micros(event);
        let Committed { version, verb, resource, name, .. } = commit;
        let fingerprint = match commit.fingerprint.as_str() {
            "" => self.about(name, ""),
            fingerprint => Some(self.fingerprint(fingerprint)),
        };
        if let Some(fingerprint) = fingerprint.filter(|_| !commit.fingerprint.is_empty()) {
            self.owners.insert(name.clone(), fingerprint);
            self.lives(commit, fingerprint);
        }
        self.fresh = Some((event.actor.clone(), *version));
        let short = format!("{verb} {} {}", names::resource(resource), names::object(name)).trim_end().to_owned();
        let (by, resource, text) = (event.actor.clone(), resource.clone(), event.to_string());
        self.timeline.commits.push(Commit {
            row: self.row,
            at,
            version: *version,
            by,
            fingerprint,
            resource,
            short,
            text,
        });
    }

    /// Begins or ends the bar of a RemediationRequest.
    fn lives(&mut self, commit: &Committed, fingerprint: usize) {
        let row = self.row;
        let mut bars = self.timeline.bars.iter_mut();
        let bar = bars.find(|bar| bar.name == commit.name && bar.to.is_none());
        let text = format!("@{} {}", commit.version, commit.summary);
        match (bar, commit.active) {
            (Some(bar), active) => {
                bar.text = format!("{}\n{text}", bar.text);
                bar.to = (!active).then_some(row);
            }
            (None, true) => {
                let name = commit.name.clone();
                self.timeline.bars.push(Bar { fingerprint, name, from: row, to: None, text });
            }
            (None, false) => {}
        }
    }

    fn delivered(&mut self, event: &Event, resource: &str, name: &str, version: Option<u64>, short: String) {
        let Some(lane) = self.timeline.lane(&event.actor) else { return };
        let (row, fingerprint) = (self.row, self.about(name, ""));
        let (resource, text) = (resource.to_owned(), event.to_string());
        self.timeline.deliveries.push(Delivery { row, lane, version, fingerprint, resource, short, text });
    }

    fn lived(&mut self, at: Micros, lane: Option<usize>, life: Life) {
        let row = self.row;
        let begins = matches!(life, Life::Crashed | Life::Stopped | Life::Paused | Life::CutOff);
        let ends: &[Life] = match life {
            Life::Started => &[Life::Crashed, Life::Stopped, Life::Paused],
            Life::Crashed | Life::Stopped | Life::Resumed => &[Life::Paused],
            Life::Reconnected => &[Life::CutOff],
            Life::Healed => &[Life::Paused, Life::CutOff],
            Life::Paused | Life::CutOff => &[],
        };
        for band in self
            .timeline
            .bands
            .iter_mut()
            .filter(|band| band.to.is_none() && (band.lane == lane || life == Life::Healed))
        {
            if ends.iter().any(|ended| ended.words() == band.what) {
                band.to = Some(row);
            }
        }
        if begins {
            self.timeline.bands.push(Band { lane, what: life.words(), from: row, to: None });
        }
        self.timeline.notes.push(Note { row, at, lane, text: life.words().to_owned() });
    }
}

//! From single events to what they are about: a request with its answer, a RemediationRequest with its life.

use std::collections::BTreeMap;

use harness::trace::{API, Committed, Event, Life, Sent, What};
use serde::Serialize;

use super::names;

mod request;

pub(super) use self::request::Request;

/// Microseconds since the run began.
pub(super) type Micros = u64;

/// A run, joined. Times are in microseconds.
#[derive(Debug, Default, Serialize)]
pub(super) struct Story {
    /// Who sends requests, replicas first.
    pub(super) lanes: Vec<Lane>,
    /// Fingerprints in the order of their appearance.
    pub(super) fingerprints: Vec<String>,
    pub(super) requests: Vec<Request>,
    pub(super) signals: Vec<Signal>,
    pub(super) commits: Vec<Commit>,
    pub(super) deliveries: Vec<Delivery>,
    pub(super) bands: Vec<Band>,
    pub(super) bars: Vec<Bar>,
    pub(super) notes: Vec<Note>,
    pub(super) violations: Vec<Broken>,
    /// The last moment.
    pub(super) end: Micros,
}

/// A caller.
#[derive(Debug, Serialize)]
pub(super) struct Lane {
    pub(super) name: String,
    pub(super) short: String,
    pub(super) replica: bool,
}

/// A signal posted to a replica.
#[derive(Debug, Serialize)]
pub(super) struct Signal {
    pub(super) number: u64,
    pub(super) lane: usize,
    pub(super) fingerprint: usize,
    pub(super) at: Micros,
    pub(super) answered: Option<Micros>,
    pub(super) status: u16,
    pub(super) short: String,
    pub(super) text: String,
}

/// A committed write.
#[derive(Debug, Serialize)]
pub(super) struct Commit {
    pub(super) at: Micros,
    pub(super) version: u64,
    pub(super) by: String,
    pub(super) fingerprint: Option<usize>,
    pub(super) resource: String,
    pub(super) short: String,
    pub(super) text: String,
}

/// A watch event that arrived, or the end of a watch.
#[derive(Debug, Serialize)]
pub(super) struct Delivery {
    pub(super) at: Micros,
    pub(super) lane: usize,
    pub(super) version: Option<u64>,
    pub(super) fingerprint: Option<usize>,
    pub(super) resource: String,
    pub(super) short: String,
    pub(super) text: String,
}

/// A time in which a replica, or the API, is not what it should be.
#[derive(Debug, Serialize)]
pub(super) struct Band {
    /// None for the API.
    pub(super) lane: Option<usize>,
    pub(super) what: &'static str,
    pub(super) from: Micros,
    pub(super) to: Option<Micros>,
}

/// The time in which a RemediationRequest was active.
#[derive(Debug, Serialize)]
pub(super) struct Bar {
    pub(super) fingerprint: usize,
    pub(super) name: String,
    pub(super) short: String,
    pub(super) by: String,
    pub(super) from: Micros,
    pub(super) to: Option<Micros>,
    /// What it came to.
    pub(super) text: String,
}

/// Anything else.
#[derive(Debug, Serialize)]
pub(super) struct Note {
    pub(super) at: Micros,
    /// None for the API.
    pub(super) lane: Option<usize>,
    pub(super) text: String,
}

/// Something that did not hold.
#[derive(Debug, Serialize)]
pub(super) struct Broken {
    pub(super) at: Micros,
    pub(super) oracle: String,
    pub(super) message: String,
    /// Of the write that broke it; none at the end of the run.
    pub(super) version: Option<u64>,
    pub(super) fingerprint: Option<usize>,
}

impl Story {
    /// Joins `events`.
    pub(super) fn of(events: &[Event]) -> Self {
        let mut teller = Teller::default();
        teller.story.lanes = lanes(events);
        events.iter().for_each(|event| teller.tell(event));
        teller.story
    }

    /// The lane of a caller.
    pub(super) fn lane(&self, name: &str) -> Option<usize> {
        self.lanes.iter().position(|lane| lane.name == name)
    }
}

/// Replicas by name, then all others that do more than commit.
fn lanes(events: &[Event]) -> Vec<Lane> {
    let mut replica: BTreeMap<&str, bool> = BTreeMap::new();
    for Event { actor, what, .. } in events.iter().filter(|event| event.actor != API) {
        let lives = matches!(what, What::Life(_) | What::Posted { .. });
        if lives || !matches!(what, What::Committed(_) | What::Violation { .. }) {
            *replica.entry(actor).or_default() |= lives;
        }
    }
    let mut lanes: Vec<Lane> = replica
        .into_iter()
        .map(|(name, replica)| Lane { name: name.to_owned(), short: names::caller(name), replica })
        .collect();
    lanes.sort_by_key(|lane| (!lane.replica, lane.name.len(), lane.name.clone()));
    lanes
}

#[derive(Default)]
struct Teller {
    story: Story,
    /// Where requests and signals of a number are.
    requests: BTreeMap<u64, usize>,
    signals: BTreeMap<u64, usize>,
    /// Fingerprints by the names of what belongs to them.
    owners: BTreeMap<String, usize>,
    /// Of the newest commit, until the request that made it is known.
    fresh: Option<(String, u64)>,
}

impl Teller {
    fn tell(&mut self, event: &Event) {
        let at = micros(event);
        self.story.end = self.story.end.max(at);
        let lane = self.story.lane(&event.actor);
        match &event.what {
            What::Posted { signal, fingerprint } => self.posted(event, *signal, fingerprint),
            What::Replied { signal, status, detail, count } => {
                let short = match count {
                    Some(count) => format!("{status} #{count}"),
                    None if *status == 0 => "gave up".to_owned(),
                    None => status.to_string(),
                };
                if let Some(signal) = self.signals.get(signal).and_then(|index| self.story.signals.get_mut(*index)) {
                    signal.answered = Some(at);
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
                    && let Some(request) = self.story.requests.get_mut(*index)
                {
                    request.add(event, fresh.map(|(_, version)| version));
                }
            }
            What::Committed(commit) => self.committed(event, commit),
            What::Delivered { resource, kind, name, version } => {
                let short = format!("{kind} {}", names::object(name));
                self.delivered(event, resource, name, *version, short);
            }
            What::WatchEnded { resource, how } => self.delivered(event, resource, "", None, format!("watch {how}")),
            What::Life(life) => self.lived(at, lane, *life),
            What::Note(text) => self.story.notes.push(Note { at, lane, text: text.clone() }),
            What::Violation { oracle, version, message } => {
                let broken = self.story.commits.iter().find(|commit| Some(commit.version) == *version);
                let fingerprint = broken.and_then(|commit| commit.fingerprint).or_else(|| self.named_in(message));
                let (oracle, version, message) = (oracle.clone(), *version, message.clone());
                self.story.violations.push(Broken { at, oracle, message, version, fingerprint });
            }
        }
    }

    fn fingerprint(&mut self, fingerprint: &str) -> usize {
        let known = self.story.fingerprints.iter().position(|known| known == fingerprint);
        known.unwrap_or_else(|| {
            self.story.fingerprints.push(fingerprint.to_owned());
            self.story.fingerprints.len() - 1
        })
    }

    /// The fingerprint that a text names.
    fn named_in(&self, text: &str) -> Option<usize> {
        self.story.fingerprints.iter().position(|fingerprint| text.contains(fingerprint.as_str()))
    }

    /// Which fingerprint an object or a selector is about, as far as that is known.
    fn about(&self, name: &str, selector: &str) -> Option<usize> {
        let named = |fingerprint: &String| match name.strip_prefix("gw-lock-") {
            Some(start) => fingerprint.starts_with(start),
            None => name.is_empty() && selector.contains(fingerprint.as_str()),
        };
        self.owners.get(name).copied().or_else(|| self.story.fingerprints.iter().position(named)).or_else(|| {
            let start = name.strip_prefix("rr-")?.split('-').next().filter(|start| start.len() == 12)?;
            self.story.fingerprints.iter().position(|fingerprint| fingerprint.starts_with(start))
        })
    }

    fn posted(&mut self, event: &Event, number: u64, fingerprint: &str) {
        let fingerprint = self.fingerprint(fingerprint);
        let Some(lane) = self.story.lane(&event.actor) else { return };
        self.signals.insert(number, self.story.signals.len());
        let (short, text) = ("no answer".to_owned(), event.to_string());
        let at = micros(event);
        self.story.signals.push(Signal { number, lane, fingerprint, at, answered: None, status: 0, short, text });
    }

    fn sent(&mut self, event: &Event, sent: &Sent) {
        let fingerprint = self.about(&sent.name, &sent.selector);
        let Some(lane) = self.story.lane(&event.actor) else { return };
        self.requests.insert(sent.request, self.story.requests.len());
        self.story.requests.push(Request::new(event, sent, lane, fingerprint));
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
            self.lives(at, &event.actor, commit, fingerprint);
        }
        self.fresh = Some((event.actor.clone(), *version));
        let short = format!("{verb} {} {}", names::resource(resource), names::object(name)).trim_end().to_owned();
        let (by, resource, text) = (event.actor.clone(), resource.clone(), event.to_string());
        self.story.commits.push(Commit { at, version: *version, by, fingerprint, resource, short, text });
    }

    /// Begins or ends the bar of a RemediationRequest.
    fn lives(&mut self, at: Micros, by: &str, commit: &Committed, fingerprint: usize) {
        let mut bars = self.story.bars.iter_mut();
        let bar = bars.find(|bar| bar.name == commit.name && bar.to.is_none());
        let text = format!("@{} {}", commit.version, commit.summary);
        match (bar, commit.active) {
            (Some(bar), active) => {
                bar.text = format!("{}\n{text}", bar.text);
                bar.to = (!active).then_some(at);
            }
            (None, true) => {
                let (name, short, by) = (commit.name.clone(), names::object(&commit.name), by.to_owned());
                self.story.bars.push(Bar { fingerprint, name, short, by, from: at, to: None, text });
            }
            (None, false) => {}
        }
    }

    fn delivered(&mut self, event: &Event, resource: &str, name: &str, version: Option<u64>, short: String) {
        let Some(lane) = self.story.lane(&event.actor) else { return };
        let (at, fingerprint) = (micros(event), self.about(name, ""));
        let (resource, text) = (resource.to_owned(), event.to_string());
        self.story.deliveries.push(Delivery { at, lane, version, fingerprint, resource, short, text });
    }

    fn lived(&mut self, at: Micros, lane: Option<usize>, life: Life) {
        let begins = matches!(life, Life::Crashed | Life::Stopped | Life::Paused | Life::CutOff);
        let ends: &[Life] = match life {
            Life::Started => &[Life::Crashed, Life::Stopped, Life::Paused],
            Life::Crashed | Life::Stopped | Life::Resumed => &[Life::Paused],
            Life::Reconnected => &[Life::CutOff],
            Life::Paused | Life::CutOff => &[],
        };
        for band in self.story.bands.iter_mut().filter(|band| band.lane == lane && band.to.is_none()) {
            if ends.iter().any(|ended| ended.words() == band.what) {
                band.to = Some(at);
            }
        }
        if begins {
            self.story.bands.push(Band { lane, what: life.words(), from: at, to: None });
        }
        self.story.notes.push(Note { at, lane, text: life.words().to_owned() });
    }
}

pub(super) fn micros(event: &Event) -> Micros {
    u64::try_from(event.at.as_micros()).unwrap_or(u64::MAX)
}

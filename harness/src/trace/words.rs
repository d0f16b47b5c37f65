//! Events in words.

use std::{fmt, time::Duration};

use super::event::{Committed, Sent, What};
use embedded_apiserver::{Effect, Ending, Fault};

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Posted { signal, fingerprint } => write!(f, "signal {signal} of {fingerprint} arrives"),
            Self::Replied { signal, status: 0, .. } => write!(f, "signal {signal} is waited for no longer"),
            Self::Replied { signal, status, detail, count } => {
                write!(f, "signal {signal} is answered {status} {detail}")?;
                count.map_or(Ok(()), |count| write!(f, ", number {count} on it"))
            }
            Self::Sent(sent) => write!(f, "{sent}"),
            Self::TookEffect { request, code, reason, version, items } => {
                write!(f, "request {request} takes effect: {code} {reason}")?;
                items.map_or(Ok(()), |items| write!(f, "{items} found "))?;
                version.map_or(Ok(()), |version| write!(f, "@{version}"))
            }
            Self::Ended { request, ending } => write!(f, "request {request}: {}", ended(*ending)),
            Self::Committed(committed) => write!(f, "{committed}"),
            Self::Delivered { resource, kind, name, version } => {
                write!(f, "watch of {resource}: {kind} {name}")?;
                version.map_or(Ok(()), |version| write!(f, " @{version}"))
            }
            Self::WatchEnded { resource, how } => write!(f, "watch of {resource} {how}"),
            Self::Life(life) => f.write_str(life.words()),
            Self::Note(text) => f.write_str(text),
            Self::Violation { oracle, message, .. } => write!(f, "VIOLATION of {oracle}: {message}"),
        }
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request, verb, resource, name, version, selector, fault } = self;
        write!(f, "request {request}: {verb} {resource}")?;
        for (before, text) in [(" ", name), (" @", version), (" where ", selector)] {
            if !text.is_empty() {
                write!(f, "{before}{text}")?;
            }
        }
        let fate = fate(fault);
        if fate.is_empty() { Ok(()) } else { write!(f, " ({fate})") }
    }
}

impl fmt::Display for Committed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, verb, resource, name, summary, .. } = self;
        write!(f, "commit @{version}: {verb} {resource} {name}")?;
        if summary.is_empty() { Ok(()) } else { write!(f, ": {summary}") }
    }
}

/// What a request's sender hears.
pub fn ended(ending: Ending) -> String {
    match ending {
        Ending::Code(code) => format!("answered {code}"),
        Ending::Reset => "connection reset".to_owned(),
        Ending::Unheard(0) => "connection reset, but nobody waits any more".to_owned(),
        Ending::Unheard(code) => format!("answered {code}, but nobody waits any more"),
        Ending::Dropped => "dropped with its sender".to_owned(),
    }
}

/// What goes wrong with a request, and how long it takes; empty if nothing and no time.
pub fn fate(fault: &Fault) -> String {
    let Fault { delay_before, before, delay_after, after, refusal, cache_lag } = fault;
    let mut words = Vec::new();
    if *delay_before + *delay_after > Duration::ZERO {
        words.push(format!("{} there, {} back", time(*delay_before), time(*delay_after)));
    }
    match before {
        Some(Effect::Reset) => words.push("request lost".to_owned()),
        Some(Effect::Status { code, .. }) => words.push(format!("answered {code} without effect")),
        None => {}
    }
    if let Some(refusal) = refusal {
        words.push(format!("refused as by {refusal:?}"));
    }
    match after {
        Some(Effect::Reset) => words.push("answer lost".to_owned()),
        Some(Effect::Status { code, .. }) => words.push(format!("answered {code} whatever its effect")),
        None => {}
    }
    if *cache_lag > Duration::ZERO {
        words.push(format!("served from a cache {} behind", time(*cache_lag)));
    }
    words.join(", ")
}

/// A duration in the unit that suits it.
pub fn time(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1e3;
    match ms {
        ..10_000.0 => format!("{} ms", rounded(ms)),
        ..600_000.0 => format!("{} s", rounded(ms / 1e3)),
        _ => format!("{} min", rounded(ms / 6e4)),
    }
}

/// At most three decimals below ten, one above.
fn rounded(value: f64) -> f64 {
    let unit = if value < 10.0 { 1e3 } else { 10.0 };
    (value * unit).round() / unit
}

//! The result of a storm as a page of its own: no script, nothing loaded from elsewhere, the same for the same outcome.

use harness::{load::Percentiles, oracles::Violation, replica::pod_name};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::{
    origin::Origin,
    outcome::{Outcome, named, plural},
};

mod strip;

const STYLE: &str = concat!(include_str!("report/palette.css"), include_str!("report/style.css"));
/// Different counts shown at most.
const COUNTS_SHOWN: usize = 200;
/// Violations of each oracle that are not folded away.
const VIOLATIONS_SHOWN: usize = 3;

pub(crate) fn page(outcome: &Outcome, origin: &Origin) -> String {
    let failed = !outcome.violations.is_empty();
    let (class, verdict) = if failed { ("fail", "FAIL") } else { ("pass", "PASS") };
    let title = format!("{verdict}: storm of {} under {}", plural(outcome.signals, "webhook"), outcome.protocol);
    document(
        &title,
        STYLE,
        html! {
            main {
                header class=(class) {
                    p.verdict { (verdict) }
                    h1 { (sentence(&outcome.in_words())) }
                    p { (subject(outcome)) }
                }
                (figures(outcome)) (violations(outcome)) (answers(outcome))
                (latency(outcome)) (requests(outcome)) (counts(outcome))
            }
            (made(origin))
        },
    )
    .into_string()
}

/// A page with nothing loaded from elsewhere. `style` is CSS of ours.
pub(crate) fn document(title: &str, style: &str, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(style)) }
            }
            body { (body) }
        }
    }
}

/// What made the page.
pub(crate) fn made(Origin { command, commit, date }: &Origin) -> Markup {
    html! {
        footer {
            dl.made {
                div { dt { "command" } dd { code { (command) } } }
                div { dt { "commit" } dd { (commit) } }
                div { dt { "date" } dd { (date) } }
            }
        }
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

fn subject(outcome: &Outcome) -> String {
    let Outcome { protocol, replicas, signals, fingerprints, backend, .. } = outcome;
    let (webhooks, gateways) = (plural(*signals, "webhook"), plural(*replicas, "gateway"));
    let resources = plural(*fingerprints, "resource");
    let summary = protocol.summary();
    format!("Protocol {protocol} ({summary}). {webhooks} at once about {resources}, {gateways}; {backend}.")
}

/// The numbers that decide, as a grid.
fn figures(outcome: &Outcome) -> Markup {
    let Percentiles { p50, p95, p99, max } = outcome.latency_ms;
    let counted: u64 = outcome.occurrence_counts.iter().sum();
    let figures = [
        ("RemediationRequests", outcome.remediation_requests.to_string(), outcome.fingerprints.to_string(), "expected"),
        ("Signals counted", counted.to_string(), outcome.acknowledged.to_string(), "acknowledged"),
        (
            "Leases left",
            outcome.leases_left.to_string(),
            outcome.lock_acquisition_failures.to_string(),
            "lock failures",
        ),
        ("API requests", outcome.api_requests.total.to_string(), per_signal(outcome), "per webhook"),
        ("Median answer", ms(p50), ms(p95), "p95"),
        ("Slowest answer", ms(max), ms(p99), "p99"),
    ];
    html! {
        dl.figures {
            @for (what, value, beside, of) in figures {
                div { dt { (what) } dd { b { (value) } " " span { (beside) " " (of) } } }
            }
        }
    }
}

fn per_signal(outcome: &Outcome) -> String {
    format!("{:.2}", outcome.api_requests.total as f64 / outcome.signals.max(1) as f64)
}

fn ms(value: f64) -> String {
    format!("{value:.1} ms")
}

fn answers(outcome: &Outcome) -> Markup {
    let rows = outcome.statuses.iter().map(|(status, count)| (named(*status), *count, strip::class(*status)));
    section("Answers", bars(rows.collect()))
}

fn requests(outcome: &Outcome) -> Markup {
    let mut rows: Vec<_> = outcome.api_requests.by.iter().map(|(what, count)| (what.clone(), *count, "api")).collect();
    rows.sort_by_key(|(_, count, _)| std::cmp::Reverse(*count));
    section("Requests to the Kubernetes API", bars(rows))
}

/// A table with a bar to each number.
fn bars(rows: Vec<(String, usize, &str)>) -> Markup {
    let most = rows.iter().map(|(_, count, _)| *count).max().unwrap_or(0).max(1);
    let width = |count: usize| format!("width:{:.1}%", count as f64 * 100.0 / most as f64);
    html! {
        table.bars {
            @for (what, count, class) in rows {
                tr {
                    th scope="row" { (what) }
                    td.n { (count) }
                    td { span class={ "bar " (class) } style=(width(count)) {} }
                }
            }
        }
    }
}

fn latency(outcome: &Outcome) -> Markup {
    let max = outcome.latency_ms.max;
    let scale = strip::Scale::of(max);
    let drawn = |class: &str| outcome.statuses.keys().any(|status| strip::class(*status) == class);
    let answers = |gateway: usize| outcome.answers.iter().filter(move |answer| answer.gateway == gateway);
    let body = html! {
        p.key {
            @for (class, what) in strip::CLASSES {
                @if drawn(class) { span { i class={ "dot " (class) } {} (what) } " " }
            }
        }
        div.strips {
            (strip::names(&scale, outcome.latency_ms))
            @for gateway in 0..outcome.replicas {
                @let pod = pod_name(gateway + 1);
                span.pod { (pod) }
                (strip::svg(&scale, &pod, answers(gateway), outcome.latency_ms))
            }
            (strip::axis(&scale))
        }
        p.key { "One dot per answer; the slowest took " (ms(max)) "." }
    };
    section("Time to answer", body)
}

/// What was counted, equal counts together; largest first, as in the outcome.
fn counts(outcome: &Outcome) -> Markup {
    let groups: Vec<&[u64]> = outcome.occurrence_counts.chunk_by(|a, b| a == b).collect();
    let more = groups.len().saturating_sub(COUNTS_SHOWN);
    let body = html! {
        p.counts {
            @for group in groups.iter().take(COUNTS_SHOWN) {
                @if let Some(count) = group.first() {
                    span { (count) @if group.len() > 1 { " " small { "on " (group.len()) } } } " "
                }
            }
            @if more > 0 { "and " (more) " other counts" }
        }
    };
    section("Signals counted on each RemediationRequest", body)
}

/// What does not hold, by oracle: the first ones, and the others folded away.
fn violations(outcome: &Outcome) -> Markup {
    let mut oracles: Vec<(&str, Vec<&Violation>)> = Vec::new();
    for violation in &outcome.violations {
        match oracles.iter_mut().find(|(oracle, _)| *oracle == violation.oracle) {
            Some((_, found)) => found.push(violation),
            None => oracles.push((violation.oracle, vec![violation])),
        }
    }
    if oracles.is_empty() {
        return html! {};
    }
    let body = html! {
        @for (oracle, found) in oracles {
            @let (first, more) = found.split_at(found.len().min(VIOLATIONS_SHOWN));
            h3 { (oracle) }
            (items(first))
            @if !more.is_empty() {
                details { summary { (more.len()) " more" } (items(more)) }
            }
        }
    };
    section("Violations", body)
}

fn items(violations: &[&Violation]) -> Markup {
    let at = |version: Option<u64>| version.map_or_else(|| "at the end".to_owned(), |at| format!("at version {at}"));
    html! {
        ul.violations {
            @for violation in violations { li { (violation.message) " " span { (at(violation.version)) } } }
        }
    }
}

fn section(title: &str, body: Markup) -> Markup {
    html! { section { h2 { (title) } (body) } }
}

#[cfg(test)]
mod tests;

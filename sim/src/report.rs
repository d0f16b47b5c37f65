//! The result of a storm as a page of its own: no script, nothing loaded from elsewhere, the same for the same outcome.

use std::fmt::Write as _;

use harness::{load::Percentiles, oracles::Violation, replica::pod_name};

use crate::outcome::{Outcome, named, plural};

mod strip;

const STYLE: &str = concat!(include_str!("report/palette.css"), include_str!("report/style.css"));
/// Different counts shown at most.
const COUNTS_SHOWN: usize = 200;
/// Violations of each oracle that are not folded away.
const VIOLATIONS_SHOWN: usize = 3;

/// The page.
pub(crate) fn page(outcome: &Outcome) -> String {
    let failed = !outcome.violations.is_empty();
    let (class, verdict) = if failed { ("fail", "FAIL") } else { ("pass", "PASS") };
    let title = format!("{verdict}: storm of {} under {}", plural(outcome.signals, "webhook"), outcome.protocol);
    let sections = [figures, violations, answers, latency, requests, counts].map(|section| section(outcome)).concat();
    let words = escape(&sentence(&outcome.in_words()));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <header class=\"{class}\">\n<p class=\"verdict\">{verdict}</p>\n<h1>{words}</h1>\n<p>{}</p>\n</header>\n\
         {sections}</main>\n</body>\n</html>\n",
        escape(&title),
        escape(&subject(outcome)),
    )
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
fn figures(outcome: &Outcome) -> String {
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
    let mut html = "<dl class=\"figures\">\n".to_owned();
    for (what, value, beside, of) in figures {
        let _ = writeln!(html, "<div><dt>{what}</dt><dd><b>{value}</b> <span>{beside} {of}</span></dd></div>");
    }
    html + "</dl>\n"
}

fn per_signal(outcome: &Outcome) -> String {
    format!("{:.2}", outcome.api_requests.total as f64 / outcome.signals.max(1) as f64)
}

fn ms(value: f64) -> String {
    format!("{value:.1} ms")
}

fn answers(outcome: &Outcome) -> String {
    let rows = outcome.statuses.iter().map(|(status, count)| (named(*status), *count, strip::class(*status)));
    section("Answers", &bars(rows.collect()))
}

fn requests(outcome: &Outcome) -> String {
    let mut rows: Vec<_> = outcome.api_requests.by.iter().map(|(what, count)| (what.clone(), *count, "api")).collect();
    rows.sort_by_key(|(_, count, _)| std::cmp::Reverse(*count));
    section("Requests to the Kubernetes API", &bars(rows))
}

/// A table with a bar to each number.
fn bars(rows: Vec<(String, usize, &str)>) -> String {
    let most = rows.iter().map(|(_, count, _)| *count).max().unwrap_or(0).max(1);
    let mut html = "<table class=\"bars\">\n".to_owned();
    for (what, count, class) in rows {
        let percent = count as f64 * 100.0 / most as f64;
        let bar = format!("<span class=\"bar {class}\" style=\"width:{percent:.1}%\"></span>");
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\">{}</th><td class=\"n\">{count}</td><td>{bar}</td></tr>",
            escape(&what)
        );
    }
    html + "</table>\n"
}

fn latency(outcome: &Outcome) -> String {
    let Percentiles { p50, p95, p99, max } = outcome.latency_ms;
    let scale = strip::Scale::of(max);
    let mut html = "<p class=\"key\">".to_owned();
    for (class, what) in strip::CLASSES {
        if outcome.statuses.keys().any(|status| strip::class(*status) == class) {
            let _ = write!(html, "<span><i class=\"dot {class}\"></i>{what}</span> ");
        }
    }
    html += "</p>\n";
    html += "<div class=\"strips\">\n";
    for gateway in 0..outcome.replicas {
        let answers = outcome.answers.iter().filter(|answer| answer.gateway == gateway);
        let pod = escape(&pod_name(gateway + 1));
        let svg = strip::svg(&scale, &pod, answers, outcome.latency_ms);
        let _ = writeln!(html, "<span class=\"pod\">{pod}</span>{svg}");
    }
    html += &strip::axis(&scale);
    html += "</div>\n";
    let _ = writeln!(
        html,
        "<p class=\"key\">One dot per answer. Lines: p50 {}, p95 {}, p99 {}; slowest {}.</p>",
        ms(p50),
        ms(p95),
        ms(p99),
        ms(max)
    );
    section("Time to answer", &html)
}

/// What was counted, equal counts together; largest first, as in the outcome.
fn counts(outcome: &Outcome) -> String {
    let groups: Vec<&[u64]> = outcome.occurrence_counts.chunk_by(|a, b| a == b).collect();
    let mut html = "<p class=\"counts\">".to_owned();
    for group in groups.iter().take(COUNTS_SHOWN) {
        if let Some(count) = group.first() {
            let on = if group.len() > 1 { format!(" <small>on {}</small>", group.len()) } else { String::new() };
            let _ = write!(html, "<span>{count}{on}</span> ");
        }
    }
    let more = groups.len().saturating_sub(COUNTS_SHOWN);
    if more > 0 {
        let _ = write!(html, "and {more} other counts");
    }
    section("Signals counted on each RemediationRequest", &(html + "</p>\n"))
}

/// What does not hold, by oracle: the first ones, and the others folded away.
fn violations(outcome: &Outcome) -> String {
    let mut oracles: Vec<(&str, Vec<&Violation>)> = Vec::new();
    for violation in &outcome.violations {
        match oracles.iter_mut().find(|(oracle, _)| *oracle == violation.oracle) {
            Some((_, found)) => found.push(violation),
            None => oracles.push((violation.oracle, vec![violation])),
        }
    }
    let mut html = String::new();
    for (oracle, found) in oracles {
        let (first, more) = found.split_at(found.len().min(VIOLATIONS_SHOWN));
        let _ = write!(html, "<h3>{}</h3>\n<ul class=\"violations\">\n{}</ul>\n", escape(oracle), items(first));
        if !more.is_empty() {
            let (count, items) = (more.len(), items(more));
            let more = format!("<summary>{count} more</summary>\n<ul class=\"violations\">\n{items}</ul>\n");
            let _ = writeln!(html, "<details>{more}</details>");
        }
    }
    if html.is_empty() { html } else { section("What does not hold", &html) }
}

fn items(violations: &[&Violation]) -> String {
    let item = |violation: &&Violation| {
        let at = violation.version.map_or_else(|| "at the end".to_owned(), |version| format!("at version {version}"));
        format!("<li>{} <span>{at}</span></li>\n", escape(&violation.message))
    };
    violations.iter().map(item).collect()
}

fn section(title: &str, body: &str) -> String {
    format!("<section>\n<h2>{}</h2>\n{body}</section>\n", escape(title))
}

/// Text as HTML, in elements and attributes.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;

//! The tables, in Markdown.

use std::{collections::BTreeSet, fmt::Write as _};

use harness::baselines::Protocol;

use crate::{
    case::{PROTOCOLS, Row},
    results::{Medians, Results},
};

/// Latency and requests per signal of the protocols side by side; rows that were not measured are left out.
pub fn side_by_side(results: &Results) -> String {
    let heads: Vec<String> = PROTOCOLS.iter().map(ToString::to_string).collect();
    let mut text = format!("| case | replicas | {} |\n", heads.join(" | "));
    text.push_str("|---|---|---|---|---|\n");
    each_row(results, |row, cells| {
        let cells: Vec<String> = cells.iter().map(|cell| cell.map_or_else(|| "–".to_owned(), latency)).collect();
        let _ = writeln!(text, "| {row} | {} | {} |", row.replicas, cells.join(" | "));
    });
    text
}

fn latency(Medians { latency_ms, per_signal, .. }: Medians) -> String {
    format!("{} ms · {}", figure(latency_ms), figure(per_signal))
}

/// What came of the signals: RemediationRequests of the one resource, signals acknowledged and counted.
pub fn kept(results: &Results) -> String {
    let heads: Vec<String> = PROTOCOLS.iter().map(ToString::to_string).collect();
    let mut text = format!("| case | replicas | {} |\n", heads.join(" | "));
    text.push_str("|---|---|---|---|---|\n");
    each_row(results, |row, cells| {
        let cells: Vec<String> = cells.iter().map(|cell| cell.map_or_else(|| "–".to_owned(), outcome)).collect();
        let _ = writeln!(text, "| {row} | {} | {} |", row.replicas, cells.join(" | "));
    });
    text
}

fn outcome(Medians { remediation_requests, acknowledged, counted, .. }: Medians) -> String {
    format!("{} / {} / {}", figure(remediation_requests), figure(acknowledged), figure(counted))
}

/// The requests of each cell by verb and resource, as the first of its measurements sent them. Of equal ones of one
/// case and protocol only the first is shown.
pub fn bills(results: &Results) -> String {
    let mut text = "| case | replicas | protocol | requests |\n|---|---|---|---|\n".to_owned();
    let mut shown = BTreeSet::new();
    for (row, protocol) in Row::ALL.into_iter().flat_map(|row| PROTOCOLS.map(|protocol| (row, protocol))) {
        let Some(first) = results.of(row, protocol).first() else { continue };
        if shown.insert((row.case, protocol, &first.requests)) {
            let bill: Vec<String> =
                first.requests.iter().map(|(request, count)| format!("{count} {request}")).collect();
            let _ = writeln!(text, "| {row} | {} | {protocol} | {} |", row.replicas, bill.join(", "));
        }
    }
    text
}

fn each_row(results: &Results, mut write: impl FnMut(Row, &[Option<Medians>])) {
    for row in Row::ALL {
        let medians = |protocol: Protocol| results.medians(row, protocol);
        let cells: Vec<Option<Medians>> = PROTOCOLS.into_iter().map(medians).collect();
        if cells.iter().any(Option::is_some) {
            write(row, &cells);
        }
    }
}

/// Two significant digits at least, none that say nothing.
fn figure(value: f64) -> String {
    let text = if value < 10.0 { format!("{value:.1}") } else { format!("{value:.0}") };
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::figure;

    #[test]
    fn a_figure_is_short() {
        assert_eq!([0.37, 4.0, 9.96, 14.2, 1234.5].map(figure), ["0.4", "4", "10", "14", "1234"]);
    }
}

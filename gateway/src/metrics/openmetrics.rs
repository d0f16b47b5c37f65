//! OpenMetrics 1.0 text, for scrapers that ask for it: the only format that has exemplars. The crate prometheus does not write it.

use std::fmt::{self, Write};

use prometheus::proto::{Histogram, LabelPair, MetricFamily, MetricType};

use super::exemplars::{Exemplars, Observed};

/// Units of the base that names of ours end in.
const UNITS: [&str; 2] = ["seconds", "bytes"];

/// All of `families`, with the `exemplars` of their histograms.
pub(super) fn write(families: &[MetricFamily], exemplars: &Exemplars) -> Result<String, fmt::Error> {
    let mut out = String::new();
    for family in families {
        let kind = family.get_field_type();
        let sample = family.name();
        // A counter is called without the suffix of its sample.
        let name = if kind == MetricType::COUNTER { sample.trim_end_matches("_total") } else { sample };
        let word = match kind {
            MetricType::COUNTER => "counter",
            MetricType::GAUGE => "gauge",
            MetricType::HISTOGRAM => "histogram",
            // There are none.
            MetricType::SUMMARY | MetricType::UNTYPED => continue,
        };
        writeln!(out, "# TYPE {name} {word}")?;
        if let Some(unit) = UNITS.into_iter().find(|unit| name.strip_suffix(unit).is_some_and(|n| n.ends_with('_'))) {
            writeln!(out, "# UNIT {name} {unit}")?;
        }
        writeln!(out, "# HELP {name} {}", escaped(family.help()))?;
        for metric in family.get_metric() {
            let labels = metric.get_label();
            match kind {
                MetricType::COUNTER => {
                    series(&mut out, &format!("{name}_total"), labels, None, metric.get_counter().get_value())?;
                }
                MetricType::GAUGE => series(&mut out, name, labels, None, metric.get_gauge().get_value())?,
                _ => histogram(&mut out, name, labels, metric.get_histogram(), &exemplars.of(name, labels))?,
            }
        }
    }
    out.push_str("# EOF\n");
    Ok(out)
}

fn histogram(
    out: &mut String,
    name: &str,
    labels: &[LabelPair],
    histogram: &Histogram,
    exemplars: &[Option<Observed>],
) -> fmt::Result {
    let count = histogram.get_sample_count();
    let bounded = histogram.get_bucket().iter().map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()));
    for (place, (bound, count)) in bounded.chain([(f64::INFINITY, count)]).enumerate() {
        let bucket = format!("{name}_bucket");
        sample(out, &bucket, labels, Some(bound), count as f64)?;
        if let Some(Some((value, exemplar))) = exemplars.get(place) {
            let at = exemplar.at.as_millisecond() as f64 / 1000.0;
            let (trace, request) = (&exemplar.trace_id, escaped(&exemplar.request_id));
            write!(out, " # {{trace_id=\"{trace}\",request_id=\"{request}\"}} {} {at:.3}", number(*value))?;
        }
        out.push('\n');
    }
    series(out, &format!("{name}_sum"), labels, None, histogram.get_sample_sum())?;
    series(out, &format!("{name}_count"), labels, None, count as f64)
}

fn series(out: &mut String, name: &str, labels: &[LabelPair], bound: Option<f64>, value: f64) -> fmt::Result {
    sample(out, name, labels, bound, value)?;
    out.push('\n');
    Ok(())
}

fn sample(out: &mut String, name: &str, labels: &[LabelPair], bound: Option<f64>, value: f64) -> fmt::Result {
    out.push_str(name);
    let bound = bound.map(|bound| ("le", canonical(bound)));
    let labels = labels.iter().map(|label| (label.name(), escaped(label.value())));
    let mut separator = '{';
    for (label, value) in labels.chain(bound) {
        write!(out, "{separator}{label}=\"{value}\"")?;
        separator = ',';
    }
    if separator == ',' {
        out.push('}');
    }
    write!(out, " {}", number(value))
}

/// Thresholds of buckets are label values, and so have one spelling.
fn canonical(bound: f64) -> String {
    let text = number(bound);
    if text.bytes().all(|b| b.is_ascii_digit()) { text + ".0" } else { text }
}

fn number(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => value.to_string(),
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"")
}

//! Dot strips: every answer of a gateway by the time it took.
//!
//! The picture is stretched to whatever width there is, so text stands beside it in HTML, and dots are strokes of no
//! length, which stay round.

use std::{collections::BTreeMap, fmt::Write as _};

use harness::load::Percentiles;
use maud::{Markup, html};

use crate::outcome::Answered;

/// Width and height of the picture in its own units.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 100.0;
/// Answers that fall into one of so many columns are stacked.
const COLUMNS: f64 = 120.0;
/// Between stacked dots, if there is room.
const STEP: f64 = 9.0;
/// Ticks on the axis at most.
const TICKS_MAX: f64 = 5.0;

/// Milliseconds along the axis.
pub(super) struct Scale {
    /// The right end: a multiple of `step_ms`.
    end_ms: f64,
    step_ms: f64,
}

impl Scale {
    /// An axis with round numbers, from 0 to at least `max_ms`.
    pub(super) fn of(max_ms: f64) -> Self {
        let max_ms = max_ms.max(1.0);
        let magnitude = 10_f64.powf((max_ms / TICKS_MAX).log10().floor());
        let rough = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * magnitude);
        let step_ms = rough.into_iter().find(|step| step * TICKS_MAX >= max_ms).unwrap_or(magnitude * 10.0);
        Self { end_ms: (max_ms / step_ms).ceil() * step_ms, step_ms }
    }

    fn share(&self, ms: f64) -> f64 {
        (ms / self.end_ms).clamp(0.0, 1.0)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        let (step_ms, count) = (self.step_ms, (self.end_ms / self.step_ms).round() as usize);
        (0..=count).map(move |tick| tick as f64 * step_ms)
    }
}

/// How answers are drawn, and what that means; in the order in which they are drawn over each other.
pub(super) const CLASSES: [(&str, &str); 4] =
    [("counted", "counted"), ("other", "other 2xx"), ("refused", "not acknowledged"), ("created", "created")];

/// How an answer is drawn.
pub(super) const fn class(status: u16) -> &'static str {
    match status {
        201 => "created",
        202 => "counted",
        200 | 203..=299 => "other",
        _ => "refused",
    }
}

/// The strip of the gateway `pod`.
pub(super) fn svg<'a>(
    scale: &Scale,
    pod: &str,
    answers: impl Iterator<Item = &'a Answered>,
    lines: Percentiles,
) -> Markup {
    let mut columns: BTreeMap<u64, Vec<(f64, &'static str)>> = BTreeMap::new();
    for answer in answers {
        let share = scale.share(answer.took.as_secs_f64() * 1e3);
        columns.entry((share * COLUMNS) as u64).or_default().push((share * WIDTH, class(answer.status)));
    }
    let mut paths: BTreeMap<&str, String> = BTreeMap::new();
    for column in columns.values_mut() {
        column.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(b.1)));
        let step = STEP.min((HEIGHT - STEP) / column.len() as f64);
        for (index, (x, class)) in column.iter().enumerate() {
            let y = HEIGHT / 2.0 + offset(index) * step;
            let _ = write!(paths.entry(class).or_default(), "M{x:.1} {y:.1}h.01");
        }
    }
    html! {
        svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img"
            aria-label={ "how long each answer of " (pod) " took" } {
            @for tick in scale.ticks() { (line("tick", scale.share(tick))) }
            @for (class, ms) in percentiles(lines) { (line(class, scale.share(ms))) }
            @for (class, _) in CLASSES {
                @if let Some(path) = paths.get(class) { path class=(class) d=(path) {} }
            }
        }
    }
}

/// 0, 1, −1, 2, −2 …: from the middle outwards.
fn offset(index: usize) -> f64 {
    let away = index.div_ceil(2) as f64;
    if index % 2 == 1 { away } else { -away }
}

fn line(class: &str, share: f64) -> Markup {
    html! { path class={ "line " (class) } d=(format!("M{:.1} 0v{HEIGHT}", share * WIDTH)) {} }
}

const fn percentiles(of: Percentiles) -> [(&'static str, f64); 3] {
    [("p50", of.p50), ("p95", of.p95), ("p99", of.p99)]
}

/// The names of the lines, over all strips: each in a row of its own, since percentiles may be close to each other, and on
/// the side of its line where there is more room.
pub(super) fn names(scale: &Scale, lines: Percentiles) -> Markup {
    html! {
        span {}
        div.names {
            @for (row, (name, ms)) in percentiles(lines).into_iter().rev().enumerate() {
                @let share = scale.share(ms) * 100.0;
                @let side = if share > 50.0 { format!("right:{:.1}%", 100.0 - share) } else { format!("left:{share:.1}%") };
                i style=(format!("top:{row}lh;left:{share:.1}%")) {}
                span style=(format!("top:{row}lh;{side}")) { (name) (format!(" {ms:.1} ms")) }
            }
        }
    }
}

/// The axis under all strips. Its unit stands at its beginning, where there is room for it at any width.
pub(super) fn axis(scale: &Scale) -> Markup {
    html! {
        span {}
        div.axis {
            @for tick in scale.ticks() {
                span style=(format!("left:{:.1}%", scale.share(tick) * 100.0)) { (label(tick, scale.end_ms)) }
            }
        }
    }
}

fn label(ms: f64, end_ms: f64) -> String {
    let (unit, scaled) = if end_ms >= 2000.0 { ("s", ms / 1e3) } else { ("ms", ms) };
    if ms == 0.0 { format!("0 {unit}") } else { rounded(scaled).to_string() }
}

/// Without the dust that multiples of 0.2 gather.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0.2, 1.0)]
    #[case(37.0, 40.0)]
    #[case(100.0, 100.0)]
    #[case(101.0, 150.0)]
    #[case(6480.0, 8000.0)]
    fn the_axis_ends_at_a_round_number_beyond_the_slowest(#[case] max_ms: f64, #[case] end_ms: f64) {
        let scale = Scale::of(max_ms);
        assert_eq!(scale.end_ms, end_ms);
        assert!(scale.ticks().count() <= 6);
    }
}

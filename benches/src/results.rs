//! Medians over measurements.

use std::{collections::BTreeMap, time::Duration};

use harness::baselines::Protocol;

use crate::{case::Row, run::Measured};

/// Measurements by row and protocol.
#[derive(Clone, Debug, Default)]
pub struct Results {
    measured: BTreeMap<(Row, Protocol), Vec<Measured>>,
}

impl Results {
    /// Notes one measurement.
    pub fn note(&mut self, row: Row, protocol: Protocol, measured: Measured) {
        self.measured.entry((row, protocol)).or_default().push(measured);
    }

    /// All measurements of one cell.
    pub fn of(&self, row: Row, protocol: Protocol) -> &[Measured] {
        self.measured.get(&(row, protocol)).map_or(&[], Vec::as_slice)
    }

    /// The medians of one cell, if it was measured.
    pub fn medians(&self, row: Row, protocol: Protocol) -> Option<Medians> {
        let measured = self.of(row, protocol);
        let middle = |value: &dyn Fn(&Measured) -> f64| median(measured.iter().map(value).collect());
        Some(Medians {
            latency_ms: middle(&|m| millis(m.took))?,
            requests: middle(&|m| m.requests.values().sum::<usize>() as f64)?,
            per_signal: middle(&|m| m.requests.values().sum::<usize>() as f64 / m.sent as f64)?,
            remediation_requests: middle(&|m| m.remediation_requests as f64)?,
            acknowledged: middle(&|m| m.acknowledged as f64)?,
            counted: middle(&|m| m.counted as f64)?,
        })
    }
}

/// The medians of one cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Medians {
    /// From the first signal to the last answer.
    pub latency_ms: f64,
    /// Requests to the Kubernetes API.
    pub requests: f64,
    /// Requests divided by signals sent.
    pub per_signal: f64,
    /// RemediationRequests of the one fingerprint.
    pub remediation_requests: f64,
    /// Signals acknowledged.
    pub acknowledged: f64,
    /// Signals counted.
    pub counted: f64,
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The mean of the two in the middle if they are even in number; none of none.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get((values.len() - 1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn a_median_lies_in_the_middle() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0]), Some(3.0));
        assert_eq!(median(vec![9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 9.0, 2.0]), Some(3.0));
    }
}

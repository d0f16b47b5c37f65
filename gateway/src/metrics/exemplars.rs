//! Examples of what was observed: for each bucket of a histogram, the newest observation that has a trace.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use parking_lot::Mutex;
use prometheus::proto::LabelPair;

/// Where to look for more about an observation.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// Its trace, in hexadecimal.
    pub trace_id: String,
    /// The request that caused it.
    pub request_id: Arc<str>,
    /// When it was made.
    pub at: Timestamp,
}

/// An observation and its exemplar.
pub(super) type Observed = (f64, Exemplar);

/// Those of all histograms of one registry. There are only so many, since label values and buckets are bounded.
#[derive(Clone, Default)]
pub(super) struct Exemplars {
    series: Arc<Mutex<BTreeMap<String, Vec<Option<Observed>>>>>,
}

impl Exemplars {
    /// `value` was observed by the histogram `name` with `labels`, which has `buckets` beside that of all.
    pub(super) fn note(&self, name: &str, labels: &[(&str, &str)], buckets: &[f64], value: f64, exemplar: Exemplar) {
        let bucket = buckets.partition_point(|bound| *bound < value);
        let mut series = self.series.lock();
        let observed = series.entry(key(name, labels.iter().copied())).or_default();
        observed.resize(buckets.len() + 1, None);
        if let Some(place) = observed.get_mut(bucket) {
            *place = Some((value, exemplar));
        }
    }

    /// Those of each bucket of the series.
    pub(super) fn of(&self, name: &str, labels: &[LabelPair]) -> Vec<Option<Observed>> {
        let key = key(name, labels.iter().map(|label| (label.name(), label.value())));
        self.series.lock().get(&key).cloned().unwrap_or_default()
    }
}

fn key<'a>(name: &str, labels: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut labels: Vec<_> = labels.collect();
    labels.sort_unstable();
    labels.into_iter().fold(name.to_owned(), |key, (label, value)| key + "\0" + label + "\0" + value)
}

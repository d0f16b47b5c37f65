//! Labels that Prometheus itself adds to what it scrapes, in the usual styles.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

use super::case::Labels;

/// A target that is scraped.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scrape {
    /// The labels of the target.
    labels: Labels,
    /// Whether the exporter's labels win over those of the target, else they are renamed to `exported_…`.
    honor: bool,
}

static SCRAPES: LazyLock<BTreeMap<String, Scrape>> =
    LazyLock::new(|| serde_saphyr::from_str(include_str!("scrapes.yaml")).unwrap());

/// The labels of a series whose own are `labels`, scraped as `name` says.
pub(super) fn scraped(name: &str, labels: &Labels) -> Labels {
    let scrape = SCRAPES.get(name).unwrap_or_else(|| panic!("no scrape {name}"));
    let mut all = scrape.labels.clone();
    for (label, value) in labels {
        let collides = !scrape.honor && scrape.labels.contains_key(label);
        let label = if collides { format!("exported_{label}") } else { label.clone() };
        all.insert(label, value.clone());
    }
    all
}

/// The styles in which `exporter` is scraped.
pub(super) fn styles(exporter: &str) -> impl Iterator<Item = &'static str> {
    let prefix = format!("{exporter}, ");
    SCRAPES.keys().filter(move |name| name.starts_with(&prefix)).map(String::as_str)
}

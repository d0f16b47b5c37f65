//! Durations as `500ms`, `30s`, `2m`, `1h`: a whole number and a unit.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer, de::Error};

const UNITS: [(&str, u64); 4] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];

pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let millis = duration.as_millis();
    if millis.is_multiple_of(1000) {
        serializer.collect_str(&format_args!("{}s", millis / 1000))
    } else {
        serializer.collect_str(&format_args!("{millis}ms"))
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| Error::custom(format!("`{text}` is no duration such as `500ms`, `30s` or `2m`")))
}

fn parse(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, unit_ms) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*unit_ms).map(Duration::from_millis)
}

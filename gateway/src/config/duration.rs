//! Durations as `500ms`, `30s`, `2m` or `1h30m`: jiff's friendly format.

use std::time::Duration;

use jiff::fmt::friendly::SpanParser;
pub(super) use jiff::fmt::serde::unsigned_duration::friendly::compact::required::serialize;
use serde::{Deserialize, Deserializer, de::Error};

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parsed = SpanParser::new().parse_unsigned_duration(&text);
    parsed.map_err(|_| Error::custom(format!("`{text}` is not a valid duration such as `500ms`, `30s` or `2m`")))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Key(#[serde(with = "super")] Duration);

    #[rstest]
    #[case("500ms", Duration::from_millis(500))]
    #[case("30s", Duration::from_secs(30))]
    #[case("90s", Duration::from_secs(90))]
    #[case("2m", Duration::from_secs(120))]
    #[case("1h", Duration::from_secs(3600))]
    #[case("1h30m", Duration::from_secs(5400))]
    #[case("0s", Duration::ZERO)]
    fn a_duration_reads_as_it_says_and_is_written_so_that_it_reads_the_same(#[case] text: &str, #[case] is: Duration) {
        let Key(read) = serde_json::from_value(json!(text)).unwrap();
        assert_eq!(read, is);
        let written = serde_json::to_value(Key(read)).unwrap();
        let Key(again) = serde_json::from_value(written).unwrap();
        assert_eq!(again, is);
    }

    #[rstest]
    #[case::no_unit(json!("5"))]
    #[case::a_number(json!(5))]
    #[case::no_number(json!("s"))]
    #[case::empty(json!(""))]
    #[case::negative(json!("-5s"))]
    #[case::past(json!("5s ago"))]
    #[case::unknown_unit(json!("5x"))]
    #[case::day_of_any_length(json!("1d"))]
    #[case::month(json!("1mo"))]
    #[case::iso_8601(json!("PT5S"))]
    #[case::space_before(json!(" 5s"))]
    #[case::too_long(json!("18446744073709551616s"))]
    fn what_is_no_span_of_time_is_refused(#[case] value: Value) {
        assert!(serde_json::from_value::<Key>(value).is_err());
    }
}

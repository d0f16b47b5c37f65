//! Ages, as `k8s.io/apimachinery/pkg/util/duration` writes them.

use jiff::Timestamp;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const YEAR: i64 = 365 * DAY;

/// How long `time` is past: `HumanDuration`, with two or three significant figures.
pub(super) fn since(time: Timestamp, now: Timestamp) -> String {
    human(now.duration_since(time).as_secs())
}

fn human(seconds: i64) -> String {
    /// Two units, the smaller one left out when it is zero.
    fn pair(large: i64, unit: &str, small: i64, small_unit: &str) -> String {
        if small == 0 { format!("{large}{unit}") } else { format!("{large}{unit}{small}{small_unit}") }
    }
    match seconds {
        // Two clocks may differ by a second: that is still now.
        ..-1 => "<invalid>".to_owned(),
        -1..0 => "0s".to_owned(),
        _ if seconds < 2 * MINUTE => format!("{seconds}s"),
        _ if seconds < 10 * MINUTE => pair(seconds / MINUTE, "m", seconds % MINUTE, "s"),
        _ if seconds < 3 * HOUR => format!("{}m", seconds / MINUTE),
        _ if seconds < 8 * HOUR => pair(seconds / HOUR, "h", seconds / MINUTE % 60, "m"),
        _ if seconds < 2 * DAY => format!("{}h", seconds / HOUR),
        _ if seconds < 8 * DAY => pair(seconds / DAY, "d", seconds / HOUR % 24, "h"),
        _ if seconds < 2 * YEAR => format!("{}d", seconds / DAY),
        _ if seconds < 8 * YEAR => pair(seconds / YEAR, "y", seconds / DAY % 365, "d"),
        _ => format!("{}y", seconds / YEAR),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::{DAY, HOUR, MINUTE, YEAR, human};

    #[rstest]
    #[case(-2, "<invalid>")]
    #[case(-1, "0s")]
    #[case(0, "0s")]
    #[case(119, "119s")]
    #[case(2 * MINUTE, "2m")]
    #[case(9 * MINUTE + 59, "9m59s")]
    #[case(10 * MINUTE + 1, "10m")]
    #[case(3 * HOUR - 1, "179m")]
    #[case(3 * HOUR, "3h")]
    #[case(7 * HOUR + 59 * MINUTE, "7h59m")]
    #[case(8 * HOUR + MINUTE, "8h")]
    #[case(2 * DAY - 1, "47h")]
    #[case(2 * DAY + 3 * HOUR, "2d3h")]
    #[case(8 * DAY + HOUR, "8d")]
    #[case(2 * YEAR, "2y")]
    #[case(2 * YEAR + 5 * DAY, "2y5d")]
    #[case(9 * YEAR + DAY, "9y")]
    fn an_age_has_two_or_three_significant_figures(#[case] seconds: i64, #[case] text: &str) {
        assert_eq!(human(seconds), text);
    }
}

//! Times that senders write.

use jiff::{SignedDuration, Timestamp};

use super::rejection::{Rejection, echo, reason};

/// 2000-01-01T00:00:00Z in seconds: before Prometheus and Kubernetes, so a clock that was never set.
const EARLIEST_SECOND: i64 = 946_684_800;

/// How far a sender's clock may run ahead: an error of a time zone, not of a century.
const MAX_AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// Go's zero time, 0001-01-01T00:00:00Z, in seconds: "not set".
const GO_ZERO_SECOND: i64 = -62_135_596_800;

/// When a condition began, from `field`'s `text`; `now` if it is absent or Go's zero time.
///
/// # Errors
/// If it is no RFC 3339 time, before the year 2000 or more than a day ahead of `now`.
pub(crate) fn firing(field: &str, text: Option<&str>, now: Timestamp) -> Result<Timestamp, Rejection> {
    let Some(text) = text else { return Ok(now) };
    let time = parse(field, text)?;
    if time.as_second() == GO_ZERO_SECOND {
        return Ok(now);
    }
    let latest = now.saturating_add(MAX_AHEAD).unwrap_or(Timestamp::MAX);
    if time.as_second() < EARLIEST_SECOND || time > latest {
        let message = format!("{field} is {}, before the year 2000 or more than a day ahead", echo(text));
        return Err(Rejection::new(reason::INVALID_TIME, message));
    }
    Ok(time)
}

/// Whether `field`'s `text` is a time, and not Go's zero time, which means none.
///
/// # Errors
/// If it is no RFC 3339 time.
pub(crate) fn is_set(field: &str, text: &str) -> Result<bool, Rejection> {
    Ok(parse(field, text)?.as_second() != GO_ZERO_SECOND)
}

/// Reads an RFC 3339 time from `field`'s `text`.
///
/// # Errors
/// If it is anything else.
pub(crate) fn parse(field: &str, text: &str) -> Result<Timestamp, Rejection> {
    let time = if is_rfc3339(text) { text.parse().ok() } else { None };
    time.ok_or_else(|| {
        let message = format!("{field} is {}, which is not an RFC 3339 time", echo(text));
        Rejection::new(reason::INVALID_TIME, message)
    })
}

/// The shape only: jiff checks the ranges, but also reads what RFC 3339 does not allow, such as `[Europe/Berlin]`.
fn is_rfc3339(text: &str) -> bool {
    let Some((date_time, rest)) = text.split_at_checked(19) else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let matches = |text: &str, pattern: &str| {
        text.len() == pattern.len()
            && text.bytes().zip(pattern.bytes()).all(|(b, p)| if p == b'0' { b.is_ascii_digit() } else { b == p })
    };
    let zone = match rest.strip_prefix('.') {
        None => rest,
        Some(fraction) => {
            let end = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
            let (fraction, zone) = fraction.split_at(end);
            if !digits(fraction) {
                return false;
            }
            zone
        }
    };
    matches(date_time, "0000-00-00T00:00:00") && (zone == "Z" || matches(zone, "+00:00") || matches(zone, "-00:00"))
}

//! When a service asks to be tried again.

use std::time::Duration;

use http::{
    HeaderMap,
    header::{DATE, RETRY_AFTER},
};
use jiff::{Timestamp, fmt::rfc2822};

use crate::context::Context;

/// `Retry-After` (RFC 9110), in whole seconds; a date counts from that of the answer, so that no clock has to be right.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let asked = text(RETRY_AFTER)?;
    if let Ok(secs) = asked.parse() {
        return Some(Duration::from_secs(secs));
    }
    let date = |text| rfc2822::DateTimeParser::new().parse_timestamp(text).ok();
    let (until, from): (Timestamp, Timestamp) = (date(asked)?, date(text(DATE)?)?);
    Duration::try_from(until.duration_since(from)).ok()
}

/// The pause before the next try: `backoff` or, if it is longer, the time that was `asked` for, each with jitter; `most` at most, unless
/// more is asked for.
pub fn pause(context: &Context, backoff: Duration, asked: Option<Duration>, most: Duration) -> Duration {
    let own = context.jitter(backoff / 2, backoff);
    let Some(asked) = asked else { return own };
    own.max(context.jitter(asked, asked.saturating_mul(3) / 2).min(most.max(asked)))
}

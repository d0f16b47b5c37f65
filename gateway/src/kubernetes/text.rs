//! Texts of others as they may go into errors and logs: on one line, and of bounded length.

use std::{error::Error, io, iter};

use http::StatusCode;

/// Bytes of a text of others that are kept: enough for a reason with its causes, too few for a page.
pub(crate) const EXCERPT_BYTES: usize = 1024;
/// Causes of an error that are looked at.
const CAUSES_MAX: usize = 16;

/// The beginning of `text` on one line: control characters are escaped, and what was cut is told.
pub(crate) fn excerpt(text: &str) -> String {
    let text = text.trim();
    let mut kept = String::with_capacity(text.len().min(EXCERPT_BYTES));
    for c in text.chars() {
        // Line separators of Unicode break lines in many viewers, too.
        let escaped = c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        if kept.len() + if escaped { 10 } else { c.len_utf8() } > EXCERPT_BYTES {
            return format!("{kept}… ({} bytes in all)", text.len());
        }
        if escaped {
            kept.extend(c.escape_debug());
        } else {
            kept.push(c);
        }
    }
    kept
}

/// What is told of an answer with `status`, which is no success, that begins with `text`.
pub(crate) fn refusal(status: StatusCode, text: &[u8]) -> String {
    match excerpt(&String::from_utf8_lossy(text)).as_str() {
        "" => format!("status {}", status.as_u16()),
        said => format!("status {}: {said}", status.as_u16()),
    }
}

/// `error` with its causes, those that it tells itself only once.
pub(crate) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in causes(error).skip(1) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    excerpt(&text)
}

/// `error` and its causes, those inside of an [`io::Error`] included, which [`Error::source`] leaves out.
pub(super) fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |error| cause(*error)).take(CAUSES_MAX)
}

fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_others_is_one_bounded_line() {
        assert_eq!(excerpt(" a\nb\u{1b}[31m\u{2028}ü "), "a\\nb\\u{1b}[31m\\u{2028}ü");
        let page = format!("<html>{}", "ü".repeat(5000));
        let kept = excerpt(&page);
        assert!(kept.len() < EXCERPT_BYTES + 40 && kept.ends_with("… (10006 bytes in all)"), "{kept}");
    }

    #[test]
    fn a_refusal_is_told_with_its_reason_if_there_is_one() {
        let told = |text: &str| refusal(StatusCode::BAD_REQUEST, text.as_bytes());
        assert_eq!(told("unknown event_category\n"), "status 400: unknown event_category");
        assert_eq!(told(" "), "status 400");
    }

    #[test]
    fn an_error_tells_its_causes_once_each() {
        #[derive(Debug, thiserror::Error)]
        #[error("connect: {0}")]
        struct Outer(#[source] io::Error);
        let error = Outer(io::Error::other(io::Error::new(io::ErrorKind::TimedOut, "no route")));
        assert_eq!(with_causes(&error), "connect: no route");
        #[derive(Debug, thiserror::Error)]
        #[error("connect")]
        struct Silent(#[source] io::Error);
        assert_eq!(with_causes(&Silent(io::Error::other("refused"))), "connect: refused");
    }
}

//! How large texts are where they are stored.

/// Bytes that `text` takes inside of a string of JSON as Go writes it, kube-apiserver into etcd among others: where others
/// have two bytes for a quote, it has six for `<`, `>` and `&` as well, so that a page may embed it.
pub fn stored_len(text: &str) -> usize {
    text.chars().map(stored_char_len).sum()
}

/// Bytes that one byte takes at most.
const STORED_PER_BYTE_MAX: usize = 6;

const fn stored_char_len(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' => 2,
        '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => 6,
        _ => c.len_utf8(),
    }
}

/// Whether any text of `bytes` bytes is within what [`fitting`] leaves for `limit`: most are by far, and need no look at each
/// character.
pub const fn always_fits(bytes: usize, limit: usize) -> bool {
    bytes.saturating_mul(STORED_PER_BYTE_MAX) <= limit.saturating_mul(2)
}

/// Where to cut `text` so that it has `limit` bytes at most, and takes twice as many at most where it is stored: that is
/// room for the escapes of any ordinary text, its JSON included.
pub fn fitting(text: &str, limit: usize) -> usize {
    if always_fits(text.len(), limit) {
        return text.len();
    }
    let mut stored = 0_usize;
    for (at, c) in text.char_indices() {
        stored += stored_char_len(c);
        if at + c.len_utf8() > limit || stored > 2 * limit {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("plain: ümlaut", 14)]
    #[case(r#"{"a":"b"}"#, 13)]
    #[case("a\\b\n\r\t", 10)]
    #[case("<a href='&amp;'>", 16 + 3 * 5)]
    #[case("\u{2028}\u{2029}", 12)]
    #[case("\u{0}\u{8}\u{c}\u{1f}\u{7f}", 25)]
    fn a_text_is_as_long_as_go_stores_it(#[case] text: &str, #[case] bytes: usize) {
        assert_eq!(stored_len(text), bytes);
    }

    #[rstest]
    #[case("abc", 3, 3)]
    #[case("abcd", 3, 3)]
    #[case("aü", 2, 1)]
    #[case("<<<<<<", 6, 2)]
    #[case("\"\"\"", 3, 3)]
    #[case("", 0, 0)]
    #[case("a", 0, 0)]
    fn a_text_is_cut_by_both_lengths_between_characters(#[case] text: &str, #[case] limit: usize, #[case] end: usize) {
        assert_eq!(fitting(text, limit), end);
    }

    proptest! {
        #[test]
        fn the_longest_beginning_that_fits_is_kept(text in "[<a\"ü\u{2028}]{0,12}", limit in 0_usize..40) {
            let fits = |end: &usize| *end <= limit && stored_len(&text[..*end]) <= 2 * limit;
            let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            prop_assert_eq!(Some(fitting(&text, limit)), ends.filter(fits).max());
        }
    }
}

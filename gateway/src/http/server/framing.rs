//! Where a request ends among the bytes of its connection, which hyper does not tell: after an answer, whether a part of the next
//! head was received together with the request.

/// Follows the bytes of one connection.
#[derive(Default)]
pub(super) struct Framing {
    /// Bytes of the current line of the head, without its end.
    line: usize,
    /// The head has begun: empty lines before it do not count.
    has_begun: bool,
    is_body: bool,
    /// Bytes after the head.
    after: u64,
    /// It can not be told any more what belongs to which request.
    is_lost: bool,
}

impl Framing {
    pub(super) fn receive(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !self.is_body {
            let Some((byte, more)) = rest.split_first() else { return };
            rest = more;
            match byte {
                b'\n' if self.line == 0 => self.is_body = self.has_begun,
                b'\n' => (self.line, self.has_begun) = (0, true),
                b'\r' => {}
                _ => self.line += 1,
            }
        }
        self.after = self.after.saturating_add(rest.len() as u64);
    }

    /// The request, whose body has `bytes` if that was announced, is answered: whether more than it may be here, which is true
    /// for ever once it was true.
    pub(super) fn answered(&mut self, bytes: Option<u64>) -> bool {
        let is_lost = self.is_lost || bytes.is_none_or(|bytes| self.after > bytes);
        *self = Self { is_lost, ..Self::default() };
        is_lost
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::all_of_it("POST / HTTP/1.1\r\nhost: a\r\n\r\nbody", Some(4), false)]
    #[case::without_a_body("GET / HTTP/1.1\r\nhost: a\r\n\r\n", Some(0), false)]
    #[case::bare_line_feeds("GET / HTTP/1.1\nhost: a\n\n", Some(0), false)]
    #[case::empty_lines_before_it("\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n", Some(0), false)]
    #[case::a_part_of_the_next_head("POST / HTTP/1.1\r\nhost: a\r\n\r\nbodyP", Some(4), true)]
    #[case::of_unknown_length("POST / HTTP/1.1\r\nhost: a\r\n\r\n4\r\nbody\r\n0\r\n\r\n", None, true)]
    #[case::answered_before_its_end("POST / HTTP/1.1\r\nhost: a\r\n\r\nbo", Some(4), false)]
    fn what_follows_a_request_is_noticed_however_it_is_cut(
        #[case] bytes: &str,
        #[case] body: Option<u64>,
        #[case] more: bool,
    ) {
        for piece in [1, 3, 7, bytes.len()] {
            let mut framing = Framing::default();
            bytes.as_bytes().chunks(piece).for_each(|piece| framing.receive(piece));
            assert_eq!(framing.answered(body), more, "in pieces of {piece}");
            framing.receive(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n");
            assert_eq!(framing.answered(Some(0)), more, "what is lost stays lost");
        }
    }
}

//! What is seen of the heads of requests as their bytes come in.
//!
//! hyper reads them; but it says neither that a head has begun, which starts its time, nor that it
//! has dropped a Content-Length that stood beside a Transfer-Encoding, which only who wants to
//! smuggle a request sends (RFC 9112, section 6.3).

use std::collections::VecDeque;

/// Heads that are remembered until hyper has read them, too: it has more than these in its buffer
/// only if a client sends many at once, and then their bodies are at most small.
const MAX_HEADS: usize = 1024;
const CONTENT_LENGTH: &[u8] = b"content-length";
const TRANSFER_ENCODING: &[u8] = b"transfer-encoding";

/// Follows the bytes of a connection while heads are expected.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    /// Whether each of them has two lengths.
    complete: VecDeque<bool>,
    /// Behind the head is a body, which is none of our business.
    in_body: bool,
    begun: bool,
    has_content_length: bool,
    has_transfer_encoding: bool,
    /// The name of the header in this line, as far as it can be one of the two.
    name: Vec<u8>,
    name_ended: bool,
    line_is_empty: bool,
}

impl Heads {
    /// Whether a head has begun and not ended.
    pub(crate) fn is_inside(&self) -> bool {
        self.begun
    }

    /// Whether bytes were seen that no request has been made of.
    pub(crate) fn has_more(&self) -> bool {
        self.begun || !self.complete.is_empty()
    }

    /// Reads what has come in.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) {
        while let [byte, rest @ ..] = bytes {
            if self.in_body {
                return;
            }
            if self.name_ended {
                // The rest of a line says nothing, and may be long.
                let Some(end) = memchr::memchr(b'\n', bytes) else { return };
                self.read_byte(b'\n');
                bytes = &bytes[end + 1..];
            } else {
                self.read_byte(*byte);
                bytes = rest;
            }
        }
    }

    /// A request has been read: whether its head had two lengths.
    pub(crate) fn next(&mut self) -> bool {
        // Without one, the head came together with the end of the body before it, and was not seen.
        let Some(has_two_lengths) = self.complete.pop_front() else {
            *self = Heads { in_body: true, ..Heads::default() };
            return false;
        };
        has_two_lengths
    }

    /// The answer is out: what comes next is a head.
    pub(crate) fn answered(&mut self) {
        // Else a body is still to come, that of a request which was sent together with this one.
        if self.complete.is_empty() {
            self.in_body = false;
        }
    }

    fn read_byte(&mut self, byte: u8) {
        match byte {
            b'\n' if !self.begun => {}
            b'\n' if self.line_is_empty => self.end(),
            b'\n' => self.begin_line(),
            b'\r' => {}
            b':' => {
                self.line_is_empty = false;
                if !std::mem::replace(&mut self.name_ended, true) {
                    self.has_content_length |= self.name.eq_ignore_ascii_case(CONTENT_LENGTH);
                    self.has_transfer_encoding |= self.name.eq_ignore_ascii_case(TRANSFER_ENCODING);
                }
            }
            byte => {
                self.begun = true;
                self.line_is_empty = false;
                if !self.name_ended && self.name.len() <= TRANSFER_ENCODING.len() {
                    self.name.push(byte);
                }
            }
        }
    }

    fn begin_line(&mut self) {
        self.name.clear();
        self.name_ended = false;
        self.line_is_empty = true;
    }

    fn end(&mut self) {
        if self.complete.len() < MAX_HEADS {
            self.complete.push_back(self.has_content_length && self.has_transfer_encoding);
        }
        self.in_body = self.has_content_length || self.has_transfer_encoding;
        self.begun = false;
        self.has_content_length = false;
        self.has_transfer_encoding = false;
        self.begin_line();
        self.line_is_empty = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &str, expected: &[bool], is_inside: bool) {
        // Whole, and byte by byte.
        for step in [bytes.len().max(1), 1] {
            let mut heads = Heads::default();
            for chunk in bytes.as_bytes().chunks(step) {
                heads.read(chunk);
            }
            assert_eq!(heads.complete, expected, "{bytes:?}");
            assert_eq!(heads.is_inside(), is_inside, "{bytes:?}");
        }
    }

    #[test]
    fn a_head_with_two_lengths_is_seen_in_either_order() {
        check(
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            &[true],
            false,
        );
        check(
            "POST / HTTP/1.1\r\ntransfer-ENCODING: chunked\r\ncontent-length:1\r\n\r\n0",
            &[true],
            false,
        );
        check("POST / HTTP/1.1\ntransfer-encoding: chunked\ncontent-length:1\n\n", &[true], false);
        check("POST / HTTP/1.1\r\ncontent-length: 1\r\n\r\nx", &[false], false);
        check("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", &[false], false);
        // In values, and in other names, they mean nothing.
        let other = "a: content-length: 1\r\nx-content-length: 1\r\ntransfer-encodings: 1";
        check(&format!("GET / HTTP/1.1\r\n{other}\r\n\r\n"), &[false], false);
        check(
            "GET /content-length: HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n",
            &[false],
            false,
        );
    }

    #[test]
    fn a_head_begins_with_its_first_byte_and_ends_with_an_empty_line() {
        check("", &[], false);
        check("\r\n", &[], false);
        check("G", &[], true);
        check("GET / HTTP/1.1\r\nhost: x\r\n", &[], true);
        check("\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\n", &[false], false);
    }

    #[test]
    fn heads_without_bodies_follow_each_other_and_bodies_are_none() {
        let get = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        let post = "POST / HTTP/1.1\r\ncontent-length: 99\r\n\r\n";
        check(&get.repeat(3), &[false; 3], false);
        check(&format!("{get}{post}{get}{get}"), &[false; 2], false);
        let mut heads = Heads::default();
        heads.read(post.as_bytes());
        assert!(!heads.next());
        heads.read(get.as_bytes());
        assert!(!heads.has_more());
        heads.answered();
        heads.read(b"P");
        assert!(heads.has_more());
    }

    #[test]
    fn a_request_that_was_not_seen_has_one_length_at_most() {
        let mut heads = Heads::default();
        heads.read(b"half");
        assert!(!heads.next());
        assert!(!heads.is_inside());
    }
}

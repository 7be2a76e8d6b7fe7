//! A bound on what a server's replies may make this process read and keep.
//!
//! Who can write to the server can put a value of 500 MiB where an entry is looked for. Asking for
//! the length first would cost every look-up a command, so the replies themselves are watched: a
//! value tells its length before it comes. One that is longer than an entry can be is passed on as
//! an empty one, which is no entry and will be written over; it and what would follow it are not
//! read, and the connection ends. Other commands on it get an error of ours, [`CUT`], and are sent
//! again on the next connection.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The code of the error that stands in the place of replies that were not read.
pub(crate) const CUT: &str = "CUT";
/// Longest value that is an entry.
pub(crate) const MAX_VALUE_BYTES: u64 = 1 << 20;
/// Longest reply as a whole, as for an array of rows.
const MAX_REPLY_BYTES: u64 = 16 << 20;
/// Longest line: the texts of errors and the like, and what tells a length.
const MAX_LINE_BYTES: usize = 1 << 16;
const MAX_DEPTH: usize = 16;
/// How many elements of a reply are replaced at most; no reply to us has more.
const MAX_REPLACED: u64 = 1 << 16;
/// Read at once.
const CHUNK_BYTES: usize = 1 << 14;

/// What both ends of a stream know of it.
#[derive(Default)]
pub(crate) struct Traffic {
    /// Commands that were sent, or were about to.
    sent: AtomicU64,
    answered: AtomicU64,
    answered_at_begin: AtomicU64,
    /// When something was answered last, or asked while nothing was owed.
    heard: Mutex<Option<Instant>>,
    was_cut: AtomicBool,
    /// The error after which the server hung up.
    last_words: OnceLock<String>,
}

impl Traffic {
    /// Begins to count, when there is no reply to come.
    pub(crate) fn begin(&self) {
        let answered = self.answered.load(Ordering::Relaxed);
        self.sent.store(answered, Ordering::Relaxed);
        self.answered_at_begin.store(answered, Ordering::Relaxed);
    }

    pub(crate) fn note_sent(&self, commands: usize) {
        let sent = self.sent.fetch_add(commands as u64, Ordering::Relaxed);
        if self.answered.load(Ordering::Relaxed) >= sent {
            self.hear();
        }
    }

    fn note_answered(&self, commands: u64) {
        if self.answered.swap(commands, Ordering::Relaxed) < commands {
            self.hear();
        }
    }

    fn hear(&self) {
        *self.heard.lock().expect("nobody panics while holding it") = Some(Instant::now());
    }

    /// How long an answer has been owed, and none was given.
    pub(crate) fn silent_for(&self) -> Duration {
        let is_owed = self.sent.load(Ordering::Relaxed) > self.answered.load(Ordering::Relaxed);
        let heard = *self.heard.lock().expect("nobody panics while holding it");
        heard.filter(|_| is_owed).map(|heard| heard.elapsed()).unwrap_or_default()
    }

    /// Whether anything was answered since then.
    pub(crate) fn has_answered(&self) -> bool {
        let at_begin = self.answered_at_begin.load(Ordering::Relaxed);
        self.answered.load(Ordering::Relaxed) > at_begin
    }

    /// The error after which the server hung up: that it has too many clients, say.
    pub(crate) fn last_words(&self) -> Option<&str> {
        self.last_words.get().map(String::as_str)
    }

    /// Whether the stream ended for a reply that is too long.
    pub(crate) fn was_cut(&self) -> bool {
        self.was_cut.load(Ordering::Relaxed)
    }
}

/// A stream whose replies are bounded.
pub(crate) struct Bounded<S> {
    stream: S,
    replies: Replies,
    chunk: Box<[u8]>,
    /// What was read and is good.
    passed: Vec<u8>,
    /// How much of it was taken.
    taken: usize,
    traffic: Arc<Traffic>,
}

impl<S> Bounded<S> {
    pub(crate) fn new(stream: S, traffic: Arc<Traffic>) -> Bounded<S> {
        let chunk = vec![0; CHUNK_BYTES].into_boxed_slice();
        let replies = Replies::default();
        Bounded { stream, replies, chunk, passed: Vec::new(), taken: 0, traffic }
    }

    /// Answers what is not answered yet, and ends.
    fn cut(&mut self) {
        self.traffic.was_cut.store(true, Ordering::Relaxed);
        // More than there are does no harm.
        let sent = self.traffic.sent.load(Ordering::Relaxed);
        let left = sent.saturating_sub(self.replies.answered).min(MAX_REPLACED);
        for _ in 0..left {
            self.passed.extend_from_slice(format!("-{CUT} the reply was too long\r\n").as_bytes());
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            let left = &this.passed[this.taken..];
            if !left.is_empty() {
                let length = left.len().min(buffer.remaining());
                buffer.put_slice(&left[..length]);
                this.taken += length;
                return Poll::Ready(Ok(()));
            }
            this.passed.clear();
            this.taken = 0;
            if this.traffic.was_cut() {
                return Poll::Ready(Ok(()));
            }
            let mut chunk = ReadBuf::new(&mut this.chunk);
            let read = ready!(Pin::new(&mut this.stream).poll_read(context, &mut chunk));
            let bytes = chunk.filled();
            // A server that hangs up on what was sent already resets the connection.
            if read.is_err() || bytes.is_empty() {
                if !this.replies.last_error.is_empty() {
                    let words = String::from_utf8_lossy(&this.replies.last_error).into_owned();
                    let _ = this.traffic.last_words.set(words);
                }
                return Poll::Ready(read);
            }
            let is_good = this.replies.pass(bytes, &mut this.passed);
            this.traffic.note_answered(this.replies.answered);
            if !is_good {
                this.cut();
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Where in the replies (RESP 2 or 3) the stream is.
#[derive(Default)]
struct Replies {
    /// A line that has not come to its end.
    line: Vec<u8>,
    /// What is left of a value, with its line break.
    value_bytes: u64,
    /// Elements that are still to come, of each array that is open.
    open: Vec<u64>,
    reply_bytes: u64,
    /// Whether this is a message that nobody asked for.
    is_push: bool,
    answered: u64,
    /// The last line, if it is an error; without its sign and line break.
    last_error: Vec<u8>,
}

impl Replies {
    /// Passes on what is good; `false` where the stream has to end.
    fn pass(&mut self, mut bytes: &[u8], passed: &mut Vec<u8>) -> bool {
        while !bytes.is_empty() {
            if self.value_bytes > 0 {
                let length =
                    bytes.len().min(usize::try_from(self.value_bytes).unwrap_or(usize::MAX));
                let (value, rest) = bytes.split_at(length);
                passed.extend_from_slice(value);
                bytes = rest;
                self.value_bytes -= length as u64;
                if self.value_bytes == 0 {
                    self.end_element();
                }
                continue;
            }
            let end = memchr::memchr(b'\n', bytes).map(|end| end + 1);
            let (part, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            bytes = rest;
            self.line.extend_from_slice(part);
            if self.line.len() > MAX_LINE_BYTES {
                return false;
            }
            if end.is_some() {
                let line = std::mem::take(&mut self.line);
                let is_good = self.pass_line(&line, passed);
                self.line = line;
                self.line.clear();
                if !is_good {
                    return false;
                }
            }
        }
        true
    }

    fn pass_line(&mut self, line: &[u8], passed: &mut Vec<u8>) -> bool {
        let number = || {
            let digits = line.get(1..)?.trim_ascii_end();
            std::str::from_utf8(digits).ok()?.parse::<i64>().ok()
        };
        self.last_error.clear();
        if let Some(error) = line.strip_prefix(b"-") {
            self.last_error.extend_from_slice(error.trim_ascii_end());
        }
        let elements = match line[0] {
            b'$' | b'!' | b'=' => {
                let Some(length) = number() else { return false };
                let Ok(length) = u64::try_from(length) else {
                    passed.extend_from_slice(line);
                    self.end_element();
                    return true;
                };
                self.reply_bytes = self.reply_bytes.saturating_add(length);
                if length > MAX_VALUE_BYTES || self.reply_bytes > MAX_REPLY_BYTES {
                    self.replace_rest(passed);
                    return false;
                }
                self.value_bytes = length + 2;
                passed.extend_from_slice(line);
                return true;
            }
            b'>' => {
                self.is_push |= self.open.is_empty();
                number()
            }
            b'*' | b'~' => number(),
            b'%' => number().and_then(|pairs| pairs.checked_mul(2)),
            // Without its pairs it is no element.
            b'|' => number().and_then(|pairs| pairs.checked_mul(2)?.checked_add(1)),
            // Anything else is one line, or an error of its reader's.
            _ => {
                passed.extend_from_slice(line);
                self.end_element();
                return true;
            }
        };
        let Some(elements) = elements else { return false };
        passed.extend_from_slice(line);
        match u64::try_from(elements) {
            Ok(elements) if elements > 0 => self.open.push(elements),
            _ => self.end_element(),
        }
        self.open.len() <= MAX_DEPTH
    }

    fn end_element(&mut self) {
        while let Some(left) = self.open.last_mut() {
            *left -= 1;
            if *left > 0 {
                return;
            }
            self.open.pop();
        }
        self.end_reply();
    }

    fn end_reply(&mut self) {
        self.reply_bytes = 0;
        self.answered += u64::from(!std::mem::take(&mut self.is_push));
    }

    /// Ends the reply with an empty value for the one that is too long, and nothing for those
    /// that would follow, so that who waits for it gets it at once.
    fn replace_rest(&mut self, passed: &mut Vec<u8>) {
        passed.extend_from_slice(b"$0\r\n\r\n");
        let left: u64 = self.open.iter().map(|left| left - 1).fold(0, u64::saturating_add);
        for _ in 0..left.min(MAX_REPLACED) {
            passed.extend_from_slice(b"$-1\r\n");
        }
        self.open.clear();
        self.end_reply();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is passed of a text, whatever pieces it comes in, and whether it goes on.
    fn pass(text: &[u8]) -> (Vec<u8>, bool) {
        let in_pieces_of = |size: usize| {
            let (mut replies, mut passed) = (Replies::default(), Vec::new());
            let goes_on = text.chunks(size).all(|piece| replies.pass(piece, &mut passed));
            (passed, goes_on)
        };
        let expected = in_pieces_of(text.len());
        for size in [1, 2, 3, 7] {
            assert_eq!(in_pieces_of(size), expected);
        }
        expected
    }

    #[test]
    fn replies_are_passed_as_they_are() {
        for text in [
            &b"+OK\r\n:1\r\n$-1\r\n_\r\n$0\r\n\r\n$3\r\na\r\n\r\n"[..],
            b"*2\r\n$1\r\na\r\n*1\r\n%1\r\n+a\r\n,1.5\r\n-ERR no\r\n*0\r\n*-1\r\n",
            b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n|1\r\n+a\r\n:1\r\n$1\r\nx\r\n",
            b"\x16\x03 no reply at all\r\n",
        ] {
            assert_eq!(pass(text), (text.to_vec(), true));
        }
    }

    #[test]
    fn a_value_that_is_too_long_is_an_empty_one_and_the_last() {
        let long = format!("${}\r\nxxxx", MAX_VALUE_BYTES + 1);
        let cases = [
            (long.clone(), "$0\r\n\r\n"),
            (format!("*3\r\n$1\r\na\r\n{long}"), "*3\r\n$1\r\na\r\n$0\r\n\r\n$-1\r\n"),
            (format!("*2\r\n*2\r\n{long}"), "*2\r\n*2\r\n$0\r\n\r\n$-1\r\n$-1\r\n"),
        ];
        for (text, expected) in cases {
            assert_eq!(pass(text.as_bytes()), (expected.into(), false), "{text}");
        }
        let many =
            format!("*99\r\n{}", format!("$1000000\r\n{}\r\n", "x".repeat(1_000_000)).repeat(17));
        let (passed, goes_on) = pass(many.as_bytes());
        assert!(passed.len() < 17 << 20 && !goes_on);
    }

    #[test]
    fn silence_is_what_follows_a_question() {
        let traffic = Traffic::default();
        let is_silent = || traffic.silent_for() > Duration::ZERO;
        let wait = || std::thread::sleep(Duration::from_millis(2));
        wait();
        assert!(!is_silent());
        traffic.note_sent(2);
        wait();
        assert!(is_silent());
        let before = traffic.silent_for();
        traffic.note_answered(1);
        assert!(traffic.silent_for() < before);
        traffic.note_answered(2);
        wait();
        assert!(!is_silent());
        traffic.note_sent(1);
        assert!(traffic.silent_for() < before);
    }

    #[test]
    fn what_has_no_bound_ends() {
        for text in
            ["$99999999999999999999\r\n", "$?\r\n", &"*1\r\n".repeat(17), &"+".repeat(99_999)]
        {
            assert!(!pass(text.as_bytes()).1, "{text}");
        }
    }
}

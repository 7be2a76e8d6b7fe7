//! What a server sends where a Redis should be: the bound on replies, and the reader of redis-rs behind
//! it. An input is how many bytes come at once, how many commands wait, and the replies.

#![no_main]

// The host is not built for it: that would compile wasmtime with coverage.
#[allow(dead_code, reason = "the rest of it is the host's")]
#[path = "../../host/src/store/redis/connection/bound.rs"]
mod bound;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncRead, ReadBuf};

use crate::bound::{Bounded, CUT, Traffic};

/// Gives so many bytes at once.
struct Pieces<'a> {
    rest: &'a [u8],
    size: usize,
}

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let length = self.size.min(self.rest.len()).min(buffer.remaining());
        let (piece, rest) = self.rest.split_at(length);
        buffer.put_slice(piece);
        self.rest = rest;
        Poll::Ready(Ok(()))
    }
}

/// What comes through of replies to so many commands, and whether it was cut.
fn pass(replies: &[u8], size: usize, commands: usize) -> (Vec<u8>, bool) {
    let traffic = Arc::new(Traffic::default());
    traffic.begin();
    traffic.note_sent(commands);
    let mut stream = Bounded::new(Pieces { rest: replies, size }, traffic.clone());
    let mut context = Context::from_waker(Waker::noop());
    let (mut passed, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let mut buffer = ReadBuf::new(&mut chunk);
        let read = Pin::new(&mut stream).poll_read(&mut context, &mut buffer);
        assert!(matches!(read, Poll::Ready(Ok(()))), "{read:?}");
        if buffer.filled().is_empty() {
            let _ = (traffic.has_answered(), traffic.last_words());
            return (passed, traffic.was_cut());
        }
        passed.extend_from_slice(buffer.filled());
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&[size, commands], replies)) = input.split_first_chunk() else { return };
    let (size, commands) = (usize::from(size).max(1), usize::from(commands));
    let (passed, was_cut) = pass(replies, size, commands);
    assert_eq!(pass(replies, usize::MAX, commands), (passed.clone(), was_cut));
    if was_cut {
        let cuts = passed.windows(CUT.len()).filter(|window| *window == CUT.as_bytes()).count();
        let before = replies.windows(CUT.len()).filter(|window| *window == CUT.as_bytes()).count();
        assert!(cuts <= before + commands, "{cuts}");
    } else {
        // A line is passed on when it is whole.
        assert!(replies.starts_with(&passed));
        assert!(!replies[passed.len()..].contains(&b'\n'));
    }
    let mut parser = redis::Parser::new();
    let mut rest = &*passed;
    while !rest.is_empty() && parser.parse_value(&mut rest).is_ok() {}
});

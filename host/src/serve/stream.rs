//! A connection whose client may take its time, but not for ever.
//!
//! hyper's only time limit, for a head, begins when the answer before it ends, so that it cannot be
//! both short for a head that has begun and long for a connection that is idle; and it has none for
//! an answer that nobody reads.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::guest::room::Taken;
use crate::serve::bounds::{Bound, BoundCounts, ConnectionBounds, MIN_BYTES_PER_SECOND};
use crate::serve::head::Heads;

/// How long a connection that ends before its request was read goes on reading: if it closed at
/// once, the client's system would throw the refusal away with what it could not send.
const LINGER: Duration = Duration::from_secs(1);
/// And how much it reads.
const LINGER_BYTES: usize = 8 << 20;

/// What stream and service know of each other.
pub(crate) struct Exchange {
    state: Mutex<State>,
    bounds: ConnectionBounds,
    counts: Arc<BoundCounts>,
}

struct State {
    heads: Heads,
    /// Until when the client has to send something, and what it is otherwise told; `None` while a
    /// request is under way.
    deadline: Option<(Instant, Bound)>,
    /// Requests whose answers hyper has not taken over.
    pending: usize,
    /// Memory of answers that are not written yet.
    unwritten: Vec<Taken>,
    /// Whether the body of a request is left unread.
    is_refused: bool,
    /// Whether the client's time is up.
    is_over: bool,
}

impl Exchange {
    pub(crate) fn new(bounds: ConnectionBounds, counts: Arc<BoundCounts>) -> Arc<Exchange> {
        let deadline = Some((Instant::now() + bounds.head_timeout, Bound::HeadTime));
        let (heads, unwritten) = (Heads::default(), Vec::new());
        let state =
            State { heads, deadline, pending: 0, unwritten, is_refused: false, is_over: false };
        Arc::new(Exchange { state: Mutex::new(state), bounds, counts })
    }

    /// A request begins: whether its head had two lengths.
    pub(crate) fn begin(&self) -> bool {
        let mut state = self.lock();
        state.deadline = None;
        state.pending += 1;
        state.heads.next()
    }

    /// The answer to a request, with the memory that it takes. Where the body of the request was
    /// not read, the connection is about to end.
    pub(crate) fn answer(
        self: &Arc<Exchange>,
        body: Full<Bytes>,
        taken: Option<Taken>,
        is_refused: bool,
    ) -> AnswerBody {
        let mut state = self.lock();
        state.is_refused |= is_refused;
        state.unwritten.extend(taken);
        AnswerBody { body, exchange: self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding it")
    }

    fn read(&self, bytes: &[u8]) {
        let mut state = self.lock();
        let was_inside = state.heads.is_inside();
        state.heads.read(bytes);
        let begins = !was_inside && state.heads.is_inside();
        if begins && matches!(state.deadline, Some((_, Bound::IdleTime))) {
            let deadline = Instant::now() + self.bounds.head_timeout;
            state.deadline = Some((deadline, Bound::HeadTime));
        }
    }

    /// All that hyper had is written.
    fn written(&self) {
        let mut state = self.lock();
        if state.pending > 0 || state.is_over {
            return;
        }
        state.unwritten.clear();
        if state.deadline.is_none() {
            state.heads.answered();
            let (timeout, bound) = if state.heads.has_more() {
                (self.bounds.head_timeout, Bound::HeadTime)
            } else {
                (self.bounds.idle_timeout, Bound::IdleTime)
            };
            state.deadline = Some((Instant::now() + timeout, bound));
        }
    }

    /// Whether the client sent, or may still send, what nobody reads.
    fn is_cut(&self) -> bool {
        let state = self.lock();
        !state.is_over && (state.is_refused || state.heads.has_more())
    }
}

/// The body of an answer, which tells when hyper has taken it over.
pub(crate) struct AnswerBody {
    body: Full<Bytes>,
    exchange: Arc<Exchange>,
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        let mut state = self.exchange.lock();
        state.pending = state.pending.saturating_sub(1);
    }
}

/// A stream with time limits.
pub(crate) struct TimedStream<S> {
    stream: S,
    exchange: Arc<Exchange>,
    read_timer: Pin<Box<Sleep>>,
    write_timer: Pin<Box<Sleep>>,
    /// When the client first did not take what there was, and what it has taken since.
    stalled: Option<(Instant, u64)>,
    lingering: Option<(Instant, usize)>,
}

impl<S> TimedStream<S> {
    pub(crate) fn new(stream: S, exchange: Arc<Exchange>) -> TimedStream<S> {
        let timer = || Box::pin(tokio::time::sleep(Duration::ZERO));
        let (read_timer, write_timer) = (timer(), timer());
        TimedStream { stream, exchange, read_timer, write_timer, stalled: None, lingering: None }
    }

    /// Whether the time of the client is up; else wakes the task when it is.
    fn poll_read_timer(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let Some((deadline, bound)) = self.exchange.lock().deadline else { return Poll::Pending };
        ready!(poll_timer(&mut self.read_timer, deadline, cx));
        // Once: hyper may still flush.
        let mut state = self.exchange.lock();
        (state.deadline, state.is_over) = (None, true);
        drop(state);
        self.exchange.counts.reached(bound);
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }

    fn watch_write(
        &mut self,
        written: Poll<io::Result<usize>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match (&written, &mut self.stalled) {
            (Poll::Ready(Ok(bytes)), Some((_, taken))) => *taken += *bytes as u64,
            (Poll::Ready(_), _) => {}
            (Poll::Pending, stalled) => {
                let (since, taken) = stalled.get_or_insert_with(|| (Instant::now(), 0));
                let earned = Duration::from_secs(*taken / MIN_BYTES_PER_SECOND);
                let deadline = *since + self.exchange.bounds.write_timeout + earned;
                ready!(poll_timer(&mut self.write_timer, deadline, cx));
                self.exchange.counts.reached(Bound::WriteTime);
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        written
    }
}

fn poll_timer(timer: &mut Pin<Box<Sleep>>, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
    if timer.deadline() != deadline {
        timer.as_mut().reset(deadline);
    }
    timer.as_mut().poll(cx)
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let filled = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buffer) {
            Poll::Pending => Poll::Ready(Err(ready!(this.poll_read_timer(cx)))),
            Poll::Ready(result) => {
                this.exchange.read(&buffer.filled()[filled..]);
                Poll::Ready(result)
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TimedStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.watch_write(written, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.watch_write(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_flush(cx))?;
        this.stalled = None;
        this.exchange.written();
        // hyper may have looked for a request before this began its time.
        match this.poll_read_timer(cx) {
            Poll::Ready(error) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            if !this.exchange.is_cut() {
                return Poll::Ready(Ok(()));
            }
        }
        let (deadline, left) =
            this.lingering.get_or_insert_with(|| (Instant::now() + LINGER, LINGER_BYTES));
        let mut bytes = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut this.stream).poll_read(cx, &mut buffer) {
                Poll::Pending => {
                    ready!(poll_timer(&mut this.read_timer, *deadline, cx));
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() && *left > 0 => {
                    *left = left.saturating_sub(buffer.filled().len());
                }
                // It was closed already, and the answer is out.
                Poll::Ready(_) => return Poll::Ready(Ok(())),
            }
        }
    }
}

//! A line that tells how far a tool has come, for people at a terminal.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

/// Fast enough to look alive, and costs nothing.
const PAUSE: Duration = Duration::from_millis(100);

/// Rewrites one line of standard error, and removes it at the end.
pub(crate) struct Progress {
    start: Instant,
    /// `None` where nobody watches.
    next: Option<Instant>,
    shown: bool,
}

impl Progress {
    /// It stays silent unless standard error is a terminal.
    pub(crate) fn new() -> Progress {
        let start = Instant::now();
        Progress { start, next: stderr().is_terminal().then_some(start), shown: false }
    }

    /// One that shows nothing.
    pub(crate) fn silent() -> Progress {
        Progress { start: Instant::now(), next: None, shown: false }
    }

    /// Shows a text, unless another was shown a moment ago.
    pub(crate) fn show(&mut self, text: impl FnOnce(Duration) -> String) {
        let now = Instant::now();
        if self.next.is_some_and(|next| now >= next) {
            self.next = Some(now + PAUSE);
            self.shown = true;
            // A terminal that is gone is no reason to stop.
            let _ = write!(stderr(), "\r\x1b[K{}", text(now - self.start));
        }
    }

    /// Removes the line, so that another message can be written.
    pub(crate) fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

/// How many per second.
pub(crate) fn rate(count: u64, time: Duration) -> u64 {
    (count as f64 / time.as_secs_f64().max(1e-3)) as u64
}

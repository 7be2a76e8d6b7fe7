//! Large requests, on threads that give way to those for all others.
//!
//! An array of thousands of rows is computed for tens of milliseconds. On the threads that answer
//! everybody it would be in the way of requests that take microseconds, although it lets them pass
//! every millisecond: the operating system shares cores out in longer slices. Threads of low
//! priority take what the others leave, and on an idle machine all of it.

use std::io;
use std::panic::resume_unwind;
use std::thread::available_parallelism;

use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING};
use hyper::http::HeaderMap;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinSet;

/// A longer body is large: some hundred rows.
const LARGE_BYTES: u64 = 64 << 10;
/// How much its threads give way (nice): they get a tenth of what others of this machine get.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// The threads for large requests.
pub(crate) struct SlowLane {
    handle: Handle,
    /// Taken when it is dropped.
    runtime: Option<Runtime>,
}

impl SlowLane {
    /// With as many threads as there are cores.
    ///
    /// # Errors
    /// If there can be no more threads.
    pub(crate) fn new() -> io::Result<SlowLane> {
        let threads = available_parallelism().map_or(1, usize::from);
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("large requests")
            .on_thread_start(give_way)
            .enable_time()
            .build()?;
        Ok(SlowLane { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// Whether a request is for it, by its head: it is long, or may be.
    pub(crate) fn is_for(headers: &HeaderMap) -> bool {
        if headers.contains_key(TRANSFER_ENCODING) || headers.contains_key(CONTENT_ENCODING) {
            return true;
        }
        let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        length.is_some_and(|length| length.parse().is_ok_and(|length: u64| length > LARGE_BYTES))
    }

    /// Does something there. Given up, it ends there, too.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let mut tasks = JoinSet::new();
        tasks.spawn_on(work, &self.handle);
        match tasks.join_next().await {
            Some(Ok(done)) => done,
            Some(Err(error)) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The threads have ended with the server: nobody waits for the answer.
                Err(_) => std::future::pending().await,
            },
            None => std::future::pending().await,
        }
    }
}

impl Drop for SlowLane {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Nobody waits for what is left, and who drops it may be a task itself.
            runtime.shutdown_background();
        }
    }
}

#[cfg(target_os = "linux")]
fn give_way() {
    // On Linux, "no process" is this thread. Where it is not allowed, the thread is like all others.
    let _ = rustix::process::setpriority_process(None, NICENESS);
}

#[cfg(not(target_os = "linux"))]
fn give_way() {}

#[cfg(test)]
mod tests {
    use hyper::header::{HeaderName, HeaderValue};

    use super::*;

    fn is_for(pairs: &[(&'static str, &'static str)]) -> bool {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        SlowLane::is_for(&pairs.iter().map(pair).collect())
    }

    #[test]
    fn what_is_or_may_be_long_is_for_it() {
        for headers in [
            &[("content-length", "65537")][..],
            &[("transfer-encoding", "chunked")],
            &[("content-length", "10"), ("content-encoding", "gzip")],
        ] {
            assert!(is_for(headers), "{headers:?}");
        }
        for headers in [&[][..], &[("content-length", "65536")], &[("content-length", "x")]] {
            assert!(!is_for(headers), "{headers:?}");
        }
    }

    #[tokio::test]
    async fn what_runs_there_gives_way_and_ends_when_it_is_given_up() {
        let lane = SlowLane::new().unwrap();
        #[cfg(target_os = "linux")]
        {
            let there = async { rustix::process::getpriority_process(None).unwrap() };
            assert_eq!(lane.run(there).await, NICENESS);
        }
        let (sender, ended) = tokio::sync::oneshot::channel::<()>();
        let for_ever = async move {
            let _sender = sender;
            std::future::pending::<()>().await;
        };
        let wait = std::time::Duration::from_millis(10);
        assert!(tokio::time::timeout(wait, lane.run(for_ever)).await.is_err());
        assert!(ended.await.is_err());
    }
}

//! The one thread that changes the file: it commits all that waits as one transaction, so that
//! many callers share the time that a disk takes.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use foretold_core::cache::key;
use redb::{Database, ReadableDatabase};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tracing::warn;

use crate::store::backend::StoreError;
use crate::store::clock::{Expiry, SteadyClock};
use crate::store::file::table::{ENTRIES, store_error};
use crate::store::inventory::Purge;
use crate::store::sweep::{self, Step, Turn};

/// Changes that one transaction takes at most.
const MAX_CHANGES: usize = 4096;
/// What changes that wait for the disk may take, with so many bytes for each beside its keys and
/// values.
const MAX_WAITING_BYTES: usize = 64 << 20;
const CHANGE_BYTES: usize = 256;
/// Entries that a step of the sweep looks at.
const SWEEP_ENTRIES: usize = 1000;
/// A disk that is full refuses every write: one line in a while is enough.
const FAILURE_LOG_PAUSE: Duration = Duration::from_secs(10);

/// What is to be changed.
pub(super) enum Change {
    /// Keys and values, expiry included.
    Set(Vec<(String, Vec<u8>)>),
    Remove(Vec<String>),
    Purge(Purge),
}

impl Change {
    /// An estimate of what it takes while it waits.
    fn bytes(&self) -> usize {
        match self {
            Change::Set(pairs) => {
                pairs.iter().map(|(key, stored)| key.len() + stored.len() + CHANGE_BYTES).sum()
            }
            Change::Remove(keys) => keys.iter().map(|key| key.len() + CHANGE_BYTES).sum(),
            Change::Purge(_) => CHANGE_BYTES,
        }
    }
}

struct Request {
    change: Change,
    /// Its part of what may wait, until it is done.
    _room: OwnedSemaphorePermit,
    reply: oneshot::Sender<Result<u64, StoreError>>,
}

/// The thread, which ends with this handle.
pub(super) struct Writer {
    requests: Option<Sender<Request>>,
    room: Arc<Semaphore>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(database: Arc<Database>, clock: SteadyClock, path: &Path) -> Writer {
        let (requests, received) = channel();
        let path = path.to_owned();
        let mut worker = Worker { database, clock, path, sweep_after: None, failure_logged: None };
        let thread = std::thread::spawn(move || worker.run(&received));
        let room = Arc::new(Semaphore::new(MAX_WAITING_BYTES));
        Writer { requests: Some(requests), room, thread: Some(thread) }
    }

    /// Makes a change, and returns when it is on the disk. It gives how many entries there were
    /// of those to remove. Where the disk is slow and too much waits for it, the change is not made.
    pub(super) async fn change(&self, change: Change) -> Result<u64, StoreError> {
        let (reply, result) = oneshot::channel();
        let gone = || StoreError("the file's writer has stopped".to_owned());
        let requests = self.requests.as_ref().ok_or_else(gone)?;
        // One change may be as large as all that may wait.
        let bytes = change.bytes().min(MAX_WAITING_BYTES) as u32;
        let room = self.room.clone().try_acquire_many_owned(bytes);
        let _room = room.map_err(|_| StoreError("too much waits for the disk".to_owned()))?;
        requests.send(Request { change, _room, reply }).map_err(|_| gone())?;
        result.await.map_err(|_| gone())?
    }
}

impl Drop for Writer {
    /// The file is closed when this returns, and may be opened again.
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // It has panicked, and said so.
            let _ = thread.join();
        }
    }
}

struct Worker {
    database: Arc<Database>,
    clock: SteadyClock,
    path: PathBuf,
    /// The key that the sweep goes on after.
    sweep_after: Option<String>,
    failure_logged: Option<Instant>,
}

impl Worker {
    fn run(&mut self, received: &Receiver<Request>) {
        let mut swept = Instant::now();
        loop {
            match received.recv_timeout(sweep::PAUSE.saturating_sub(swept.elapsed())) {
                Ok(first) => {
                    let requests: Vec<Request> = std::iter::once(first)
                        .chain(received.try_iter().take(MAX_CHANGES - 1))
                        .collect();
                    self.commit(requests);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if swept.elapsed() >= sweep::PAUSE {
                if let Err(error) = self.sweep() {
                    self.log(&error);
                }
                swept = Instant::now();
            }
        }
    }

    /// One transaction for all requests; they succeed or fail together.
    fn commit(&mut self, requests: Vec<Request>) {
        let result = self.apply(requests.iter().map(|request| &request.change));
        let result = result.inspect_err(|error| self.log(error)).map_err(store_error);
        for (index, Request { reply, .. }) in requests.into_iter().enumerate() {
            // Whoever asked may have gone since.
            let _ = reply.send(result.as_ref().map(|counts| counts[index]).map_err(Clone::clone));
        }
    }

    fn apply<'a>(
        &self,
        changes: impl Iterator<Item = &'a Change>,
    ) -> Result<Vec<u64>, redb::Error> {
        let now = self.clock.now();
        let transaction = self.database.begin_write()?;
        let mut counts = Vec::new();
        let is_over = |stored: &[u8]| Expiry::is_over(stored, now);
        {
            let mut entries = transaction.open_table(ENTRIES)?;
            for change in changes {
                let mut removed = 0;
                match change {
                    Change::Set(pairs) => {
                        for (key, stored) in pairs {
                            entries.insert(&**key, &**stored)?;
                        }
                    }
                    Change::Remove(keys) => {
                        for key in keys {
                            let stored = entries.remove(&**key)?;
                            removed +=
                                u64::from(stored.is_some_and(|stored| !is_over(stored.value())));
                        }
                    }
                    Change::Purge(Purge::All) => entries.retain(|_, stored| {
                        removed += u64::from(!is_over(stored));
                        false
                    })?,
                    Change::Purge(Purge::Model(model)) => {
                        let Range { start, end } = key::range(model);
                        entries.retain_in::<&str, _>(&*start..&*end, |_, stored| {
                            removed += u64::from(!is_over(stored));
                            false
                        })?;
                    }
                }
                counts.push(removed);
            }
        }
        transaction.commit()?;
        Ok(counts)
    }

    /// Removes expired entries among the next ones in the order of keys.
    fn sweep(&mut self) -> Result<(), redb::Error> {
        let mut turn = Turn::begin();
        while turn.goes_on() {
            let (seen, expired) = self.expired()?;
            if !expired.is_empty() {
                let transaction = self.database.begin_write()?;
                {
                    let mut entries = transaction.open_table(ENTRIES)?;
                    for key in &expired {
                        entries.remove(&**key)?;
                    }
                }
                transaction.commit()?;
            }
            turn.note(Step { seen, expired: expired.len(), is_last: seen < SWEEP_ENTRIES });
        }
        Ok(())
    }

    /// How many entries were looked at, and the keys of those that have expired. No one else
    /// writes, so they stay so.
    fn expired(&mut self) -> Result<(usize, Vec<String>), redb::Error> {
        use std::ops::Bound::{Excluded, Unbounded};
        let now = self.clock.now();
        let transaction = self.database.begin_read()?;
        let entries = transaction.open_table(ENTRIES)?;
        let start = self.sweep_after.as_deref().map_or(Unbounded, Excluded);
        let (mut seen, mut last, mut expired) = (0, None, Vec::new());
        for row in entries.range::<&str>((start, Unbounded))?.take(SWEEP_ENTRIES) {
            let (key, stored) = row?;
            seen += 1;
            if Expiry::is_over(stored.value(), now) {
                expired.push(key.value().to_owned());
            }
            last = Some(key.value().to_owned());
        }
        self.sweep_after = last.filter(|_| seen == SWEEP_ENTRIES);
        Ok((seen, expired))
    }

    fn log(&mut self, error: &redb::Error) {
        if self.failure_logged.is_none_or(|logged| logged.elapsed() >= FAILURE_LOG_PAUSE) {
            self.failure_logged = Some(Instant::now());
            warn!("{} cannot be changed ({error}); predictions go on", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::store::file::table;

    #[tokio::test]
    async fn what_waits_for_a_slow_disk_is_bounded() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("store.redb");
        let database = Arc::new(table::open(&path).unwrap());
        let writer = Writer::start(database.clone(), SteadyClock::from_wall_clock(), &path);
        let set = |i: usize| Change::Set(vec![(i.to_string(), vec![0; MAX_WAITING_BYTES / 4])]);
        // As if the disk took its time: there is one transaction at a time.
        let slow = database.begin_write().unwrap();
        let waiting: Vec<_> = (0..3).map(|i| writer.change(set(i))).collect();
        let mut waiting: Vec<_> = waiting.into_iter().map(Box::pin).collect();
        for change in &mut waiting {
            assert!(
                std::future::poll_fn(|context| {
                    std::task::Poll::Ready(change.as_mut().poll(context).is_pending())
                })
                .await
            );
        }
        let error = writer.change(set(3)).await.unwrap_err();
        assert!(error.0.contains("too much waits"), "{error}");
        slow.abort().unwrap();
        for change in waiting {
            change.await.unwrap();
        }
        // There is room again.
        writer.change(set(4)).await.unwrap();
    }
}

//! Writes that no request waits for.
//!
//! A request is answered when the model has run: that the prediction is stored concerns the next one
//! only. So the write goes into a bounded queue and leaves it in batches; while one is on its way, the
//! next gathers. What is not stored yet is found here by who asks for it in this process.
//!
//! An entry from before a purge must not be written after it, so each has the store's epoch with it.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Notify;
use tracing::debug;

use crate::guest::room::{Room, Taken};
use crate::store::Inventory;

/// What all writes that wait may take.
const QUEUE_BYTES: u64 = 8 << 20;
/// What a write takes besides its key and its value.
const WRITE_BYTES: usize = 256;
/// Longer entries are waited for: a batch of them would be late.
const MAX_ENTRY_BYTES: usize = 16 << 10;
/// Entries of one round trip.
const MAX_BATCH: usize = 256;
/// How long a host that stops waits for what is queued.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);

/// Writes on their way to a store.
pub(crate) struct WriteQueue {
    store: Arc<dyn Inventory>,
    room: Room,
    queued: Mutex<Queued>,
    /// How many there are, for who only wants to know whether there are any.
    length: AtomicUsize,
    changed: Notify,
    counts: [AtomicU64; Outcome::ALL.len()],
}

impl fmt::Debug for WriteQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteQueue").field("length", &self.length).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Queued {
    /// Those that are not on their way yet, the oldest first.
    next: Vec<Write>,
    /// The value and the epoch of each that has not arrived.
    values: HashMap<Arc<str>, (Bytes, u64)>,
}

struct Write {
    key: Arc<str>,
    value: Bytes,
    time_to_live: Duration,
    epoch: u64,
    _taken: Taken,
}

/// What becomes of an entry that somebody wants to store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Push {
    /// It will be written.
    Queued,
    /// It will not: too many are waiting.
    Full,
    /// It is not one for the queue: it is long, or nobody knows whether there was a purge.
    NotHere,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The store has it.
    Stored,
    /// The store did not take it.
    Failed,
    /// There was no room in the queue.
    Full,
    /// A purge came before it.
    Purged,
}

impl Outcome {
    /// All of them.
    pub(crate) const ALL: [Outcome; 4] =
        [Outcome::Stored, Outcome::Failed, Outcome::Full, Outcome::Purged];

    /// Its name in the metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Outcome::Stored => "stored",
            Outcome::Failed => "failed",
            Outcome::Full => "full",
            Outcome::Purged => "purged",
        }
    }
}

impl WriteQueue {
    /// An empty queue in front of a store, which it writes to as long as the process runs.
    pub(crate) fn start(store: Arc<dyn Inventory>) -> Arc<WriteQueue> {
        let queue = Arc::new(WriteQueue::new(store, QUEUE_BYTES));
        tokio::spawn(queue.clone().run());
        queue
    }

    fn new(store: Arc<dyn Inventory>, max_bytes: u64) -> WriteQueue {
        WriteQueue {
            store,
            room: Room::new(max_bytes),
            queued: Mutex::default(),
            length: AtomicUsize::new(0),
            changed: Notify::new(),
            counts: Default::default(),
        }
    }

    /// Queues a write.
    pub(crate) fn push(&self, key: &str, value: &Bytes, time_to_live: Duration) -> Push {
        let Some(epoch) = self.store.epoch().filter(|_| value.len() <= MAX_ENTRY_BYTES) else {
            return Push::NotHere;
        };
        let mut taken = self.room.none();
        if !taken.try_reach(2 * key.len() + value.len() + WRITE_BYTES) {
            self.count(Outcome::Full, 1);
            return Push::Full;
        }
        let key: Arc<str> = key.into();
        let mut queued = self.queued();
        let old = queued.values.insert(key.clone(), (value.clone(), epoch));
        // Who computed it at the same time has queued the same.
        if old.is_none_or(|(_, old_epoch)| old_epoch != epoch) {
            queued.next.push(Write {
                key,
                value: value.clone(),
                time_to_live,
                epoch,
                _taken: taken,
            });
            self.length.store(queued.values.len(), Ordering::Relaxed);
            drop(queued);
            self.changed.notify_one();
        }
        Push::Queued
    }

    /// The value under a key that is not stored yet.
    pub(crate) fn find(&self, key: &str) -> Option<Bytes> {
        if self.length.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let (value, epoch) = self.queued().values.get(key).cloned()?;
        (self.store.epoch() == Some(epoch)).then_some(value)
    }

    /// Waits until all is written, for a while.
    pub(crate) async fn drain(&self) {
        let start = Instant::now();
        while self.length.load(Ordering::Relaxed) > 0 && start.elapsed() < DRAIN_LIMIT {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// How many writes came to such an end.
    pub(crate) fn counted(&self, outcome: Outcome) -> u64 {
        self.counts[outcome as usize].load(Ordering::Relaxed)
    }

    async fn run(self: Arc<WriteQueue>) {
        loop {
            self.changed.notified().await;
            // Those that are ready to be queued go along.
            tokio::task::yield_now().await;
            loop {
                let batch = self.take_batch();
                if batch.is_empty() {
                    break;
                }
                self.write(batch).await;
            }
        }
    }

    /// The oldest writes, of one time to live.
    fn take_batch(&self) -> Vec<Write> {
        let mut queued = self.queued();
        let Some(time_to_live) = queued.next.first().map(|write| write.time_to_live) else {
            return Vec::new();
        };
        let others = queued.next.iter().position(|write| write.time_to_live != time_to_live);
        let count = others.unwrap_or(queued.next.len()).min(MAX_BATCH);
        queued.next.drain(..count).collect()
    }

    async fn write(&self, batch: Vec<Write>) {
        let epoch = self.store.epoch();
        let (current, purged): (Vec<&Write>, Vec<&Write>) =
            batch.iter().partition(|write| Some(write.epoch) == epoch);
        self.count(Outcome::Purged, purged.len());
        if let Some(first) = current.first() {
            let entries = current.iter().map(|write| (write.key.to_string(), write.value.clone()));
            let written = self.store.set_many(entries.collect(), first.time_to_live).await;
            let outcome = if written.is_ok() { Outcome::Stored } else { Outcome::Failed };
            if let Err(error) = written {
                debug!("{} entries are not stored: {error}", current.len());
            }
            self.count(outcome, current.len());
        }
        let mut queued = self.queued();
        for write in &batch {
            let is_same = |(_, epoch): &(Bytes, u64)| *epoch == write.epoch;
            if queued.values.get(&write.key).is_some_and(is_same) {
                queued.values.remove(&write.key);
            }
        }
        self.length.store(queued.values.len(), Ordering::Relaxed);
    }

    fn count(&self, outcome: Outcome, writes: usize) {
        self.counts[outcome as usize].fetch_add(writes as u64, Ordering::Relaxed);
    }

    fn queued(&self) -> MutexGuard<'_, Queued> {
        self.queued.lock().expect("nobody panics while holding it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::near::NearStore;
    use crate::store::{MemoryStore, Purge};

    const TTL: Duration = Duration::from_secs(60);

    fn queue(max_bytes: u64) -> Arc<WriteQueue> {
        let store = Arc::new(NearStore::new(Arc::new(MemoryStore::new(1 << 20)), None));
        Arc::new(WriteQueue::new(store, max_bytes))
    }

    fn counts(queue: &WriteQueue) -> [u64; 4] {
        Outcome::ALL.map(|outcome| queue.counted(outcome))
    }

    #[tokio::test]
    async fn what_is_queued_is_found_until_the_store_has_it() {
        let queue = queue(1 << 20);
        let keys: Vec<String> = (0..2 * MAX_BATCH + 1).map(|n| format!("k{n}")).collect();
        for key in &keys {
            assert_eq!(queue.push(key, &Bytes::from(key.clone()), TTL), Push::Queued);
        }
        assert_eq!(queue.push("other", &Bytes::new(), 2 * TTL), Push::Queued);
        assert_eq!(queue.find("k7").unwrap(), "k7");
        let long = Bytes::from(vec![0; MAX_ENTRY_BYTES + 1]);
        assert_eq!(queue.push("long", &long, TTL), Push::NotHere);
        assert!(queue.store.get("k7", TTL).await.unwrap().is_none());
        let worker = tokio::spawn(queue.clone().run());
        queue.drain().await;
        worker.abort();
        assert!(queue.find("k7").is_none());
        for (found, key) in queue.store.get_many(&keys, TTL).await.unwrap().iter().zip(&keys) {
            assert_eq!(found.as_ref().unwrap(), key.as_bytes());
        }
        assert_eq!(counts(&queue), [keys.len() as u64 + 1, 0, 0, 0]);
        assert_eq!(queue.room.free_bytes(), 1 << 20, "room is given back");
    }

    #[tokio::test]
    async fn what_has_no_room_is_dropped_and_counted() {
        let queue = queue(4 << 10);
        let pushed: Vec<Push> =
            (0..9).map(|n| queue.push(&n.to_string(), &Bytes::from(vec![0; 700]), TTL)).collect();
        let fit = pushed.iter().take_while(|push| **push == Push::Queued).count();
        assert!((2..9).contains(&fit), "{fit}");
        assert!(pushed[fit..].iter().all(|push| *push == Push::Full));
        // The same again takes nothing.
        assert_eq!(counts(&queue), [0, 0, 9 - fit as u64, 0]);
        queue.write(queue.take_batch()).await;
        assert_eq!(queue.push("x", &Bytes::new(), TTL), Push::Queued);
    }

    #[tokio::test]
    async fn nothing_is_written_or_found_after_a_purge() {
        let queue = queue(1 << 20);
        queue.push("a", &Bytes::from_static(b"old"), TTL);
        queue.store.change_generation(&Purge::All).await.unwrap();
        assert!(queue.find("a").is_none());
        // Computed since, under the same key.
        queue.push("a", &Bytes::from_static(b"new"), TTL);
        assert_eq!(queue.find("a").unwrap(), "new");
        queue.write(queue.take_batch()).await;
        assert_eq!(queue.store.get("a", TTL).await.unwrap().unwrap(), "new");
        assert_eq!(counts(&queue), [1, 0, 0, 1]);
    }
}

//! A bounded store in this process.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::store::backend::{Store, StoreFuture};
use crate::store::inventory::Counts;
use crate::store::inventory::{Cursor, Entry, Inventory, Page, Purge, Selection, Statistics};
use crate::store::key::Key;

/// Entries in memory, the least useful dropped first (S3-FIFO) when they take too much of it.
///
/// Each has a deadline on the monotonic clock, and a sweep in the background frees those that are
/// past it.
pub struct MemoryStore {
    entries: Arc<Entries>,
}

type Entries = Cache<Box<str>, Timed, EntryBytes>;

#[derive(Clone)]
struct Timed {
    value: Bytes,
    deadline: Instant,
}

/// An estimate of what an entry takes besides key and value: two heap blocks and its place in the
/// table.
const OVERHEAD_BYTES: u64 = 176;
/// Entries that the sweep looks at in one turn, and the pause between two: a million entries take
/// 20 s and half a percent of a processor.
const SWEEP_ENTRIES: usize = 1000;
const SWEEP_PAUSE: Duration = Duration::from_millis(20);
/// Longer than anyone asks for, and no overflow.
const LONGEST_TIME_TO_LIVE: Duration = Duration::from_secs(1 << 32);

#[derive(Clone)]
struct EntryBytes;

impl Weighter<Box<str>, Timed> for EntryBytes {
    fn weight(&self, key: &Box<str>, timed: &Timed) -> u64 {
        (key.len() + timed.value.len()) as u64 + OVERHEAD_BYTES
    }
}

impl MemoryStore {
    /// A store whose entries take at most so much memory.
    ///
    /// # Panics
    /// Outside of a Tokio runtime, which runs the sweep.
    pub fn new(max_bytes: u64) -> MemoryStore {
        let estimated_entries = (max_bytes / (OVERHEAD_BYTES + 64)) as usize;
        let entries = Arc::new(Cache::with_weighter(estimated_entries, max_bytes, EntryBytes));
        tokio::spawn(sweep(Arc::downgrade(&entries)));
        MemoryStore { entries }
    }

    fn read(&self, key: &str) -> Option<Bytes> {
        let timed = self.entries.get(key)?;
        (timed.deadline > Instant::now()).then_some(timed.value)
    }

    fn write(&self, key: &str, value: Bytes, time_to_live: Duration) {
        let deadline = Instant::now() + time_to_live.min(LONGEST_TIME_TO_LIVE);
        self.entries.insert(key.into(), Timed { value, deadline });
    }
}

/// Frees expired entries, a few at a time, as long as the store lives.
async fn sweep(entries: Weak<Entries>) {
    loop {
        tokio::time::sleep(SWEEP_PAUSE).await;
        let Some(entries) = entries.upgrade() else { return };
        let mut rest = entries.iter();
        loop {
            let now = Instant::now();
            let mut looked_at = 0;
            for (key, timed) in rest.by_ref().take(SWEEP_ENTRIES) {
                looked_at += 1;
                if timed.deadline <= now {
                    entries.remove_if(&*key, |timed| timed.deadline <= now);
                }
            }
            if looked_at < SWEEP_ENTRIES {
                break;
            }
            tokio::time::sleep(SWEEP_PAUSE).await;
            // The store is gone, and only this pass holds its entries.
            if Arc::strong_count(&entries) == 1 {
                return;
            }
        }
    }
}

fn ready<'a, T: Send + 'a>(value: T) -> StoreFuture<'a, T> {
    Box::pin(std::future::ready(Ok(value)))
}

impl Store for MemoryStore {
    fn get<'a>(&'a self, key: &'a str, _: Duration) -> StoreFuture<'a, Option<Bytes>> {
        ready(self.read(key))
    }

    fn set<'a>(
        &'a self,
        key: &'a str,
        value: Bytes,
        time_to_live: Duration,
    ) -> StoreFuture<'a, ()> {
        self.write(key, value, time_to_live);
        ready(())
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [String],
        _: Duration,
    ) -> StoreFuture<'a, Vec<Option<Bytes>>> {
        ready(keys.iter().map(|key| self.read(key)).collect())
    }

    fn set_many(
        &self,
        entries: Vec<(String, Bytes)>,
        time_to_live: Duration,
    ) -> StoreFuture<'_, ()> {
        for (key, value) in entries {
            self.write(&key, value, time_to_live);
        }
        ready(())
    }
}

impl Inventory for MemoryStore {
    /// All entries are one page.
    fn page<'a>(&'a self, selection: &'a Selection, _: Cursor) -> StoreFuture<'a, Page> {
        let now = Instant::now();
        let entries = self.entries.iter().filter_map(|(key, timed)| {
            let time_left = timed.deadline.checked_duration_since(now)?;
            let selected = !time_left.is_zero() && selection.takes(Key::parse(&key));
            let entry = Entry { key: key.into(), value: timed.value, time_left: Some(time_left) };
            selected.then_some(entry)
        });
        ready(Page { entries: entries.collect(), next: None })
    }

    fn remove<'a>(&'a self, keys: &'a [String]) -> StoreFuture<'a, u64> {
        let now = Instant::now();
        let removed = keys.iter().filter_map(|key| self.entries.remove(&**key));
        ready(removed.filter(|(_, timed)| timed.deadline > now).count() as u64)
    }

    /// It simply removes them.
    fn change_generation<'a>(&'a self, purge: &'a Purge) -> StoreFuture<'a, u64> {
        let before = self.entries.len();
        match purge {
            Purge::All => self.entries.clear(),
            Purge::Model(model) => {
                self.entries.retain(|key, _| Key::parse(key).model() != model);
            }
        }
        ready(before.saturating_sub(self.entries.len()) as u64)
    }

    fn free_old_generations<'a>(
        &'a self,
        _: &'a mut (dyn FnMut(u64) + Send),
    ) -> StoreFuture<'a, u64> {
        ready(0)
    }

    fn statistics(&self) -> StoreFuture<'_, Statistics> {
        let mut counts = Counts::default();
        for (key, _) in self.entries.iter() {
            counts.add(Key::parse(&key).model(), 1);
        }
        let bytes = self.entries.weight();
        ready(Statistics { models: counts.into_models(), bytes, server: None })
    }
}

//! A bounded store in this process.

use std::time::Duration;

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::{Store, StoreFuture};

/// Entries in memory, the least useful dropped first (S3-FIFO) when they take too much of it.
///
/// It ignores the time to live: the reader of an entry judges its age, and an entry that is never
/// read again is the first to be dropped.
pub struct MemoryStore {
    entries: Cache<Box<str>, Bytes, EntryBytes>,
}

/// An estimate of what an entry takes besides key and value: two heap blocks and its place in the
/// table.
const OVERHEAD_BYTES: u64 = 160;

#[derive(Clone)]
struct EntryBytes;

impl Weighter<Box<str>, Bytes> for EntryBytes {
    fn weight(&self, key: &Box<str>, value: &Bytes) -> u64 {
        (key.len() + value.len()) as u64 + OVERHEAD_BYTES
    }
}

impl MemoryStore {
    /// A store whose entries take at most so much memory.
    pub fn new(max_bytes: u64) -> MemoryStore {
        let estimated_entries = (max_bytes / (OVERHEAD_BYTES + 64)) as usize;
        MemoryStore { entries: Cache::with_weighter(estimated_entries, max_bytes, EntryBytes) }
    }
}

impl Store for MemoryStore {
    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Bytes>> {
        Box::pin(std::future::ready(Ok(self.entries.get(key))))
    }

    fn set<'a>(&'a self, key: &'a str, value: Bytes, _: Duration) -> StoreFuture<'a, ()> {
        self.entries.insert(key.into(), value);
        Box::pin(std::future::ready(Ok(())))
    }
}

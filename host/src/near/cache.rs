//! The one bounded cache that both tiers share.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};

use crate::near::answer::Answer;

/// An estimate of what is taken besides keys, values and headers: heap blocks, and the place in the
/// table.
const OVERHEAD_BYTES: usize = 288;
/// To size the table for.
const USUAL_BYTES: u64 = 512;

/// Entries and answers, the least useful dropped first when they take too much memory: those that
/// were asked for only once cannot drive out those that are asked for often.
pub(crate) struct NearCache {
    items: Cache<Key, Item, ItemBytes>,
}

/// What something is kept under.
#[derive(Clone, PartialEq, Eq)]
enum Key {
    /// An entry's key.
    Entry(Box<str>),
    /// A whole request.
    Answer(Box<[u8]>),
}

/// The same, borrowed.
enum KeyRef<'a> {
    Entry(&'a str),
    Answer(&'a [u8]),
}

#[derive(Clone)]
enum Item {
    Entry(Entry),
    Answer(Arc<Answer>),
}

#[derive(Clone)]
struct Entry {
    value: Bytes,
    /// The store's when it was read.
    epoch: u64,
    deadline: Instant,
}

#[derive(Clone)]
struct ItemBytes;

impl NearCache {
    /// A cache whose items take at most so much memory.
    pub(crate) fn new(max_bytes: u64) -> NearCache {
        let estimated_items = (max_bytes / USUAL_BYTES) as usize;
        NearCache { items: Cache::with_weighter(estimated_items, max_bytes, ItemBytes) }
    }

    /// What its items take, as it is estimated.
    pub(crate) fn bytes(&self) -> u64 {
        self.items.weight()
    }

    /// The value under a key, if it was read in this epoch and its time is not over.
    pub(super) fn entry(&self, key: &str, epoch: u64) -> Option<Bytes> {
        let Item::Entry(entry) = self.items.get(&KeyRef::Entry(key))? else { return None };
        (entry.epoch == epoch && entry.deadline > Instant::now()).then_some(entry.value)
    }

    /// Keeps a value that was read or written in an epoch.
    pub(super) fn keep_entry(&self, key: &str, value: &[u8], epoch: u64, deadline: Instant) {
        // A copy: what came from a server may be a part of a larger block.
        let entry = Entry { value: Bytes::copy_from_slice(value), epoch, deadline };
        self.items.insert(Key::Entry(key.into()), Item::Entry(entry));
    }

    pub(super) fn answer(&self, request: &[u8]) -> Option<Arc<Answer>> {
        match self.items.get(&KeyRef::Answer(request))? {
            Item::Answer(answer) => Some(answer),
            Item::Entry(_) => None,
        }
    }

    pub(super) fn keep_answer(&self, request: Vec<u8>, answer: Answer) {
        self.items.insert(Key::Answer(request.into()), Item::Answer(Arc::new(answer)));
    }
}

impl Weighter<Key, Item> for ItemBytes {
    fn weight(&self, key: &Key, item: &Item) -> u64 {
        let key_bytes = match key {
            Key::Entry(key) => key.len(),
            Key::Answer(request) => request.len(),
        };
        let item_bytes = match item {
            Item::Entry(entry) => entry.value.len(),
            Item::Answer(answer) => answer.bytes(),
        };
        (OVERHEAD_BYTES + key_bytes + item_bytes) as u64
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Key::Entry(key) => KeyRef::Entry(key),
            Key::Answer(request) => KeyRef::Answer(request),
        }
        .hash(state);
    }
}

impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            KeyRef::Entry(key) => (0_u8, key.as_bytes()).hash(state),
            KeyRef::Answer(request) => (1_u8, *request).hash(state),
        }
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        match (self, key) {
            (KeyRef::Entry(asked), Key::Entry(key)) => **asked == **key,
            (KeyRef::Answer(asked), Key::Answer(request)) => **asked == **request,
            _ => false,
        }
    }
}

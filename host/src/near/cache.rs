//! What both tiers are kept in, under one bound.
//!
//! An entry takes a third of an answer and is good for every spelling and endpoint, so where there are
//! entries they get most of the memory: with requests by Zipf's law, that is what decides how many of
//! them need the store. An answer is kept only when its request comes again: one that is asked in a new
//! spelling each time would only cost.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::near::answer::Answer;

/// An estimate of what is taken besides keys, values and headers: heap blocks, and the place in the
/// table.
const OVERHEAD_BYTES: usize = 288;
/// To size the tables for.
const USUAL_ENTRY_BYTES: u64 = 330;
const USUAL_ANSWER_BYTES: u64 = 1024;
/// The part of the memory that answers get where entries are kept, too: one in so many.
const ANSWERS_PART: u64 = 8;
/// Requests that are remembered, at most, and the memory for which there is one.
const MAX_REMEMBERED: usize = 1 << 16;
const BYTES_PER_REMEMBERED: u64 = 256;

/// Entries and answers, the least useful dropped first when they take too much memory: those that
/// were asked for only once cannot drive out those that are asked for often.
pub(crate) struct NearCache {
    /// None where the store is in this process's memory itself.
    entries: Option<Cache<Box<str>, Entry, ItemBytes>>,
    answers: Cache<Box<[u8]>, Arc<Answer>, ItemBytes>,
    remembered: Remembered,
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
    /// For answers and entries, which take at most so much memory together.
    pub(crate) fn new(max_bytes: u64) -> NearCache {
        let of_answers = max_bytes / ANSWERS_PART;
        let of_entries = max_bytes - of_answers;
        let estimated = (of_entries / USUAL_ENTRY_BYTES) as usize;
        let entries = Cache::with_weighter(estimated, of_entries, ItemBytes);
        NearCache { entries: Some(entries), ..NearCache::of_answers(of_answers) }
    }

    /// For answers alone.
    pub(crate) fn of_answers(max_bytes: u64) -> NearCache {
        let remembered = Remembered::new((max_bytes / BYTES_PER_REMEMBERED) as usize);
        let bytes = max_bytes.saturating_sub(remembered.bytes());
        let estimated = (bytes / USUAL_ANSWER_BYTES) as usize;
        let answers = Cache::with_weighter(estimated, bytes, ItemBytes);
        NearCache { entries: None, answers, remembered }
    }

    /// What its items take, as it is estimated.
    pub(crate) fn bytes(&self) -> u64 {
        self.answers.weight() + self.entries.as_ref().map_or(0, Cache::weight)
    }

    /// The value under a key, if it was read in this epoch and its time is not over.
    pub(super) fn entry(&self, key: &str, epoch: u64) -> Option<Bytes> {
        let entry = self.entries.as_ref()?.get(key)?;
        (entry.epoch == epoch && entry.deadline > Instant::now()).then_some(entry.value)
    }

    /// Keeps a value that was read or written in an epoch.
    pub(super) fn keep_entry(&self, key: &str, value: &[u8], epoch: u64, deadline: Instant) {
        if let Some(entries) = &self.entries {
            // A copy: what came from a server may be a part of a larger block.
            let entry = Entry { value: Bytes::copy_from_slice(value), epoch, deadline };
            entries.insert(key.into(), entry);
        }
    }

    pub(super) fn answer(&self, request: &[u8]) -> Option<Arc<Answer>> {
        self.answers.get(request)
    }

    /// Whether a request that has no answer here was made before, not long ago.
    pub(super) fn comes_again(&self, request: &[u8]) -> bool {
        self.remembered.comes_again(request)
    }

    pub(super) fn keep_answer(&self, request: Vec<u8>, answer: Answer) {
        self.answers.insert(request.into(), Arc::new(answer));
    }
}

impl Weighter<Box<str>, Entry> for ItemBytes {
    fn weight(&self, key: &Box<str>, entry: &Entry) -> u64 {
        (OVERHEAD_BYTES + key.len() + entry.value.len()) as u64
    }
}

impl Weighter<Box<[u8]>, Arc<Answer>> for ItemBytes {
    fn weight(&self, request: &Box<[u8]>, answer: &Arc<Answer>) -> u64 {
        (OVERHEAD_BYTES + request.len() + answer.bytes()) as u64
    }
}

/// Digests of requests, each in the place that it determines until another takes it. A mistake would
/// keep an answer too early, nothing else.
struct Remembered {
    digests: Box<[AtomicU32]>,
    hasher: RandomState,
}

impl Remembered {
    fn new(requests: usize) -> Remembered {
        let count = requests.clamp(1, MAX_REMEMBERED);
        Remembered {
            digests: (0..count).map(|_| AtomicU32::new(0)).collect(),
            hasher: RandomState::new(),
        }
    }

    fn bytes(&self) -> u64 {
        size_of_val(&*self.digests) as u64
    }

    fn comes_again(&self, request: &[u8]) -> bool {
        let hash = self.hasher.hash_one(request);
        let place = (hash % self.digests.len() as u64) as usize;
        // 0 is for a place where nothing was.
        let digest = (hash >> 32) as u32 | 1;
        self.digests[place].swap(digest, Ordering::Relaxed) == digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_remembered_until_others_take_its_place() {
        let remembered = Remembered::new(1 << 10);
        assert!(!remembered.comes_again(b"a") && remembered.comes_again(b"a"));
        for other in 0..100_000_u32 {
            assert!(!remembered.comes_again(&other.to_le_bytes()));
        }
        assert!(!remembered.comes_again(b"a"));
    }

    #[test]
    fn both_tiers_together_stay_within_the_bound() {
        const BOUND: u64 = 1 << 20;
        let cache = NearCache::new(BOUND);
        let deadline = Instant::now() + std::time::Duration::from_secs(60);
        for number in 0..20_000 {
            cache.keep_entry(&format!("foretold:nFu_DsCDgACvUlg:p{number}"), &[0; 12], 0, deadline);
        }
        assert!(cache.bytes() > BOUND / 2 && cache.bytes() <= BOUND, "{}", cache.bytes());
    }
}

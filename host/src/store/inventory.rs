//! What tools may ask of a store: its entries, its size, and to forget.

use std::time::Duration;

use bytes::Bytes;

use crate::store::backend::{Store, StoreFuture};

/// A store whose entries can be listed and removed.
///
/// These calls are for tools: they may take seconds. Only the current generation is listed.
pub trait Inventory: Store {
    /// A number that is another one after a purge by anybody: what was read before may be given
    /// only as long as it is the same. `None` where a purge is under way, or nothing is known.
    fn epoch(&self) -> Option<u64> {
        Some(0)
    }

    /// The value under a key, where it is in this process's memory; `None` says nothing.
    fn nearby(&self, _key: &str) -> Option<Bytes> {
        None
    }

    /// Whether this host is to compute a missing value, while others wait for it: the first that
    /// asks, until it has passed or [`Inventory::end_lease`]. Where there are no other hosts, it is.
    fn lease<'a>(&'a self, _key: &'a str, _time: Duration) -> StoreFuture<'a, bool> {
        Box::pin(std::future::ready(Ok(true)))
    }

    /// Lets another host compute the value, since this one will not.
    fn end_lease<'a>(&'a self, _key: &'a str) -> StoreFuture<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Some entries, from a cursor on. An entry that is there all the time is listed at least once.
    fn page<'a>(&'a self, selection: &'a Selection, cursor: Cursor) -> StoreFuture<'a, Page>;

    /// Removes entries by their keys, those with an unknown key included. It gives how many there
    /// were.
    fn remove<'a>(&'a self, keys: &'a [String]) -> StoreFuture<'a, u64>;

    /// Tells all hosts that single entries were removed, so that none answers from its memory.
    fn tell_of_removal(&self) -> StoreFuture<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Makes all of a generation's entries misses, at once and in every host. It gives how many
    /// entries that has already freed.
    fn change_generation<'a>(&'a self, purge: &'a Purge) -> StoreFuture<'a, u64>;

    /// Frees what older generations left, with the count so far told as it grows. It gives how
    /// many entries were freed.
    fn free_old_generations<'a>(
        &'a self,
        progress: &'a mut (dyn FnMut(u64) + Send),
    ) -> StoreFuture<'a, u64>;

    /// Counts and sizes.
    fn statistics(&self) -> StoreFuture<'_, Statistics>;
}

/// Which entries to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Those of all models.
    All,
    /// Those of one model, by its id.
    Model(String),
    /// Those whose key begins so and is not of Foretold's own form: `DecisionRequest(`, say.
    Prefix(String),
}

/// What to forget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purge {
    /// The entries of all models.
    All,
    /// Those of one model, by its id.
    Model(String),
}

/// Where a listing goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor(pub(super) Position);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Position {
    #[default]
    Start,
    /// After this key.
    After(String),
    /// In Redis: servers that are left, a cursor of SCAN in the last of them, and what is left of
    /// the hashes that it gave.
    Scan { servers: Vec<String>, scan: u64, hashes: Vec<Vec<u8>>, within: u64 },
}

/// Some entries.
#[derive(Clone, Debug)]
pub struct Page {
    /// In no order; there may be none although more follow.
    pub entries: Vec<Entry>,
    /// Where to go on, unless this was the last.
    pub next: Option<Cursor>,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// As a component gives it. Where the store keeps but a digest of the key,
    /// `foretold:MODEL:?DIGEST`, which [`Inventory::remove`] and [`Store::get`] take too.
    pub key: String,
    /// As a component gave it.
    pub value: Bytes,
    /// When the store will free it, if it says.
    pub time_left: Option<Duration>,
}

/// Counts and sizes of a store.
#[derive(Clone, Debug, Default)]
pub struct Statistics {
    /// How many entries each model has.
    pub models: Vec<ModelCount>,
    /// Bytes that entries take: measured, or in Redis estimated from a sample.
    pub bytes: u64,
    /// What a server says of itself.
    pub server: Option<ServerStatistics>,
}

/// How many entries a model has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelCount {
    /// The model's id; empty for entries whose keys name no model.
    pub model: String,
    /// Expired ones that are not freed yet may be counted.
    pub entries: u64,
}

/// What a server says of itself, as a whole and not of this cache.
#[derive(Clone, Debug, Default)]
pub struct ServerStatistics {
    /// `redis` or `valkey`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Memory that it uses.
    pub used_memory_bytes: u64,
    /// Its bound; 0 means none.
    pub max_memory_bytes: u64,
    /// What it does when it is full.
    pub max_memory_policy: String,
    /// Entries that it dropped for want of memory.
    pub evicted_keys: u64,
}

/// Counts entries by model.
#[derive(Default)]
pub(super) struct Counts(std::collections::BTreeMap<String, u64>);

impl Counts {
    pub(super) fn add(&mut self, model: &str, entries: u64) {
        match self.0.get_mut(model) {
            Some(count) => *count += entries,
            None => {
                self.0.insert(model.to_owned(), entries);
            }
        }
    }

    pub(super) fn into_models(self) -> Vec<ModelCount> {
        let counts = self.0.into_iter();
        counts.map(|(model, entries)| ModelCount { model, entries }).collect()
    }
}

impl Selection {
    /// Whether a key, parsed, is selected.
    pub(super) fn takes(&self, key: crate::store::key::Key<'_>) -> bool {
        use crate::store::key::Key;
        match (self, key) {
            (Selection::All, Key::Model { .. }) => true,
            (Selection::Model(wanted), Key::Model { model, .. }) => wanted == model,
            (Selection::Prefix(prefix), Key::Plain(key)) => key.starts_with(prefix),
            _ => false,
        }
    }
}

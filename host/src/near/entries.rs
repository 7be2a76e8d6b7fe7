//! The tier of entries: what components ask of the store is answered from memory first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::near::cache::NearCache;
use crate::store::{
    Cursor, Inventory, Key, Page, Purge, Selection, Statistics, Store, StoreFuture,
};

/// A store behind the near cache.
pub(crate) struct NearStore {
    store: Arc<dyn Inventory>,
    /// None where the store is in this process's memory itself.
    cache: Option<Arc<NearCache>>,
    /// Purges that came through here.
    purges: AtomicU64,
}

impl NearStore {
    /// Puts a cache in front of a store.
    pub(crate) fn new(store: Arc<dyn Inventory>, cache: Option<Arc<NearCache>>) -> NearStore {
        NearStore { store, cache, purges: AtomicU64::new(0) }
    }

    /// The cache and the epoch, where keys like this are kept now. Entries of a Python service say
    /// nothing of their age, and it may change them.
    fn cache_for(&self, key: &str) -> Option<(&Arc<NearCache>, u64)> {
        let cache = self.cache.as_ref()?;
        matches!(Key::parse(key), Key::Model { .. }).then_some(())?;
        Some((cache, self.epoch()?))
    }
}

impl Store for NearStore {
    fn get<'a>(&'a self, key: &'a str, time_to_live: Duration) -> StoreFuture<'a, Option<Bytes>> {
        let Some((cache, epoch)) = self.cache_for(key) else {
            return self.store.get(key, time_to_live);
        };
        if let Some(value) = cache.entry(key, epoch) {
            return Box::pin(std::future::ready(Ok(Some(value))));
        }
        Box::pin(async move {
            let value = self.store.get(key, time_to_live).await?;
            if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
                cache.keep_entry(key, value, epoch, Instant::now() + time_to_live);
            }
            Ok(value)
        })
    }

    fn set<'a>(
        &'a self,
        key: &'a str,
        value: Bytes,
        time_to_live: Duration,
    ) -> StoreFuture<'a, ()> {
        let Some((cache, epoch)) = self.cache_for(key) else {
            return self.store.set(key, value, time_to_live);
        };
        Box::pin(async move {
            self.store.set(key, value.clone(), time_to_live).await?;
            cache.keep_entry(key, &value, epoch, Instant::now() + time_to_live);
            Ok(())
        })
    }

    fn get_many<'a>(
        &'a self,
        keys: &'a [String],
        time_to_live: Duration,
    ) -> StoreFuture<'a, Vec<Option<Bytes>>> {
        let Some((cache, epoch)) = keys.first().and_then(|key| self.cache_for(key)) else {
            return self.store.get_many(keys, time_to_live);
        };
        Box::pin(async move {
            let mut values: Vec<Option<Bytes>> =
                keys.iter().map(|key| cache.entry(key, epoch)).collect();
            let is_missing = |(_, value): &(&String, &Option<Bytes>)| value.is_none();
            let missing = keys.iter().zip(&values).filter(is_missing);
            let missing: Vec<String> = missing.map(|(key, _)| key.clone()).collect();
            if missing.is_empty() {
                return Ok(values);
            }
            let deadline = Instant::now() + time_to_live;
            let found = self.store.get_many(&missing, time_to_live).await?;
            let places = values.iter_mut().filter(|value| value.is_none());
            for ((place, key), found) in places.zip(&missing).zip(found) {
                if let Some(value) = found.as_ref().filter(|value| !value.is_empty()) {
                    cache.keep_entry(key, value, epoch, deadline);
                }
                *place = found;
            }
            Ok(values)
        })
    }

    fn set_many(
        &self,
        entries: Vec<(String, Bytes)>,
        time_to_live: Duration,
    ) -> StoreFuture<'_, ()> {
        let Some((cache, epoch)) = entries.first().and_then(|(key, _)| self.cache_for(key)) else {
            return self.store.set_many(entries, time_to_live);
        };
        Box::pin(async move {
            let deadline = Instant::now() + time_to_live;
            self.store.set_many(entries.clone(), time_to_live).await?;
            for (key, value) in &entries {
                cache.keep_entry(key, value, epoch, deadline);
            }
            Ok(())
        })
    }
}

impl Inventory for NearStore {
    fn epoch(&self) -> Option<u64> {
        let purges = self.purges.load(Ordering::SeqCst);
        self.store.epoch().map(|epoch| epoch.wrapping_add(purges))
    }

    fn nearby(&self, key: &str) -> Option<Bytes> {
        match self.cache_for(key) {
            Some((cache, epoch)) => cache.entry(key, epoch),
            None => self.store.nearby(key),
        }
    }

    fn lease<'a>(&'a self, key: &'a str, time: Duration) -> StoreFuture<'a, bool> {
        self.store.lease(key, time)
    }

    fn end_lease<'a>(&'a self, key: &'a str) -> StoreFuture<'a, ()> {
        self.store.end_lease(key)
    }

    fn page<'a>(&'a self, selection: &'a Selection, cursor: Cursor) -> StoreFuture<'a, Page> {
        self.store.page(selection, cursor)
    }

    fn remove<'a>(&'a self, keys: &'a [String]) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let removed = self.store.remove(keys).await;
            self.purges.fetch_add(1, Ordering::SeqCst);
            removed
        })
    }

    fn tell_of_removal(&self) -> StoreFuture<'_, ()> {
        self.store.tell_of_removal()
    }

    fn change_generation<'a>(&'a self, purge: &'a Purge) -> StoreFuture<'a, u64> {
        Box::pin(async move {
            let freed = self.store.change_generation(purge).await;
            self.purges.fetch_add(1, Ordering::SeqCst);
            freed
        })
    }

    fn free_old_generations<'a>(
        &'a self,
        progress: &'a mut (dyn FnMut(u64) + Send),
    ) -> StoreFuture<'a, u64> {
        self.store.free_old_generations(progress)
    }

    fn statistics(&self) -> StoreFuture<'_, Statistics> {
        self.store.statistics()
    }
}

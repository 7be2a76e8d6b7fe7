//! The near cache: what was read or answered a moment ago, in this process, in front of any store.
//!
//! ```text
//! request ─▶ answers ─ the same bytes as before ─▶ the same answer
//!               └▶ component ─▶ entries ─ read before ─▶ the same value
//!                                  └▶ store
//! ```
//!
//! What is written goes through a queue ([`writes`]), which is asked before the store.
//!
//! Both tiers share one bound. An entry never changes under its key, so what is kept is wrong only
//! after its time, which it has with it, or after a purge, which the store's epoch tells.

mod answer;
pub(crate) mod answers;
mod cache;
mod entries;
pub(crate) mod flight;
pub(crate) mod writes;

use std::sync::Arc;

pub(crate) use self::cache::NearCache;
pub(crate) use self::entries::NearStore;
use crate::store::Inventory;

/// A store behind a near cache that takes at most so much memory.
pub fn in_front_of(store: Arc<dyn Inventory>, max_bytes: u64) -> Arc<dyn Inventory> {
    Arc::new(NearStore::new(store, Some(Arc::new(NearCache::new(max_bytes)))))
}

//! Where cached predictions live. One backend, one file.

mod memory;
mod redis;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use self::memory::MemoryStore;
pub use self::redis::{RedisStore, RedisUrl};

/// A pending answer of a store.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A key-value store whose entries may vanish at any time.
pub trait Store: Send + Sync {
    /// The value under a key, or `None` where there is none. It answers or fails within a bounded
    /// time.
    fn get<'a>(&'a self, key: &'a str) -> StoreFuture<'a, Option<Bytes>>;

    /// Puts a value under a key. The store may drop it from `time_to_live` on.
    fn set<'a>(&'a self, key: &'a str, value: Bytes, time_to_live: Duration)
    -> StoreFuture<'a, ()>;
}

/// The store did not answer, or refused.
#[derive(Clone, Debug)]
pub struct StoreError(pub String);

/// The store that an operator chose.
#[derive(Clone, Debug)]
pub enum StoreUrl {
    /// In this process; lost when it ends.
    Memory {
        /// Bound on the memory that entries take.
        max_bytes: u64,
    },
    /// In a Redis or Valkey server.
    Redis(RedisUrl),
}

impl StoreUrl {
    /// Opens the store. A server that does not answer is no error: it is tried again in the
    /// background, and predictions go on without it.
    pub async fn open(&self) -> Arc<dyn Store> {
        match self {
            StoreUrl::Memory { max_bytes } => Arc::new(MemoryStore::new(*max_bytes)),
            StoreUrl::Redis(url) => Arc::new(RedisStore::connect(url).await),
        }
    }
}

/// For people and logs: without user and password.
impl std::fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StoreUrl::Memory { max_bytes } => write!(f, "memory, at most {} MiB", max_bytes >> 20),
            StoreUrl::Redis(url) => write!(f, "{url}"),
        }
    }
}

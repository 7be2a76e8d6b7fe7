//! What a backend has to do.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;

/// A pending answer of a store.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A key-value store whose entries may vanish at any time.
///
/// Every call answers or fails within a bounded time. The time to live is that of the model's
/// entries: a layout that keeps entries by window of time needs it to find them.
pub trait Store: Send + Sync {
    /// The value under a key, or `None` where there is none. An empty value means that there is
    /// something, but no entry of ours.
    fn get<'a>(&'a self, key: &'a str, time_to_live: Duration) -> StoreFuture<'a, Option<Bytes>>;

    /// Puts a value under a key, for a time to live. The store frees it by itself.
    fn set<'a>(&'a self, key: &'a str, value: Bytes, time_to_live: Duration)
    -> StoreFuture<'a, ()>;

    /// What [`Store::get`] gives for each key, in order, in few round trips.
    fn get_many<'a>(
        &'a self,
        keys: &'a [String],
        time_to_live: Duration,
    ) -> StoreFuture<'a, Vec<Option<Bytes>>>;

    /// What [`Store::set`] does for each entry, in few round trips. Where it fails, some entries
    /// may be there.
    fn set_many(
        &self,
        entries: Vec<(String, Bytes)>,
        time_to_live: Duration,
    ) -> StoreFuture<'_, ()>;
}

/// The store did not answer, or refused.
#[derive(Clone, Debug)]
pub struct StoreError(pub String);

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StoreError {}

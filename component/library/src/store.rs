//! The program's key-value store, as the pipeline sees it.
//!
//! Only `open`, `get` and `set` are asked for, so that a program has three functions to write.

use foretold_core::{Store, StoreError};

use crate::bindings::wasi::keyvalue::store::{self, Bucket, Error};

/// Opens the store with a label that the program knows.
pub(crate) fn open(label: &str) -> Result<Bucket, StoreError> {
    store::open(label).map_err(store_error)
}

impl Store for Bucket {
    fn get(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        keys.iter().map(|key| self.get(key).map_err(store_error)).collect()
    }

    fn set(&self, entries: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        entries.iter().try_for_each(|(key, value)| self.set(key, value).map_err(store_error))
    }
}

fn store_error(error: Error) -> StoreError {
    StoreError(format!("{error:?}"))
}

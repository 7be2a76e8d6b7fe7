//! The program's key-value store, as the pipeline sees it.
//!
//! Only `open`, `get` and `set` are asked for, so that a program has three functions to write.

use std::cell::OnceCell;

use foretold_core::{Store, StoreError};

use crate::bindings::wasi::keyvalue::store::{self, Bucket, Error};

/// A store that is opened when it is first used, and stays open.
pub(crate) struct LabelledStore {
    label: String,
    bucket: OnceCell<Bucket>,
}

impl LabelledStore {
    /// The store with a label that the program knows.
    pub(crate) fn new(label: String) -> LabelledStore {
        LabelledStore { label, bucket: OnceCell::new() }
    }

    fn bucket(&self) -> Result<&Bucket, StoreError> {
        if let Some(bucket) = self.bucket.get() {
            return Ok(bucket);
        }
        let bucket = store::open(&self.label).map_err(store_error)?;
        Ok(self.bucket.get_or_init(|| bucket))
    }
}

impl Store for LabelledStore {
    fn get(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let bucket = self.bucket()?;
        keys.iter().map(|key| bucket.get(key).map_err(store_error)).collect()
    }

    fn set(&self, entries: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        let bucket = self.bucket()?;
        entries.iter().try_for_each(|(key, value)| bucket.set(key, value).map_err(store_error))
    }
}

fn store_error(error: Error) -> StoreError {
    StoreError(format!("{error:?}"))
}

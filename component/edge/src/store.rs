//! The host's key-value store, as the pipeline sees it.

use std::cell::OnceCell;

use foretold_core::{Store, StoreError};

use crate::bindings::wasi::keyvalue::batch;
use crate::bindings::wasi::keyvalue::store::{self, Bucket, Error};

/// A store that is opened when it is first used, and stays open.
pub(crate) struct LabelledStore {
    label: String,
    bucket: OnceCell<Bucket>,
}

impl LabelledStore {
    /// The store with a label that the host knows.
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
        if let [key] = keys {
            // One value takes fewer steps alone.
            return Ok(vec![bucket.get(key).map_err(store_error)?]);
        }
        let values = batch::get_many(bucket, keys).map_err(store_error)?;
        Ok(values.into_iter().map(|entry| entry.map(|(_, value)| value)).collect())
    }

    fn set(&self, entries: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        let bucket = self.bucket()?;
        match entries {
            [(key, value)] => bucket.set(key, value),
            entries => batch::set_many(bucket, entries),
        }
        .map_err(store_error)
    }
}

fn store_error(error: Error) -> StoreError {
    StoreError(match error {
        Error::NoSuchStore => "the host knows no store with this label".to_owned(),
        Error::AccessDenied => "the host denies access to this store".to_owned(),
        Error::Other(message) => message,
    })
}

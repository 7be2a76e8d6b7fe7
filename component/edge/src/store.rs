//! The host's key-value store, as the pipeline sees it.

use foretold_core::{Store, StoreError};

use crate::bindings::wasi::keyvalue::batch;
use crate::bindings::wasi::keyvalue::store::{self, Bucket, Error};

/// Opens the store with a label that the host knows.
pub(crate) fn open(label: &str) -> Result<Bucket, StoreError> {
    store::open(label).map_err(store_error)
}

impl Store for Bucket {
    fn get(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        if let [key] = keys {
            // One value takes fewer steps alone.
            return Ok(vec![self.get(key).map_err(store_error)?]);
        }
        let values = batch::get_many(self, keys).map_err(store_error)?;
        Ok(values.into_iter().map(|entry| entry.map(|(_, value)| value)).collect())
    }

    fn set(&self, entries: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        match entries {
            [(key, value)] => self.set(key, value),
            entries => batch::set_many(self, entries),
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

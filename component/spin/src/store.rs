//! Spin's key-value store, as the pipeline sees it.

use std::cell::OnceCell;

use foretold_core::{Store, StoreError};
use spin_sdk::key_value;

/// The store with the label `default`, which every platform has.
///
/// It is opened once per request, since Spin's Redis store pays a round trip for it. Many keys are
/// asked for one by one: reading in batches is broken in Spin's Redis store.
#[derive(Default)]
pub(crate) struct DefaultStore(OnceCell<Result<key_value::Store, StoreError>>);

impl DefaultStore {
    fn open(&self) -> Result<&key_value::Store, StoreError> {
        let open = || key_value::Store::open_default().map_err(store_error);
        self.0.get_or_init(open).as_ref().map_err(StoreError::clone)
    }
}

impl Store for DefaultStore {
    fn get(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let store = self.open()?;
        keys.iter().map(|key| store.get(key).map_err(store_error)).collect()
    }

    fn set(&self, entries: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        let store = self.open()?;
        entries.iter().try_for_each(|(key, value)| store.set(key, value).map_err(store_error))
    }
}

fn store_error(error: key_value::Error) -> StoreError {
    StoreError(error.to_string())
}

//! A host's key-value store, as the pipeline sees it.

use std::cell::OnceCell;

use foretold_core::{Store, StoreError};

/// A store that is opened when it is first used, and stays open. A failure to open it is not
/// remembered: the next use tries again.
#[derive(Debug)]
pub struct LabelledStore<B> {
    label: String,
    open: fn(&str) -> Result<B, StoreError>,
    bucket: OnceCell<B>,
}

impl<B> LabelledStore<B> {
    /// The store with a label that the host knows, and how it is opened.
    pub fn new(label: String, open: fn(&str) -> Result<B, StoreError>) -> LabelledStore<B> {
        LabelledStore { label, open, bucket: OnceCell::new() }
    }

    fn bucket(&self) -> Result<&B, StoreError> {
        if let Some(bucket) = self.bucket.get() {
            return Ok(bucket);
        }
        let bucket = (self.open)(&self.label)?;
        Ok(self.bucket.get_or_init(|| bucket))
    }
}

impl<B: Store> Store for LabelledStore<B> {
    fn get(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.bucket()?.get(keys)
    }

    fn set(&self, entries: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        self.bucket()?.set(entries)
    }
}

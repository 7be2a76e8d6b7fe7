//! The store that a program supplies.

use std::collections::HashMap;
use std::time::Duration;

use crate::store::StoreError;

/// A key-value store that a program supplies.
///
/// It may forget entries at any time, and fail: predictions are then computed.
///
/// # Examples
/// A store that keeps a thousand entries:
///
/// ```
/// use std::collections::HashMap;
/// use std::time::Duration;
///
/// use foretold::StoreError;
/// use foretold::predictor::KeyValue;
///
/// struct Bounded(HashMap<String, Vec<u8>>);
///
/// impl KeyValue for Bounded {
///     fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
///         Ok(self.0.get(key).cloned())
///     }
///
///     fn set(&mut self, key: &str, value: &[u8], _: Duration) -> Result<(), StoreError> {
///         if self.0.len() < 1000 {
///             self.0.insert(key.to_owned(), value.to_owned());
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait KeyValue: Send + 'static {
    /// The value under a key, or `None` where there is none.
    ///
    /// # Errors
    /// If the store did not answer.
    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Puts a value under a key. After the time to live it is of no more use.
    ///
    /// # Errors
    /// If the store did not take it.
    fn set(&mut self, key: &str, value: &[u8], time_to_live: Duration) -> Result<(), StoreError>;
}

/// Keeps everything: entries that have expired are computed anew and replaced, but never removed.
impl KeyValue for HashMap<String, Vec<u8>> {
    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(HashMap::get(self, key).cloned())
    }

    fn set(&mut self, key: &str, value: &[u8], _: Duration) -> Result<(), StoreError> {
        self.insert(key.to_owned(), value.to_owned());
        Ok(())
    }
}

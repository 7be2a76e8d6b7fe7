//! The pure part of Foretold: what a request means, what its cache key is, and what is answered.
//!
//! Nothing here does I/O, reads a clock, uses randomness or awaits: a [`Store`], a [`Model`] and
//! the time are handed in. So the same code runs in every component and natively in tests.
//!
//! Start reading at [`pipeline::answer`]: it is the whole flow of a request.

pub mod answer;
pub mod cache_status;
pub mod entry;
pub mod feature;
pub mod http;
pub mod key;
pub mod manifest;
pub mod pipeline;
pub mod problem;
pub mod request;
pub mod step;
pub mod timed;

/// A key-value store as the pipeline needs it. Keys are text, values are bytes.
pub trait Store {
    /// The value under a key, or `None` where there is none.
    ///
    /// # Errors
    /// If the store did not answer. The prediction is then computed.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Puts a value under a key, over any that is there.
    ///
    /// # Errors
    /// If the store did not confirm. The prediction is answered all the same.
    fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError>;
}

/// A model as the pipeline needs it.
pub trait Model {
    /// The outputs for one or more rows.
    ///
    /// `rows` is a row-major matrix with a column per feature of the manifest; the result is a
    /// row-major matrix with a column per output of the manifest.
    ///
    /// # Errors
    /// If the model cannot be run on them.
    fn predict(&self, rows: &[feature::Value]) -> Result<Vec<f32>, ModelError>;
}

/// The store did not answer; the text is for the log, never for a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError(pub String);

/// The model could not be run; the text is for the log, never for a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelError(pub String);

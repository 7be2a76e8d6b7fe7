//! The pure part of Foretold: what a request means, what its cache key is, and what is answered.
//!
//! Nothing here does I/O, reads a clock, uses randomness or awaits: a [`Store`], a [`Model`] and
//! the time are handed in. So the same code runs in every component and natively in tests.
//!
//! Start reading at [`pipeline::answer`]: it is the whole flow of a request.
//!
//! Nothing of it is promised to other programs: the crate `foretold` is for them.

mod batch;
pub mod cache;
mod documents;
pub mod http;
mod json;
pub mod model;
pub mod pipeline;
pub mod report;
pub mod service;
pub mod settings;
pub mod timed;
mod v2;

/// A key-value store as the pipeline needs it. Keys are text, values are bytes.
pub trait Store {
    /// The values under some keys, in their order; `None` where there is none.
    ///
    /// # Errors
    /// If the store did not answer. The predictions are then computed.
    fn get(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError>;

    /// Puts values under keys, over any that are there.
    ///
    /// # Errors
    /// If the store did not confirm. The predictions are answered all the same.
    fn set(&self, entries: &[(String, Vec<u8>)]) -> Result<(), StoreError>;
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
    fn predict(&self, rows: &[model::feature::Value]) -> Result<Vec<f32>, ModelError>;
}

/// The store did not answer; the text is for the log, never for a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError(pub String);

/// The model could not be run; the text is for the log, never for a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelError(pub String);

//! The host of Foretold components: bakes a model into the generic component, and serves the
//! result over HTTP with a key-value store behind it.
//!
//! ```text
//! ModelDir ──bake──▶ component bytes ──compile──▶ Program ──instances──▶ Pool ──▶ Server
//!                                                                        │
//!                                                              Store (memory, Redis)
//! ```
//!
//! Invariant: nothing here knows what a request means. The component parses, keys, looks up,
//! predicts and answers; the host supplies the store, the clocks and the limits.

pub mod auto;
pub mod bake;
pub mod cache_folder;
pub mod component;
mod http;
mod keyvalue;
pub mod metrics;
pub mod model_dir;
pub mod pool;
pub mod program;
pub mod server;
pub mod store;
mod unavailable;

//! End to end: the real command, a real Redis, real HTTP clients.
//!
//! Hosts run the generic component and load the model into each instance (`--no-snapshot`), so
//! that one compiled form serves all tests; `bake.rs` tests the snapshot.

mod bad_input;
mod bake;
mod connection;
mod faults;
mod golden;
mod hostile;
mod imports;
mod limits;
mod load;
mod matrix;
mod proxy;
mod random;
mod redis_cache;
mod serve;
mod store_choice;
mod store_model;
mod stores;
mod support;
mod wasi_http;

//! End to end: the real command, a real Redis, real HTTP clients.
//!
//! Hosts run the generic component and load the model into each instance (`--no-snapshot`), so
//! that one compiled form serves all tests; `bake.rs` tests the snapshot.

mod auto;
mod bad_input;
mod bake;
mod bounds;
mod check;
mod command_line;
mod connection;
mod control;
mod damage;
mod faults;
mod golden;
mod harness;
mod hostile;
mod hostile_clients;
mod http_suite;
mod imports;
mod keys;
mod keyvalue;
mod limits;
mod matrix;
mod metrics;
mod near;
mod new;
mod openapi;
mod options;
mod predict;
mod predictor;
mod proxies;
mod redis_cache;
mod redis_cluster;
mod redis_cluster_mode;
mod redis_life;
mod redis_sentinel;
mod redis_tls;
mod redis_trust;
mod reports;
mod rows;
mod serve;
mod server_faults;
mod soak;
mod spin;
mod store_choice;
mod store_model;
mod stores;
mod tools;
mod untrusted;
mod vectors;
mod wasi_http;
mod writes;

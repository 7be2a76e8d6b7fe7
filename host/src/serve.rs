//! Predictions over HTTP/1.1.

pub mod auto;
mod convert;
pub mod metrics;
pub mod route;
pub mod server;
pub mod spin_app;

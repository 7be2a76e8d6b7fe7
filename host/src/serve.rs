//! Predictions over HTTP/1.1.

mod accept;
pub(crate) mod auto;
mod convert;
pub(crate) mod metrics;
pub(crate) mod route;
pub(crate) mod server;
pub(crate) mod spin_app;

//! Predictions over HTTP/1.1.

mod accept;
pub(crate) mod auto;
pub(crate) mod body;
pub(crate) mod bounds;
pub(crate) mod budget;
mod convert;
mod cors;
mod head;
pub(crate) mod hosts;
pub(crate) mod metrics;
mod refusal;
pub(crate) mod route;
pub(crate) mod server;
mod slow_lane;
pub(crate) mod spin_app;
mod statistics;
mod stream;
mod trim;

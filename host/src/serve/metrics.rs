//! What is counted of requests, and how Prometheus gets it.

mod counters;
mod counts;
mod listener;
mod text;

pub(crate) use self::counts::Metrics;
pub(crate) use self::listener::MetricsListener;

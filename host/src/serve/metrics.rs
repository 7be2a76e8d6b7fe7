//! What is counted of requests, and how Prometheus and clients of the Open Inference Protocol get it.

mod counters;
mod counts;
mod listener;
mod statistics;
mod text;

pub(crate) use self::counts::Metrics;
pub(crate) use self::listener::MetricsListener;

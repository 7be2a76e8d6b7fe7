//! Measures what a lookup and the model take, for the `Server-Timing` header.
//!
//! The clock is the caller's: nothing in this crate reads one.

use std::cell::Cell;

use crate::http::{Header, Request, Response};
use crate::model::feature::Value;
use crate::pipeline;
use crate::service::{Now, Service};
use crate::settings::Settings;
use crate::{Model, ModelError, Store, StoreError};

/// A response, and the nanoseconds that the look-up and the model took where there was one.
#[derive(Clone, Debug)]
pub struct TimedResponse {
    /// With a `Server-Timing` header, where clients may see it.
    pub response: Response,
    /// Of the look-up.
    pub lookup_ns: Option<u64>,
    /// Of the model.
    pub model_ns: Option<u64>,
}

/// Answers a request with [`pipeline::answer`] and adds what the look-up and the model took.
pub fn answer(
    service: &Service,
    request: &Request<'_>,
    store: &impl Store,
    model: &impl Model,
    settings: &Settings,
    now: Now,
    clock: impl Fn() -> u64,
) -> TimedResponse {
    let (store, model) = (Timed::new(store, &clock), Timed::new(model, &clock));
    let mut response = pipeline::answer(service, request, &store, &model, settings, now);
    let (lookup_ns, model_ns) = (store.nanoseconds(), model.nanoseconds());
    // It tells a hit from a miss, too.
    if settings.allowed.cache_status {
        response.headers.extend(server_timing(lookup_ns, model_ns));
    }
    TimedResponse { response, lookup_ns, model_ns }
}

/// A store or a model, and the nanoseconds that its calls took so far.
pub struct Timed<'a, T, C> {
    inner: &'a T,
    clock: C,
    nanoseconds: Cell<Option<u64>>,
}

impl<'a, T, C: Fn() -> u64> Timed<'a, T, C> {
    /// Wraps a store or a model; the clock counts nanoseconds from any origin.
    pub fn new(inner: &'a T, clock: C) -> Self {
        Timed { inner, clock, nanoseconds: Cell::new(None) }
    }

    fn time<R>(&self, call: impl FnOnce(&T) -> R) -> R {
        let start = (self.clock)();
        let result = call(self.inner);
        let took = (self.clock)().saturating_sub(start);
        self.nanoseconds.set(Some(self.nanoseconds.get().unwrap_or(0) + took));
        result
    }

    /// The time taken so far, or `None` where it was never called.
    pub fn nanoseconds(&self) -> Option<u64> {
        self.nanoseconds.get()
    }
}

/// Only the lookup is timed: it is what every request pays.
impl<T: Store, C: Fn() -> u64> Store for Timed<'_, T, C> {
    fn get(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.time(|store| store.get(keys))
    }

    fn set(&self, entries: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        self.inner.set(entries)
    }
}

impl<T: Model, C: Fn() -> u64> Model for Timed<'_, T, C> {
    fn predict(&self, rows: &[Value]) -> Result<Vec<f32>, ModelError> {
        self.time(|model| model.predict(rows))
    }
}

/// The `Server-Timing` header with the lookup and the model in milliseconds, or `None` where
/// neither was called.
pub fn server_timing(lookup: Option<u64>, model: Option<u64>) -> Option<Header> {
    let metric = |name: &str, nanoseconds: Option<u64>| {
        nanoseconds.map(|nanoseconds| {
            // Whole microseconds: no more is meant by a single measurement.
            let microseconds = nanoseconds.div_ceil(1000);
            format!("{name};dur={}.{:03}", microseconds / 1000, microseconds % 1000)
        })
    };
    let metrics: Vec<String> =
        [metric("lookup", lookup), metric("model", model)].into_iter().flatten().collect();
    (!metrics.is_empty()).then(|| Header::new("server-timing", metrics.join(", ")))
}

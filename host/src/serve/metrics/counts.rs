//! The counts of a host.
//!
//! Labels are the model, its endpoints and status codes, never anything of a request: their number
//! is known when the host starts. All counts are behind one lock, so that every scrape adds up.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;

use crate::guest::contract::{Description, Report};
use crate::near::answers::Answers;
use crate::near::writes::WriteQueue;
use crate::serve::bounds::BoundCounts;
use crate::serve::metrics::counters::{COUNTERS, predictions};
use crate::serve::metrics::statistics::Statistics;

/// The counts of a host.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(super) model: String,
    pub(super) model_id: String,
    counts: Mutex<Counts>,
    pub(super) bounds: Arc<BoundCounts>,
    pub(super) answers: Option<Answers>,
    pub(super) writes: Option<Arc<WriteQueue>>,
}

#[derive(Debug)]
pub(super) struct Counts {
    /// One per endpoint of the model, and one for requests that meant none, with an empty path.
    pub(super) endpoints: Vec<EndpointCounts>,
    pub(super) statistics: Statistics,
    model_time: ModelTime,
    pub(super) cache_bypassed: bool,
}

#[derive(Debug, Default)]
pub(super) struct EndpointCounts {
    pub(super) path: String,
    /// What each of [`COUNTERS`] has added up to.
    pub(super) totals: [u64; COUNTERS.len()],
    /// Hits of answers that were given before.
    pub(super) reused: u64,
    pub(super) model_seconds_saved: f64,
    /// Hits from before the model was run for the first time: nobody knows yet what they saved.
    hits_without_price: u64,
    pub(super) lookup: Histogram,
    pub(super) model: Histogram,
    pub(super) responses: BTreeMap<u16, u64>,
}

/// All rows that the model was run on, whatever the endpoint: to it they are the same.
#[derive(Debug, Default)]
struct ModelTime {
    seconds: f64,
    rows: u64,
}

impl ModelTime {
    fn mean_seconds(&self) -> Option<f64> {
        (self.rows > 0).then(|| self.seconds / self.rows as f64)
    }
}

/// Upper bounds of the buckets of a histogram, in nanoseconds: from 1 µs to 1 s.
pub(super) const BOUNDS_NS: [u64; 19] = [
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
];

/// Times, by bucket; the last bucket has no bound.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    pub(super) buckets: [u64; BOUNDS_NS.len() + 1],
    pub(super) seconds: f64,
}

impl Histogram {
    fn observe(&mut self, nanoseconds: u64) {
        self.buckets[BOUNDS_NS.partition_point(|bound| *bound < nanoseconds)] += 1;
        self.seconds += seconds(nanoseconds);
    }

    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

impl Metrics {
    /// All counts are 0 at first, and there: a scrape shows every series from the start.
    pub(crate) fn new(
        description: &Description,
        bounds: Arc<BoundCounts>,
        answers: Option<Answers>,
        writes: Option<Arc<WriteQueue>>,
    ) -> Metrics {
        let paths = description.endpoints().into_iter().chain([""]);
        let counts = Counts {
            endpoints: paths
                .map(|path| EndpointCounts { path: path.to_owned(), ..EndpointCounts::default() })
                .collect(),
            statistics: Statistics::default(),
            model_time: ModelTime::default(),
            cache_bypassed: false,
        };
        let Description { model, model_id, .. } = description.clone();
        Metrics { model, model_id, counts: Mutex::new(counts), bounds, answers, writes }
    }

    /// The name and the id of the model.
    pub(crate) fn model(&self) -> (&str, &str) {
        (&self.model, &self.model_id)
    }

    /// The statistics of the model, as the Open Inference Protocol has them.
    pub(crate) fn statistics(&self) -> Value {
        self.lock().statistics.document(&self.model, &self.model_id)
    }

    /// Counts a request and its response.
    pub(crate) fn count(&self, report: &Report, status: u16) {
        Metrics::add(&mut self.lock(), report, status);
    }

    /// The same where the answer is one that was given before.
    pub(crate) fn count_reused(&self, report: &Report, status: u16) {
        let mut counts = self.lock();
        let endpoint = counts.endpoint(report);
        endpoint.reused += u64::from(report.hits);
        Metrics::add(&mut counts, report, status);
    }

    fn add(counts: &mut Counts, report: &Report, status: u16) {
        counts.statistics.add(report, status);
        let computed = u64::from(report.misses) + u64::from(report.bypassed);
        if let Some(nanoseconds) = report.model_ns
            && computed > 0
        {
            counts.model_time.seconds += seconds(nanoseconds);
            counts.model_time.rows += computed;
        }
        let mean = counts.model_time.mean_seconds();
        counts.endpoint(report).add(report, status);
        let Some(mean) = mean else { return };
        // After the first run of the model these are all others' too; then only this one's.
        for endpoint in &mut counts.endpoints {
            let hits = std::mem::take(&mut endpoint.hits_without_price);
            endpoint.model_seconds_saved += hits as f64 * mean;
        }
    }

    /// Says whether `--cache auto` has decided to do without the store.
    pub(crate) fn set_cache_bypassed(&self, bypassed: bool) {
        self.lock().cache_bypassed = bypassed;
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().expect("nobody panics while holding it")
    }
}

impl Counts {
    /// Those that a report belongs to.
    fn endpoint(&mut self, report: &Report) -> &mut EndpointCounts {
        let none = self.endpoints.len() - 1;
        // A component may name an endpoint that it has not.
        let position = report.endpoint.map_or(none, |endpoint| none.min(endpoint as usize));
        &mut self.endpoints[position]
    }
}

impl EndpointCounts {
    fn add(&mut self, report: &Report, status: u16) {
        for (total, counter) in self.totals.iter_mut().zip(COUNTERS) {
            *total += (counter.of)(report);
        }
        self.hits_without_price += u64::from(report.hits);
        // What documents and health checks take is no prediction's time.
        let predicts = predictions(report) > 0;
        if let Some(nanoseconds) = report.lookup_ns.filter(|_| predicts) {
            self.lookup.observe(nanoseconds);
        }
        if let Some(nanoseconds) = report.model_ns.filter(|_| predicts) {
            self.model.observe(nanoseconds);
        }
        *self.responses.entry(status).or_default() += 1;
    }
}

pub(super) fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics() -> Metrics {
        let description = Description {
            model: "m".into(),
            model_id: "id".into(),
            ttl_seconds: 1,
            paths: vec![("/a".into(), 0), ("/b".into(), 1), ("/b/again".into(), 1)],
            request_headers: vec![],
        };
        Metrics::new(&description, Arc::default(), None, None)
    }

    #[test]
    fn hits_save_what_the_model_takes_even_if_that_is_learnt_later() {
        let metrics = metrics();
        let hits = Report { endpoint: Some(1), hits: 3, ..Report::default() };
        metrics.count(&hits, 200);
        assert_eq!(metrics.lock().endpoints[1].model_seconds_saved, 0.0);
        let misses =
            Report { endpoint: Some(0), misses: 2, model_ns: Some(4_000_000), ..Report::default() };
        metrics.count(&misses, 200);
        assert_eq!(metrics.lock().endpoints[1].model_seconds_saved, 0.006);
        metrics.count(&hits, 200);
        assert_eq!(metrics.lock().endpoints[1].model_seconds_saved, 0.012);
        assert_eq!(metrics.lock().endpoints[0].model_seconds_saved, 0.0);
    }

    #[test]
    fn an_endpoint_that_is_not_there_counts_as_none() {
        let metrics = metrics();
        for endpoint in [None, Some(2), Some(3), Some(u32::MAX)] {
            metrics.count(&Report { endpoint, refused: 1, ..Report::default() }, 404);
        }
        let refused = COUNTERS.iter().position(|counter| counter.name == "foretold_refused");
        assert_eq!(metrics.lock().endpoints[2].totals[refused.unwrap()], 4);
        assert_eq!(metrics.lock().endpoints[2].responses[&404], 4);
    }

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let mut histogram = Histogram::default();
        for nanoseconds in [0, 1000, 1001, 1_000_000_000, 1_000_000_001, u64::MAX] {
            histogram.observe(nanoseconds);
        }
        assert_eq!((histogram.buckets[0], histogram.buckets[1]), (2, 1));
        assert_eq!((histogram.buckets[18], histogram.buckets[19]), (1, 2));
        assert_eq!(histogram.count(), 6);
    }
}

//! The counts as Triton's extension of the Open Inference Protocol for statistics has them: since the
//! host started, in nanoseconds.
//!
//! Only a host can say them. A component knows its own requests, and may be a fresh instance for each.

use serde_json::{Value, json};

use crate::clock;
use crate::guest::contract::Report;
use crate::serve::metrics::counters::predictions;

/// What all requests for predictions of a model add up to, whatever endpoint they ask.
#[derive(Debug, Default)]
pub(super) struct Statistics {
    /// When the last one was answered.
    last_unix_ms: u64,
    /// Predictions that were given.
    rows: u64,
    succeeded: Times,
    failed: Times,
    /// Runs of the model.
    runs: Times,
    /// Requests whose predictions were all in the cache; the time is that of the look-ups.
    hits: Times,
    /// Those of which at least one was not.
    misses: Times,
}

/// How often, and how long in all.
#[derive(Debug, Default)]
struct Times {
    count: u64,
    nanoseconds: u64,
}

impl Times {
    fn add(&mut self, nanoseconds: u64) {
        self.count += 1;
        self.nanoseconds = self.nanoseconds.saturating_add(nanoseconds);
    }

    fn json(&self) -> Value {
        json!({ "count": self.count, "ns": self.nanoseconds })
    }
}

impl Statistics {
    pub(super) fn add(&mut self, report: &Report, status: u16) {
        if report.endpoint.is_none() || predictions(report) == 0 {
            return;
        }
        let lookup = report.lookup_ns.unwrap_or(0);
        let computed = report.misses > 0 || report.bypassed > 0;
        if report.misses > 0 {
            self.misses.add(lookup);
        } else if report.hits > 0 && !computed {
            self.hits.add(lookup);
        }
        if let Some(nanoseconds) = report.model_ns.filter(|_| computed) {
            self.runs.add(nanoseconds);
        }
        let took = lookup.saturating_add(report.model_ns.unwrap_or(0));
        if status < 400 {
            let Report { hits, misses, bypassed, .. } = *report;
            self.rows += [hits, misses, bypassed].map(u64::from).iter().sum::<u64>();
            self.last_unix_ms = clock::unix_milliseconds();
            self.succeeded.add(took);
        } else {
            self.failed.add(took);
        }
    }

    /// As the protocol has them.
    pub(super) fn document(&self, model: &str, version: &str) -> Value {
        let Statistics { last_unix_ms, rows, succeeded, failed, runs, hits, misses } = self;
        // Nothing waits in a queue, and bodies are read and written outside of what is timed.
        let none = Times::default().json();
        json!({ "model_stats": [{
            "name": model,
            "version": version,
            "last_inference": last_unix_ms,
            "inference_count": rows,
            "execution_count": runs.count,
            "inference_stats": {
                "success": succeeded.json(),
                "fail": failed.json(),
                "queue": none,
                "compute_input": none,
                "compute_infer": runs.json(),
                "compute_output": none,
                "cache_hit": hits.json(),
                "cache_miss": misses.json(),
            },
            "batch_stats": [],
        }] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_counts_where_it_belongs() {
        let mut statistics = Statistics::default();
        let report = || Report { endpoint: Some(0), lookup_ns: Some(10), ..Report::default() };
        statistics.add(&Report { hits: 3, ..report() }, 200);
        statistics.add(&Report { hits: 1, misses: 2, model_ns: Some(100), ..report() }, 200);
        let bypassed = Report { bypassed: 4, lookup_ns: None, model_ns: Some(1000), ..report() };
        statistics.add(&bypassed, 200);
        statistics.add(&Report { refused: 1, lookup_ns: None, ..report() }, 422);
        // Of a document, and of no endpoint.
        statistics.add(&Report { ..report() }, 200);
        statistics.add(&Report { endpoint: None, refused: 1, ..report() }, 404);
        let of = |times: &Times| (times.count, times.nanoseconds);
        assert_eq!(statistics.rows, 10);
        assert_eq!(of(&statistics.succeeded), (3, 1120));
        assert_eq!(of(&statistics.failed), (1, 0));
        assert_eq!(of(&statistics.runs), (2, 1100));
        assert_eq!(of(&statistics.hits), (1, 10));
        assert_eq!(of(&statistics.misses), (1, 10));
    }
}

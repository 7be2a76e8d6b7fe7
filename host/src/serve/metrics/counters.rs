//! The counters that come from a component's reports. A new one is a line here.

use crate::guest::contract::Report;

/// What is added up over the requests to an endpoint.
pub(super) struct Counter {
    /// Without `_total`.
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    /// What a request adds.
    pub(super) of: fn(&Report) -> u64,
}

/// All of them, in the order of the text.
pub(super) const COUNTERS: &[Counter] = &[
    Counter {
        name: "foretold_requests",
        help: "Predictions asked for, a row of an array counted as one: hits + misses + bypassed + refused",
        of: predictions,
    },
    Counter {
        name: "foretold_hits",
        help: "Predictions from the cache",
        of: |report| report.hits.into(),
    },
    Counter {
        name: "foretold_misses",
        help: "Predictions computed because the cache had none",
        of: |report| report.misses.into(),
    },
    Counter {
        name: "foretold_bypassed",
        help: "Predictions computed without a look-up, because the client or --cache auto wanted it",
        of: |report| report.bypassed.into(),
    },
    Counter {
        name: "foretold_refused",
        help: "Rows and requests that got an error",
        of: |report| report.refused.into(),
    },
    Counter {
        name: "foretold_entries_stored",
        help: "Entries that the store confirmed",
        of: |report| report.stored.into(),
    },
    Counter {
        name: "foretold_entries_dropped",
        help: "Entries that the store did not take",
        of: |report| report.dropped.into(),
    },
    Counter {
        name: "foretold_entries_corrupt",
        help: "Values found that are no entries",
        of: |report| report.corrupt.into(),
    },
    Counter {
        name: "foretold_entries_expired",
        help: "Entries found that are too old",
        of: |report| report.expired.into(),
    },
    Counter {
        name: "foretold_lookups_unavailable",
        help: "Look-ups that the store did not answer",
        of: |report| report.unavailable.into(),
    },
];

/// How many predictions a request was about.
pub(super) fn predictions(report: &Report) -> u64 {
    [report.hits, report.misses, report.bypassed, report.refused].map(u64::from).iter().sum()
}

//! The counts as text, in the format OpenMetrics 1.0, which Prometheus reads.

use std::fmt::Error;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, MetricEncoder, NoLabelSet, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use crate::near::answers::Answers;
use crate::near::writes::Outcome;
use crate::serve::bounds::Bound;
use crate::serve::metrics::counters::{COUNTERS, Counter};
use crate::serve::metrics::counts::{
    BOUNDS_NS, Counts, EndpointCounts, Histogram, Metrics, seconds,
};

/// The type of what [`text()`](Metrics::text) gives.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const HITS_REUSED_HELP: &str =
    "Hits that were answered from the near cache, as the same request was before";
const SECONDS_SAVED_HELP: &str = "Time that the model would have taken for the hits: each counts as the model's mean time per row";
const CACHE_BYPASSED_HELP: &str = "1 if --cache auto has decided to do without the store, else 0";

/// Name without `_seconds`, explanation and value of a histogram.
type Times = (&'static str, &'static str, fn(&EndpointCounts) -> &Histogram);

const HISTOGRAMS: [Times; 2] = [
    ("foretold_lookup", "Time of a look-up, of all rows at once", |counts| &counts.lookup),
    ("foretold_model", "Time of the model, for all rows at once", |counts| &counts.model),
];

/// What the labels of a series are.
type Labels<'a, const N: usize> = [(&'static str, &'a str); N];

impl Metrics {
    /// All metrics.
    pub(super) fn text(self: &Arc<Metrics>) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self.clone()));
        let mut text = String::new();
        text::encode(&mut text, &registry).expect("a String takes everything");
        text
    }

    fn labels<'a>(&'a self, endpoint: &'a EndpointCounts) -> Labels<'a, 2> {
        [("model", &self.model), ("endpoint", &endpoint.path)]
    }

    fn counters(&self, encoder: &mut DescriptorEncoder<'_>, counts: &Counts) -> Result<(), Error> {
        for (position, Counter { name, help, .. }) in COUNTERS.iter().enumerate() {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for endpoint in &counts.endpoints {
                counter(&mut metric, &self.labels(endpoint), endpoint.totals[position])?;
            }
        }
        let (name, help) = ("foretold_hits_reused", HITS_REUSED_HELP);
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for endpoint in &counts.endpoints {
            counter(&mut metric, &self.labels(endpoint), endpoint.reused)?;
        }
        let (name, help) = ("foretold_model_seconds_saved", SECONDS_SAVED_HELP);
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for endpoint in &counts.endpoints {
            counter(&mut metric, &self.labels(endpoint), endpoint.model_seconds_saved)?;
        }
        let (name, help) = ("foretold_responses", "Responses by status code");
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for endpoint in &counts.endpoints {
            let [model, path] = self.labels(endpoint);
            for (code, value) in &endpoint.responses {
                let code = code.to_string();
                counter(&mut metric, &[model, path, ("code", code.as_str())], *value)?;
            }
        }
        Ok(())
    }

    fn bounds(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let model = ("model", self.model.as_str());
        let (name, help) =
            ("foretold_bounds_reached", "Requests and connections that were refused or ended");
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for bound in Bound::ALL {
            let labels = [model, ("bound", bound.name())];
            counter(&mut metric, &labels, self.bounds.count(*bound))?;
        }
        encoder
            .encode_descriptor("foretold_connections", "Open connections", None, MetricType::Gauge)?
            .encode_family(&[model])?
            .encode_gauge(&self.bounds.connections())
    }

    fn queued_writes(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let (name, help) = ("foretold_queued_writes", "Queued entries, by what became of them");
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for outcome in Outcome::ALL {
            let labels = [("model", self.model.as_str()), ("outcome", outcome.name())];
            let writes = self.writes.as_ref().map_or(0, |writes| writes.counted(outcome));
            counter(&mut metric, &labels, writes)?;
        }
        Ok(())
    }

    fn histograms(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        counts: &Counts,
    ) -> Result<(), Error> {
        let bounds = BOUNDS_NS.map(seconds).into_iter().chain([f64::INFINITY]);
        for (name, help, times) in HISTOGRAMS {
            let unit = Some(&Unit::Seconds);
            let mut metric = encoder.encode_descriptor(name, help, unit, MetricType::Histogram)?;
            for endpoint in &counts.endpoints {
                let times = times(endpoint);
                let buckets: Vec<(f64, u64)> = bounds.clone().zip(times.buckets).collect();
                metric.encode_family(&self.labels(endpoint))?.encode_histogram::<NoLabelSet>(
                    times.seconds,
                    times.count(),
                    &buckets,
                    None,
                )?;
            }
        }
        Ok(())
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let counts = self.lock();
        self.counters(&mut encoder, &counts)?;
        self.histograms(&mut encoder, &counts)?;
        let (name, help) = ("foretold_cache_bypassed", CACHE_BYPASSED_HELP);
        encoder
            .encode_descriptor(name, help, None, MetricType::Gauge)?
            .encode_family(&[("model", self.model.as_str())])?
            .encode_gauge(&u64::from(counts.cache_bypassed))?;
        let (name, help) = ("foretold_near_cache_bytes", "Memory that the near cache takes");
        encoder
            .encode_descriptor(name, help, None, MetricType::Gauge)?
            .encode_family(&[("model", self.model.as_str())])?
            .encode_gauge(&self.answers.as_ref().map_or(0, Answers::bytes))?;
        self.queued_writes(&mut encoder)?;
        self.bounds(&mut encoder)?;
        let (name, help) = ("foretold_build", "What is running");
        encoder.encode_descriptor(name, help, None, MetricType::Info)?.encode_info(&[
            ("version", env!("CARGO_PKG_VERSION")),
            ("model", self.model.as_str()),
            ("model_id", self.model_id.as_str()),
        ])
    }
}

fn counter<const N: usize>(
    metric: &mut MetricEncoder<'_>,
    labels: &Labels<'_, N>,
    value: impl EncodeCounterValue,
) -> Result<(), Error> {
    metric.encode_family(labels)?.encode_counter::<NoLabelSet, _, f64>(&value, None)
}

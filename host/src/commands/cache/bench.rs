//! `foretold cache bench`: what a prediction takes in Redis, by layout and kind of key.

mod chart;
mod dataset;
mod scratch_server;

use std::fmt::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::store::{Inventory, Layout, StoreSettings, StoreUrl};
use anyhow::{Context, Result, bail};
use clap::Args;
use foretold_core::settings::KeyKind;
use serde_json::{Value, json};

use self::dataset::{Dataset, Key, PythonKey};
use self::scratch_server::ScratchServer;
use crate::commands::cache::progress::Progress;
use crate::commands::cache::{now_seconds, print_line};

/// Entries that are stored in one round trip.
const BATCH: u64 = 1000;
/// Single reads and writes whose time is taken, at most.
const MAX_SAMPLES: u64 = 10_000;
/// So long that no window of the packed layout ends in between.
const TIME_TO_LIVE: Duration = Duration::from_secs(30 * 86_400);
/// Nobody waits.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Endpoints of the model: a Python service keeps an entry for each.
const ENDPOINTS: u64 = 3;

/// Measures what a prediction takes in Redis, for each layout and kind of key, beside what Python
/// services store. It starts a redis-server of its own for each, which ends with it.
#[derive(Args)]
pub(super) struct Bench {
    /// How many predictions to store.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=1_500_000))]
    entries: u64,

    /// Write a chart of the memory to this file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What is measured.
struct Case {
    layout: Layout,
    keys: &'static str,
    key: Key,
    /// Entries that a service keeps for one request.
    entries_per_prediction: u64,
}

/// What was measured.
struct Row {
    who: &'static str,
    layout: Layout,
    keys: &'static str,
    key_bytes: f64,
    bytes_per_entry: f64,
    entries_per_prediction: u64,
    get: Latency,
    set: Latency,
}

struct Latency {
    median: Duration,
    p99: Duration,
}

impl Bench {
    pub(super) async fn run(self) -> Result<()> {
        // Dropping the measurement ends its server.
        let (rows, version) = tokio::select! {
            result = self.measure() => result?,
            () = crate::commands::serve::stop_signal()? => bail!("stopped"),
        };
        if let Some(path) = &self.svg {
            let bars: Vec<chart::Bar> = rows.iter().map(Row::bar).collect();
            let title = format!("Bytes per prediction in Redis {version}");
            std::fs::write(path, chart::svg(&title, &bars))
                .with_context(|| format!("--svg: cannot write {}", path.display()))?;
        }
        if self.json {
            let rows: Vec<Value> = rows.iter().map(Row::json).collect();
            print_line(json!({ "redis": version, "entries": self.entries, "rows": rows }))?;
        } else {
            print_line(table(&rows))?;
        }
        Ok(())
    }

    async fn measure(&self) -> Result<(Vec<Row>, String)> {
        let data = Dataset::new(now_seconds())?;
        let cases = cases();
        let mut progress = Progress::new();
        let (mut rows, mut version) = (Vec::new(), String::new());
        for (position, case) in cases.iter().enumerate() {
            let server = ScratchServer::start().await?;
            version = server.version().await?;
            let mut show = |done: u64| {
                progress.show(|_| {
                    let (place, count) = (position + 1, cases.len());
                    format!("{place} of {count}: {done} entries as {}", case.name())
                });
            };
            rows.push(self.measure_case(case, &data, &server, &mut show).await?);
        }
        Ok((rows, version))
    }

    async fn measure_case(
        &self,
        case: &Case,
        data: &Dataset,
        server: &ScratchServer,
        show: &mut impl FnMut(u64),
    ) -> Result<Row> {
        let url = format!("{}?capacity={}", server.url(), self.entries);
        let settings = StoreSettings {
            max_bytes: 0,
            timeout: TIMEOUT,
            layout: Some(case.layout),
            password: None,
        };
        let url = StoreUrl::parse(&url, &settings).map_err(anyhow::Error::msg)?;
        let store = url.open().await?;
        let empty = server.used_memory_bytes().await?;
        let mut key_bytes = 0;
        for first in (0..self.entries).step_by(BATCH as usize) {
            let last = (first + BATCH).min(self.entries);
            let entries: Vec<_> = (first..last).map(|i| data.entry(&case.key, i)).collect();
            key_bytes += entries.iter().map(|(key, _)| key.len() as u64).sum::<u64>();
            store.set_many(entries, TIME_TO_LIVE).await?;
            show(last);
        }
        let full = server.used_memory_bytes().await?;
        let get = self.latency(case, data, &*store, Operation::Get).await?;
        let set = self.latency(case, data, &*store, Operation::Set).await?;
        Ok(Row {
            who: case.who(),
            layout: case.layout,
            keys: case.keys,
            key_bytes: key_bytes as f64 / self.entries as f64,
            bytes_per_entry: full.saturating_sub(empty) as f64 / self.entries as f64,
            entries_per_prediction: case.entries_per_prediction,
            get,
            set,
        })
    }

    /// Single operations one after the other, on entries from all over the store.
    async fn latency(
        &self,
        case: &Case,
        data: &Dataset,
        store: &dyn Inventory,
        operation: Operation,
    ) -> Result<Latency> {
        let samples = MAX_SAMPLES.min(self.entries);
        let mut times = Vec::with_capacity(samples as usize);
        for sample in 0..samples {
            // A prime step: every entry is as likely.
            let (key, value) = data.entry(&case.key, sample * 7919 % self.entries);
            let start = Instant::now();
            match operation {
                Operation::Get => {
                    let found = store.get(&key, TIME_TO_LIVE).await?;
                    times.push(start.elapsed());
                    if found.as_ref() != Some(&value) {
                        bail!("{}: an entry that was stored is not there", case.name());
                    }
                }
                Operation::Set => {
                    store.set(&key, value, TIME_TO_LIVE).await?;
                    times.push(start.elapsed());
                }
            }
        }
        times.sort_unstable();
        let percentile = |percent: usize| times[(times.len() - 1) * percent / 100];
        Ok(Latency { median: percentile(50), p99: percentile(99) })
    }
}

#[derive(Clone, Copy)]
enum Operation {
    Get,
    Set,
}

fn cases() -> Vec<Case> {
    let kinds = [
        ("packed", KeyKind::Packed),
        ("digest", KeyKind::Digest { secret: None }),
        ("readable", KeyKind::Readable),
    ];
    let ours = [Layout::Packed, Layout::Hash, Layout::String].into_iter().flat_map(|layout| {
        kinds.clone().map(|(keys, kind)| {
            let key = Key::Foretold(kind);
            Case { layout, keys, key, entries_per_prediction: 1 }
        })
    });
    let python = [
        ("repr", PythonKey::Repr),
        ("str", PythonKey::Str),
        ("JSON", PythonKey::Json),
        ("pickle", PythonKey::Pickle),
    ];
    let python = python.map(|(keys, kind)| {
        let (layout, key) = (Layout::String, Key::Python(kind));
        Case { layout, keys, key, entries_per_prediction: ENDPOINTS }
    });
    ours.chain(python).collect()
}

impl Case {
    fn who(&self) -> &'static str {
        match self.key {
            Key::Foretold(_) => "foretold",
            Key::Python(_) => "Python",
        }
    }

    fn name(&self) -> String {
        format!("{}, layout {}, keys {}", self.who(), self.layout, self.keys)
    }
}

impl Row {
    fn bytes_per_prediction(&self) -> f64 {
        self.bytes_per_entry * self.entries_per_prediction as f64
    }

    fn json(&self) -> Value {
        let microseconds = |time: Duration| time.as_nanos() as f64 / 1000.0;
        json!({
            "who": self.who,
            "layout": self.layout.name(),
            "keys": self.keys,
            "key_bytes": self.key_bytes,
            "bytes_per_entry": self.bytes_per_entry,
            "entries_per_prediction": self.entries_per_prediction,
            "bytes_per_prediction": self.bytes_per_prediction(),
            "get_median_us": microseconds(self.get.median),
            "get_p99_us": microseconds(self.get.p99),
            "set_median_us": microseconds(self.set.median),
            "set_p99_us": microseconds(self.set.p99),
        })
    }

    fn bar(&self) -> chart::Bar {
        let note = match self.entries_per_prediction {
            1 => String::new(),
            count => format!("{count} endpoints × {:.0}", self.bytes_per_entry),
        };
        chart::Bar {
            label: format!("{} {}, {} keys", self.who, self.layout, self.keys),
            value: self.bytes_per_prediction(),
            note,
            is_ours: self.who == "foretold",
        }
    }
}

/// A table in Markdown.
fn table(rows: &[Row]) -> String {
    let mut table = "| | layout | keys | key bytes | bytes per prediction | GET p50 µs | p99 | \
                     SET p50 µs | p99 |\n\
                     |---|---|---|--:|--:|--:|--:|--:|--:|"
        .to_owned();
    for row in rows {
        let Row { who, layout, keys, key_bytes, bytes_per_entry, get, set, .. } = row;
        let bytes = match row.entries_per_prediction {
            1 => format!("{bytes_per_entry:.1}"),
            count => {
                let all = row.bytes_per_prediction();
                format!("{count} endpoints × {bytes_per_entry:.1} = {all:.1}")
            }
        };
        let [get, set] = [get, set]
            .map(|latency| format!("{} | {}", latency.median.as_micros(), latency.p99.as_micros()));
        let _ = write!(
            table,
            "\n| {who} | {layout} | {keys} | {key_bytes:.0} | {bytes} | {get} | {set} |"
        );
    }
    table
}

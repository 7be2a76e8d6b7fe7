//! What a prediction takes in Redis, for each layout and kind of key, beside what Python services
//! store, as a table and a chart.
//!
//! `make bench-memory` runs it. It starts a redis-server of its own for each row, which ends with
//! it.

mod chart;
mod dataset;
mod scratch_server;

use std::fmt::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use clap::Parser;
use foretold::unstable::{Inventory, Layout, StoreSettings, StoreUrl};
use foretold_core::settings::KeyFormat;
use tokio::signal::unix::{SignalKind, signal};

use self::dataset::{Dataset, Key, PythonKey};
use self::scratch_server::ScratchServer;

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

/// Measures what a prediction takes in Redis, by layout and kind of key.
#[derive(Parser)]
struct Bench {
    /// How many predictions to store.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=1_500_000))]
    entries: u64,

    /// Write a chart of the memory to this file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
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

#[tokio::main]
async fn main() -> Result<()> {
    let bench = Bench::parse();
    let mut terminate = signal(SignalKind::terminate())?;
    // Dropping the measurement ends its server.
    let (rows, version) = tokio::select! {
        result = bench.measure() => result?,
        _ = tokio::signal::ctrl_c() => bail!("stopped"),
        _ = terminate.recv() => bail!("stopped"),
    };
    if let Some(path) = &bench.svg {
        std::fs::write(path, chart(&rows, &version))
            .with_context(|| format!("--svg: cannot write {}", path.display()))?;
    }
    println!("{}", table(&rows));
    Ok(())
}

impl Bench {
    async fn measure(&self) -> Result<(Vec<Row>, String)> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let data = Dataset::new(now.try_into()?)?;
        let cases = cases();
        let (mut rows, mut version) = (Vec::new(), String::new());
        for (position, case) in cases.iter().enumerate() {
            eprintln!("{} of {}: {}", position + 1, cases.len(), case.name());
            let server = ScratchServer::start().await?;
            version = server.version().await?;
            rows.push(self.measure_case(case, &data, &server).await?);
        }
        Ok((rows, version))
    }

    async fn measure_case(
        &self,
        case: &Case,
        data: &Dataset,
        server: &ScratchServer,
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
        ("packed", KeyFormat::Packed),
        ("digest", KeyFormat::Digest),
        ("readable", KeyFormat::Readable),
    ];
    let ours = [Layout::Packed, Layout::Hash, Layout::String].into_iter().flat_map(|layout| {
        kinds.map(|(keys, kind)| {
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

fn chart(rows: &[Row], version: &str) -> String {
    let bars: Vec<chart::Bar> = rows.iter().map(Row::bar).collect();
    chart::svg(&format!("Bytes per prediction in Redis {version}"), &bars)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_layout_is_measured_and_drawn() {
        let bench = Bench { entries: 2000, svg: None };
        let (rows, version) = bench.measure().await.unwrap();
        let names: std::collections::BTreeSet<_> =
            rows.iter().map(|row| (row.who, row.layout.name(), row.keys)).collect();
        assert_eq!((rows.len(), names.len()), (13, 13));
        for row in &rows {
            assert!(row.bytes_per_entry > 10.0, "{}", row.bytes_per_entry);
            assert!(row.get.median <= row.get.p99 && row.set.median <= row.set.p99);
        }
        assert_eq!(table(&rows).lines().count(), 2 + 13);
        let chart = chart(&rows, &version);
        assert_eq!(chart.matches(r#"<rect class="ours""#).count(), 9);
        assert_eq!(chart.matches(r#"<rect class="theirs""#).count(), 4);
    }
}

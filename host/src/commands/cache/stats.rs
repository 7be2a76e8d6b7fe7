//! `foretold cache stats`: how many entries there are, and what they take.

use crate::guest::contract;
use crate::store::{ServerStatistics, Statistics};
use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use crate::commands::cache::{Create, OpenStore, open, print_line};
use crate::commands::model::{Model, SourceOptions};
use crate::commands::options::store::StoreOptions;

/// Counts the entries of each model, and says what they take and what the server says of itself.
#[derive(Args)]
pub(super) struct Stats {
    #[command(flatten)]
    store: StoreOptions,

    #[command(flatten)]
    source: SourceOptions,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Stats {
    pub(super) async fn run(self) -> Result<()> {
        let store = open(&self.store, Create::No).await?;
        let model = self.source.model(contract::Settings::default(), &store.inventory).await?;
        let statistics = store.inventory.statistics().await?;
        let report = Report { store, model, statistics };
        if self.json {
            print_line(report.json())?;
        } else {
            report.print()?;
        }
        Ok(())
    }
}

struct Report {
    store: OpenStore,
    model: Option<Model>,
    statistics: Statistics,
}

impl Report {
    fn entries(&self) -> u64 {
        self.statistics.models.iter().map(|model| model.entries).sum()
    }

    fn bytes_per_entry(&self) -> Option<f64> {
        let entries = self.entries();
        (entries > 0).then(|| self.statistics.bytes as f64 / entries as f64)
    }

    /// The name of the model with an id, where it is known.
    fn name(&self, id: &str) -> Option<&str> {
        let model = self.model.as_ref().filter(|model| model.id() == id)?;
        Some(&model.manifest().name)
    }

    fn json(&self) -> Value {
        let models = self.statistics.models.iter().map(|count| {
            let id = Some(&count.model).filter(|id| !id.is_empty());
            json!({ "model_id": id, "name": self.name(&count.model), "entries": count.entries })
        });
        json!({
            "store": self.store.url.to_string(),
            "models": models.collect::<Vec<_>>(),
            "entries": self.entries(),
            "bytes": self.statistics.bytes,
            "bytes_per_entry": self.bytes_per_entry(),
            "server": self.statistics.server.as_ref().map(server_json),
        })
    }

    fn print(&self) -> Result<()> {
        print_line(format_args!("store    {}", self.store.url))?;
        for count in &self.statistics.models {
            let id = if count.model.is_empty() { "of no model" } else { &count.model };
            let name = self.name(&count.model).map_or(String::new(), |name| format!("  {name}"));
            print_line(format_args!("model    {id}  {} entries{name}", count.entries))?;
        }
        print_line(format_args!("entries  {}", self.entries()))?;
        let each = self.bytes_per_entry();
        let each = each.map_or(String::new(), |bytes| format!(", {bytes:.1} per entry"));
        print_line(format_args!("bytes    {}{each}", self.statistics.bytes))?;
        if let Some(server) = &self.statistics.server {
            print_line(format_args!("server   {}", server_text(server)))?;
        }
        Ok(())
    }
}

fn server_json(server: &ServerStatistics) -> Value {
    json!({
        "name": server.name,
        "version": server.version,
        "used_memory_bytes": server.used_memory_bytes,
        "max_memory_bytes": server.max_memory_bytes,
        "max_memory_policy": server.max_memory_policy,
        "evicted_keys": server.evicted_keys,
    })
}

fn server_text(server: &ServerStatistics) -> String {
    let ServerStatistics { name, version, max_memory_policy: policy, .. } = server;
    let bound = match server.max_memory_bytes {
        0 => "no bound".to_owned(),
        bytes => format!("at most {} MiB, then {policy}", bytes >> 20),
    };
    let used = server.used_memory_bytes as f64 / f64::from(1 << 20);
    format!("{name} {version}: {used:.1} MiB in use, {bound}, {} keys evicted", server.evicted_keys)
}

//! `foretold cache ls`: the entries, one a line.

use std::time::Duration;

use crate::guest::contract;
use crate::store::{Cursor, Entry, Selection};
use anyhow::Result;
use clap::Args;
use foretold_core::cache::entry::Header;
use foretold_core::cache::key::ModelId;
use serde_json::{Value, json};

use crate::clock::unix_seconds;
use crate::commands::cache::Create;
use crate::commands::cache::duration;
use crate::commands::cache::open;
use crate::commands::cache::print_line;
use crate::commands::cache::shown;
use crate::commands::model::{Model, SourceOptions};
use crate::commands::options::store::StoreOptions;

/// Lists entries: age, time until the store frees them, bytes of the value, key, and the request
/// where the key can be read back. It walks with SCAN, so that no server stalls; an entry may be
/// listed twice.
#[derive(Args)]
pub(super) struct Ls {
    #[command(flatten)]
    store: StoreOptions,

    #[command(flatten)]
    source: SourceOptions,

    /// Only the entries of the model with this id, as it stands in the keys.
    #[arg(long, value_name = "ID", conflicts_with = "prefix", allow_hyphen_values = true)]
    model: Option<ModelId>,

    /// The entries whose keys begin so, instead of those with a model in their key:
    /// `DecisionRequest(` lists what `--keys repr` shares with a Python service.
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,

    /// Stop after so many entries [default: list all].
    #[arg(long, value_name = "N")]
    limit: Option<u64>,

    /// Print one JSON object per line.
    #[arg(long)]
    json: bool,
}

impl Ls {
    pub(super) async fn run(self) -> Result<()> {
        let store = open(&self.store, Create::No).await?;
        let model = self.source.model(contract::Settings::default(), &store.inventory).await?;
        let selection = match (&self.model, &self.prefix) {
            (Some(id), _) => Selection::Model(id.to_string()),
            (None, Some(prefix)) => Selection::Prefix(prefix.clone()),
            (None, None) => Selection::All,
        };
        let mut left = self.limit.unwrap_or(u64::MAX);
        let mut cursor = Some(Cursor::default());
        if !self.json && left > 0 {
            print_line(format_args!("{:>8} {:>8} {:>6}  KEY", "AGE", "LEFT", "BYTES"))?;
        }
        while let Some(from) = cursor.filter(|_| left > 0) {
            let page = store.inventory.page(&selection, from).await?;
            cursor = page.next;
            for entry in page.entries {
                if left == 0 {
                    break;
                }
                left -= 1;
                self.print(&entry, model.as_ref())?;
            }
        }
        Ok(())
    }

    fn print(&self, entry: &Entry, model: Option<&Model>) -> Result<()> {
        let header = Header::read(&entry.key, &entry.value).filter(|_| self.prefix.is_none());
        let age_seconds = header.map(|header| unix_seconds().saturating_sub(header.written_at));
        let request = model.and_then(|model| model.request(&entry.key));
        if self.json {
            return Ok(print_line(line_json(entry, age_seconds, request)?)?);
        }
        let age = age_seconds.map_or("?".to_owned(), |age| duration::display(age.into()));
        let left = entry.time_left.as_ref().map(Duration::as_secs);
        let left = left.map_or("?".to_owned(), duration::display);
        let request = request.map_or(String::new(), |request| format!("  {request}"));
        let (bytes, key) = (entry.value.len(), shown(&entry.key));
        print_line(format_args!("{age:>8} {left:>8} {bytes:>6}  {key}{request}"))?;
        Ok(())
    }
}

fn line_json(entry: &Entry, age_seconds: Option<u32>, request: Option<String>) -> Result<Value> {
    Ok(json!({
        "key": entry.key,
        "age_seconds": age_seconds,
        "kept_seconds": entry.time_left.map(|left| left.as_secs()),
        "bytes": entry.value.len(),
        "request": request.map(|request| serde_json::from_str::<Value>(&request)).transpose()?,
    }))
}

//! `foretold cache purge`: forgets entries.

use std::path::Path;
use std::time::Duration;

use crate::guest::contract;
use crate::store::{self, Cursor, Selection};
use anyhow::Result;
use clap::Args;
use foretold_core::cache::entry::Header;
use foretold_core::cache::key::{ModelId, PREFIX};
use serde_json::json;

use crate::clock::unix_seconds;
use crate::commands::cache::Create;
use crate::commands::cache::OpenStore;
use crate::commands::cache::duration;
use crate::commands::cache::open;
use crate::commands::cache::print_line;
use crate::commands::model::{ComponentOptions, Model};
use crate::commands::options::store::StoreOptions;
use crate::commands::progress::Progress;

/// Keys that are removed at once.
const BATCH: usize = 10_000;

/// Removes entries.
///
/// --all and --model take effect at once in all hosts, and then free the memory. What hosts share
/// with a Python service (--keys repr) has neither a model nor a time; --prefix removes it.
#[derive(Args)]
pub(super) struct Purge {
    #[command(flatten)]
    what: What,

    #[command(flatten)]
    store: StoreOptions,

    #[command(flatten)]
    component: ComponentOptions,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct What {
    /// The entries of all models.
    #[arg(long)]
    all: bool,

    /// The entries of one model: its id, as it stands in the keys, or the path that hosts serve.
    #[arg(long, value_name = "ID|PATH", allow_hyphen_values = true)]
    model: Option<String>,

    /// One entry, by its key.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,

    /// What `--keys repr` shares with a Python service for one class, one by one:
    /// `DecisionRequest(`, with the bracket.
    #[arg(long, value_name = "CLASS(", value_parser = class)]
    prefix: Option<String>,

    /// Entries that were written so long ago or longer: 30s, 15m, 12h or 7d.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    older_than: Option<Duration>,
}

/// Nothing shorter: it would take other programs' keys with it.
fn class(text: &str) -> Result<String, String> {
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
    };
    match text.strip_suffix('(') {
        Some(name) if is_name(name) => Ok(text.to_owned()),
        _ => Err("expected the name of a Python class and a bracket, like DecisionRequest(".into()),
    }
}

/// What became of the entries.
#[derive(Default)]
struct Outcome {
    removed: u64,
    /// Values that say nothing of their age.
    undated: u64,
}

impl Purge {
    pub(super) async fn run(self) -> Result<()> {
        let store = open(&self.store, Create::No).await?;
        let outcome = match &self.what {
            What { model: Some(model), .. } => {
                let id = self.model_id(&store, model).await?;
                change_generation(&store, &store::Purge::Model(id)).await?
            }
            What { key: Some(key), .. } => {
                let removed = store.inventory.remove(std::slice::from_ref(key)).await?;
                // Hosts keep no others in their memory.
                if key.starts_with(PREFIX) {
                    store.inventory.tell_of_removal().await?;
                }
                Outcome { removed, undated: 0 }
            }
            What { prefix: Some(prefix), .. } => {
                remove(&store, &Selection::Prefix(prefix.clone()), |_| Some(true)).await?
            }
            What { older_than: Some(age), .. } => {
                let is_old = |entry: &store::Entry| {
                    let header = Header::read(&entry.key, &entry.value)?;
                    let age_seconds = unix_seconds().saturating_sub(header.written_at);
                    Some(u64::from(age_seconds) >= age.as_secs())
                };
                let outcome = remove(&store, &Selection::All, is_old).await?;
                store.inventory.tell_of_removal().await?;
                outcome
            }
            What { .. } => change_generation(&store, &store::Purge::All).await?,
        };
        let Outcome { removed, undated } = outcome;
        if self.json {
            print_line(json!({ "removed": removed, "undated": undated }))?;
            return Ok(());
        }
        let entries = if removed == 1 { "entry" } else { "entries" };
        print_line(format_args!("removed {removed} {entries} from the {}", store.url))?;
        if undated > 0 {
            print_line(format_args!(
                "left {undated} values that are no entries: they have no time"
            ))?;
        }
        Ok(())
    }

    async fn model_id(&self, store: &OpenStore, model: &str) -> Result<String> {
        let path = Path::new(model);
        if let Ok(id) = model.parse::<ModelId>()
            && !path.exists()
        {
            return Ok(id.to_string());
        }
        let settings = contract::Settings::default();
        let model = Model::load(path, &self.component, settings, &store.inventory).await?;
        Ok(model.id().to_owned())
    }
}

async fn change_generation(store: &OpenStore, purge: &store::Purge) -> Result<Outcome> {
    let at_once = store.inventory.change_generation(purge).await?;
    let mut progress = Progress::new();
    let mut show =
        |freed: u64| progress.show(|_| format!("nothing is served any more; {freed} freed"));
    let freed = store.inventory.free_old_generations(&mut show).await?;
    Ok(Outcome { removed: at_once + freed, undated: 0 })
}

/// Removes what a condition wants, which gives nothing for a value without a time.
async fn remove(
    store: &OpenStore,
    selection: &Selection,
    condition: impl Fn(&store::Entry) -> Option<bool>,
) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let (mut keys, mut seen) = (Vec::new(), 0);
    let mut progress = Progress::new();
    let mut cursor = Some(Cursor::default());
    while let Some(from) = cursor {
        let page = store.inventory.page(selection, from).await?;
        seen += page.entries.len();
        cursor = page.next;
        for entry in page.entries {
            match condition(&entry) {
                None => outcome.undated += 1,
                Some(true) => keys.push(entry.key),
                Some(false) => {}
            }
        }
        if keys.len() >= BATCH || cursor.is_none() {
            outcome.removed += store.inventory.remove(&std::mem::take(&mut keys)).await?;
        }
        let removed = outcome.removed;
        progress.show(|_| format!("{seen} entries seen, {removed} removed"));
    }
    Ok(outcome)
}

//! `foretold cache`: tools that look into a store, fill it, and empty it.

mod duration;
mod get;
mod ls;
mod purge;
mod stats;
mod warm;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use crate::store::{Inventory, StoreUrl};
use crate::text;
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};

use crate::commands::options::store::StoreOptions;

/// Looks into a cache of predictions, fills it, and empties it.
#[derive(Args)]
pub(crate) struct Cache {
    #[command(subcommand)]
    tool: Tool,
}

#[derive(Subcommand)]
enum Tool {
    Stats(stats::Stats),
    Ls(ls::Ls),
    Get(get::Get),
    Purge(purge::Purge),
    Warm(warm::Warm),
}

impl Cache {
    pub(crate) async fn run(self) -> Result<()> {
        match self.tool {
            Tool::Stats(stats) => stats.run().await,
            Tool::Ls(ls) => ls.run().await,
            Tool::Get(get) => get.run().await,
            Tool::Purge(purge) => purge.run().await,
            Tool::Warm(warm) => warm.run().await,
        }
    }
}

/// A store that a tool works on.
struct OpenStore {
    url: StoreUrl,
    inventory: Arc<dyn Inventory>,
}

/// Whether a tool may make the store's file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Create {
    Yes,
    No,
}

/// Opens the store that the hosts use.
///
/// A host goes on without a store that does not answer; a tool has nothing to do then.
async fn open(options: &StoreOptions, create: Create) -> Result<OpenStore> {
    let url = options.store_url_for_tools()?;
    match &url {
        StoreUrl::Memory { .. } => bail!(
            "a memory store lives inside its host and cannot be reached from outside; name a file \
             or a Redis with --store URL or FORETOLD_STORE"
        ),
        StoreUrl::File(path) if create == Create::No && !path.exists() => {
            bail!("there is no file {}", path.display());
        }
        StoreUrl::File(_) | StoreUrl::Redis(_) => {}
    }
    let inventory = url.open().await.with_context(|| format!("cannot open the {url}"))?;
    inventory
        .get("foretold:is the store there?", Duration::from_secs(1))
        .await
        .with_context(|| format!("cannot reach the {url}"))?;
    Ok(OpenStore { url, inventory })
}

/// Writes a line to standard output.
fn print_line(line: impl std::fmt::Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}")
}

/// A key as it can be given to a tool again, unless it would spoil the terminal.
fn shown(key: &str) -> std::borrow::Cow<'_, str> {
    text::shown(key, usize::MAX)
}

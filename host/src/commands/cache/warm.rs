//! `foretold cache warm`: computes and stores the predictions for the rows of a file.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use foretold_core::settings::KeyFormat;
use serde_json::{Value, json};

use crate::commands::cache::{Create, open, print_line};
use crate::commands::model::{Model, SourceOptions};
use crate::commands::options::settings::SettingsOptions;
use crate::commands::options::store::StoreOptions;
use crate::commands::progress::Progress;
use crate::commands::rows::Rows;
use crate::commands::scoring::{Counts, Scoring};

/// Computes the predictions for the rows of a file and stores them, through the component itself, so
/// that hosts find them.
///
/// The file is one that `foretold predict` takes. The options must be those of the hosts: keys, secrets
/// and times to live.
#[derive(Args)]
pub(super) struct Warm {
    /// CSV or JSON Lines; columns that are no features count for nothing. `-` is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    store: StoreOptions,

    #[command(flatten)]
    source: SourceOptions,

    #[command(flatten)]
    settings: SettingsOptions,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

impl Warm {
    pub(super) async fn run(self) -> Result<()> {
        if self.source.source.is_none() {
            bail!("warm needs --source PATH: the model that the hosts serve");
        }
        let settings = self.settings.settings()?;
        let store = open(&self.store, Create::Yes).await?;
        self.settings.check_store(&store.url)?;
        let model = self.source.model(settings, &store.inventory).await?;
        let model = model.context("--source is there")?;
        if !model.pool.reports() {
            bail!(
                "warm counts what the component tells of, and one for the target spin tells \
                 nothing; name the model's folder with --source: its entries are the same"
            );
        }
        let mut rows = Rows::open(&self.file, &model.manifest().features)?;
        let mut scoring = Scoring::new(&model, targets(&model), Progress::new());
        while scoring.next(&mut rows).await?.is_some() {}
        let outcome = Outcome(scoring.finish());
        if self.json {
            print_line(outcome.json())?;
        } else {
            print_line(&outcome)?;
        }
        outcome.check()
    }
}

/// The paths whose predictions are asked for.
fn targets(model: &Model) -> Vec<String> {
    let manifest = model.manifest();
    let endpoints = 0..manifest.endpoints.len();
    let endpoints = if model.settings.keys == KeyFormat::Repr {
        endpoints.collect()
    } else {
        // What is young enough for this one is so for all.
        let pickiest =
            endpoints.min_by_key(|endpoint| model.settings.ttl_seconds(manifest, Some(*endpoint)));
        Vec::from_iter(pickiest)
    };
    endpoints.into_iter().map(|endpoint| manifest.endpoints[endpoint].path.clone()).collect()
}

/// What became of the rows, for people and programs.
struct Outcome(Counts);

impl Outcome {
    fn json(&self) -> Value {
        let Counts { rows, hits, computed, stored, not_stored, refused } = self.0;
        json!({
            "rows": rows,
            "hits": hits,
            "computed": computed,
            "stored": stored,
            "not_stored": not_stored,
            "refused": refused,
        })
    }

    /// Whether hosts will find all rows.
    fn check(&self) -> Result<()> {
        match (self.0.refused, self.0.not_stored) {
            (0, 0) => Ok(()),
            (refused, 0) => bail!("{refused} rows were refused"),
            (0, not_stored) => bail!("{not_stored} predictions were not stored"),
            (refused, not_stored) => {
                bail!("{refused} rows were refused, {not_stored} predictions were not stored")
            }
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Counts { rows, hits, computed, stored, not_stored, refused } = self.0;
        write!(
            f,
            "{rows} rows: {hits} hits, {computed} computed, {stored} stored, {not_stored} not \
             stored, {refused} refused"
        )
    }
}

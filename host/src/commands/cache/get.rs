//! `foretold cache get`: what is under a key, and what it means.

mod found;

use std::time::Duration;

use crate::store::{Cursor, Selection};
use anyhow::{Result, anyhow, bail};
use bytes::Bytes;
use clap::Args;
use foretold_core::cache::key::{self, Parsed};
use foretold_core::http::request;

use self::found::Found;
use crate::commands::cache::{Create, OpenStore, open, print_line};
use crate::commands::model::{Model, SourceOptions, mac_secret};
use crate::commands::options::settings::SettingsOptions;
use crate::commands::options::store::StoreOptions;

/// Shows an entry: the request, the outputs, what each endpoint answers, and the times.
///
/// With --source the outputs have names and the endpoints answer. Without it, and without --ttl,
/// the entry is searched for among all of its model.
#[derive(Args)]
pub(super) struct Get {
    /// The key, as `foretold cache ls` shows it, or a request: a JSON object, which needs --source.
    #[arg(value_name = "KEY")]
    key: String,

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

impl Get {
    pub(super) async fn run(self) -> Result<()> {
        let settings = self.settings.settings()?;
        let mac = mac_secret(&settings)?;
        let ttl_seconds = settings.ttl_seconds;
        let store = open(&self.store, Create::No).await?;
        let model = self.source.model(settings, &store.inventory).await?;
        let keys = match (&model, self.key.starts_with('{')) {
            (Some(model), true) => keys_of(model, &self.key)?,
            (None, true) => bail!("a request needs --source, which says how keys are made of it"),
            (_, false) => vec![self.key.clone()],
        };
        let time_to_live = model.as_ref().map(Model::time_to_live);
        let time_to_live =
            time_to_live.or(ttl_seconds.map(|seconds| Duration::from_secs(seconds.into())));
        let mut problems = Vec::new();
        let mut shown = 0;
        for key in &keys {
            let value = match time_to_live {
                Some(time_to_live) => {
                    let value = store.inventory.get(key, time_to_live).await?;
                    value.map(|value| (value, None))
                }
                None => search(&store, key).await?,
            };
            let Some((value, time_left)) = value else { continue };
            shown += 1;
            let found = Found::new(key, value, time_left, model.as_ref(), mac.as_ref());
            if self.json {
                print_line(found.json()?)?;
            } else {
                found.print()?;
            }
            problems.extend(found.problem());
        }
        if shown == 0 {
            let ttl = time_to_live.map_or(String::new(), |time_to_live| {
                let seconds = time_to_live.as_secs();
                format!(" (looked for as hosts with a time to live of {seconds} s do)")
            });
            bail!("{}: not in the {}{ttl}", keys.join(" or "), store.url);
        }
        problems.into_iter().next().map_or(Ok(()), |problem| Err(anyhow!(problem)))
    }
}

/// The keys of a request: one, unless each endpoint has its own.
fn keys_of(model: &Model, json: &str) -> Result<Vec<String>> {
    let row = request::parse(json.as_bytes(), &model.manifest().features).map_err(|problem| {
        let document = problem.document(None);
        anyhow!("KEY: {}", document["detail"].as_str().unwrap_or_default())
    })?;
    let endpoints = &model.manifest().endpoints;
    let mut keys: Vec<String> =
        endpoints.iter().map(|endpoint| model.key(endpoint, &row)).collect();
    keys.dedup();
    Ok(keys)
}

/// Goes through all entries that may be meant: without the time to live it is not known where a
/// key lies.
async fn search(store: &OpenStore, key: &str) -> Result<Option<(Bytes, Option<Duration>)>> {
    let selection = match key::parse(key) {
        Some(Parsed::Model { model, .. }) => Selection::Model(model.to_owned()),
        Some(Parsed::Python { .. }) | None => Selection::Prefix(key.to_owned()),
    };
    let mut cursor = Some(Cursor::default());
    while let Some(from) = cursor {
        let page = store.inventory.page(&selection, from).await?;
        if let Some(entry) = page.entries.into_iter().find(|entry| entry.key == key) {
            return Ok(Some((entry.value, entry.time_left)));
        }
        cursor = page.next;
    }
    Ok(None)
}

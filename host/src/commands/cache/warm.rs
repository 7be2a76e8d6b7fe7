//! `foretold cache warm`: computes and stores the predictions for the rows of a file.

mod rows;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::guest::contract::{Report, Request, RequestHeader};
use crate::guest::pool::{CallError, Called};
use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use foretold_core::settings::KeyFormat;
use serde_json::{Value, json};

use self::rows::{Row, Rows};
use crate::commands::cache::model::{Model, SourceOptions};
use crate::commands::cache::progress::{Progress, rate};
use crate::commands::cache::{Create, open, print_line};
use crate::commands::options::settings::SettingsOptions;
use crate::commands::options::store::StoreOptions;

/// Rows of one request.
const BATCH: usize = 1000;
/// Refused rows that are described; more are counted.
const MAX_DESCRIBED: u64 = 20;

/// Computes the predictions for the rows of a CSV file and stores them, through the component
/// itself, so that hosts find them.
///
/// The first line names the features, in any order; an empty cell is null. The options must be
/// those of the hosts: keys, secrets and times to live.
#[derive(Args)]
pub(super) struct Warm {
    /// The CSV file; `-` is standard input.
    #[arg(value_name = "FILE.csv")]
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

/// What became of the rows, in predictions: with `--keys repr` each endpoint has one of its own.
#[derive(Default)]
struct Outcome {
    rows: u64,
    hits: u64,
    computed: u64,
    stored: u64,
    not_stored: u64,
    /// Rows without a prediction.
    refused: u64,
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
        let mut warming = Warming::new(&model);
        loop {
            let batch = rows.take(BATCH)?;
            if batch.is_empty() {
                break;
            }
            warming.send(batch).await?;
        }
        let outcome = warming.finish();
        if self.json {
            print_line(outcome.json())?;
        } else {
            print_line(&outcome)?;
        }
        outcome.check()
    }
}

/// Rows on their way through the component.
struct Warming<'a> {
    model: &'a Model,
    /// The endpoints whose predictions are asked for.
    paths: Vec<&'a str>,
    outcome: Outcome,
    progress: Progress,
}

impl<'a> Warming<'a> {
    fn new(model: &'a Model) -> Warming<'a> {
        let manifest = model.manifest();
        let endpoints = 0..manifest.endpoints.len();
        let paths = if model.settings.keys == KeyFormat::Repr {
            endpoints.collect()
        } else {
            // What is young enough for this one is so for all.
            let pickiest = endpoints
                .min_by_key(|endpoint| model.settings.ttl_seconds(manifest, Some(*endpoint)));
            Vec::from_iter(pickiest)
        };
        let paths =
            paths.into_iter().map(|endpoint| manifest.endpoints[endpoint].path.as_str()).collect();
        Warming { model, paths, outcome: Outcome::default(), progress: Progress::new() }
    }

    /// Sends some rows.
    async fn send(&mut self, batch: Vec<Row>) -> Result<()> {
        self.outcome.rows += batch.len() as u64;
        let mut refused: BTreeMap<u64, String> = BTreeMap::new();
        let mut lines = Vec::with_capacity(batch.len());
        let mut body = vec![b'['];
        for Row { line, request } in batch {
            match request {
                Ok(request) => {
                    body.push(if lines.is_empty() { b' ' } else { b',' });
                    body.extend(request.into_bytes());
                    lines.push(line);
                }
                Err(reason) => drop(refused.insert(line, reason)),
            }
        }
        body.push(b']');
        for path in self.paths.iter().copied().filter(|_| !lines.is_empty()) {
            let (report, answers) = call(self.model, path, &body).await?;
            let Report { hits, misses, stored, dropped, unavailable, .. } = report;
            self.outcome.hits += u64::from(hits);
            self.outcome.computed += u64::from(misses);
            self.outcome.stored += u64::from(stored);
            self.outcome.not_stored += u64::from(dropped + unavailable);
            for (line, answer) in lines.iter().zip(&answers) {
                if let Some(reason) = problem(answer) {
                    refused.insert(*line, reason.to_owned());
                }
            }
        }
        for (line, reason) in refused {
            self.refuse(line, &reason);
        }
        let rows = self.outcome.rows;
        self.progress.show(|time| format!("{rows} rows, {} rows/s", rate(rows, time)));
        Ok(())
    }

    fn refuse(&mut self, line: u64, reason: &str) {
        self.outcome.refused += 1;
        if self.outcome.refused <= MAX_DESCRIBED {
            self.progress.clear();
            eprintln!("line {line}: {reason}");
        }
    }

    fn finish(self) -> Outcome {
        let more = self.outcome.refused.saturating_sub(MAX_DESCRIBED);
        drop(self.progress);
        if more > 0 {
            eprintln!("and {more} more rows were refused");
        }
        self.outcome
    }
}

/// One request with an array of rows.
async fn call(model: &Model, path: &str, body: &[u8]) -> Result<(Report, Vec<Value>)> {
    let request = Request {
        method: "POST",
        target: path,
        headers: &[RequestHeader { name: "content-type", value: "application/json" }],
        body,
        bypass_store: false,
    };
    let Called { response, .. } = model.pool.call(request).await.map_err(|error| match error {
        CallError::TimedOut => anyhow!("{BATCH} rows took the component too long"),
        CallError::Failed(error) => anyhow!("the component broke down: {error:#}"),
    })?;
    if let Some(log) = &response.log {
        eprintln!("{}", log.escape_debug());
    }
    if response.status != 200 {
        let body = String::from_utf8_lossy(&response.body);
        bail!("the component answered {}: {body}", response.status);
    }
    Ok((response.report, serde_json::from_slice(&response.body)?))
}

/// Why a row has no prediction.
fn problem(answer: &Value) -> Option<&str> {
    let is_problem = answer["type"].as_str()?.starts_with("urn:foretold:problem:");
    is_problem.then(|| answer["detail"].as_str().unwrap_or_default())
}

impl Outcome {
    fn json(&self) -> Value {
        json!({
            "rows": self.rows,
            "hits": self.hits,
            "computed": self.computed,
            "stored": self.stored,
            "not_stored": self.not_stored,
            "refused": self.refused,
        })
    }

    /// Whether hosts will find all rows.
    fn check(&self) -> Result<()> {
        match (self.refused, self.not_stored) {
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
        let Outcome { rows, hits, computed, stored, not_stored, refused } = self;
        write!(
            f,
            "{rows} rows: {hits} hits, {computed} computed, {stored} stored, {not_stored} not \
             stored, {refused} refused"
        )
    }
}

//! `foretold predict`: the answers to the rows of a file.

mod writer;

use std::io::{IsTerminal, stdout};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use foretold_core::settings::KeyFormat;

use self::writer::{FileFormat, RowWriter};
use crate::commands::model::{ComponentOptions, Model};
use crate::commands::options::settings::SettingsOptions;
use crate::commands::options::store::StoreOptions;
use crate::commands::output::Output;
use crate::commands::progress::Progress;
use crate::commands::rows::Rows;
use crate::commands::scoring::{Counts, Scoring};

/// The path that answers for all endpoints.
const ALL: &str = "/predictions";

/// Answers the rows of a file as the service does: by the same rules, from the same cache.
///
/// Each row is written with the answers of all endpoints behind it. A row that is refused is named by
/// its line, has the reason in the column `error`, and the others go on; the command then ends with
/// an error.
#[derive(Args)]
pub(crate) struct Predict {
    /// Folder with manifest.toml and an ONNX model, or a component made by `foretold bake`.
    #[arg(value_name = "MODEL")]
    source: PathBuf,

    /// CSV, whose first line has the features' names in any order, or JSON Lines: it is that if it
    /// begins with a brace. A first line without a comma is separated by its tabs or semicolons. Other
    /// columns stay as they are; those of optional features may be left out. `-` is standard input.
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,

    /// The file to write [default: standard output].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// How it is written [default: as the output's name ends, .csv, .tsv, .jsonl or .ndjson, or else
    /// as the input].
    #[arg(long, value_name = "FORMAT", value_enum)]
    format: Option<FileFormat>,

    #[command(flatten)]
    store: StoreOptions,

    #[command(flatten)]
    settings: SettingsOptions,

    #[command(flatten)]
    component: ComponentOptions,
}

impl Predict {
    pub(crate) async fn run(&self) -> Result<()> {
        let by_option = match (self.format, &self.output) {
            (None, Some(path)) => FileFormat::of(path)?,
            (format, _) => format,
        };
        let settings = self.settings.settings()?;
        let url = self.store.store_url_for_tools()?;
        self.settings.check_store(&url)?;
        let store = url.open().await.with_context(|| format!("cannot open the {url}"))?;
        let model = Model::load(&self.source, &self.component, settings, &store).await?;
        let mut rows = Rows::open(&self.file, &model.manifest().features)?;
        let mut writer = self.writer(by_option, &model, &rows)?;
        let mut scoring = Scoring::new(&model, targets(&model), self.progress());
        while let Some(batch) = scoring.next(&mut rows).await? {
            for (row, answers) in &batch {
                writer.write(row, answers)?;
            }
        }
        let counts = scoring.finish();
        writer.finish()?;
        eprintln!("{}", summary(&counts, model.pool.reports()));
        match counts.refused {
            0 => Ok(()),
            refused => bail!("{refused} of {} rows were refused", counts.rows),
        }
    }

    fn writer(
        &self,
        format: Option<FileFormat>,
        model: &Model,
        rows: &Rows<'_>,
    ) -> Result<RowWriter> {
        let output = match &self.output {
            Some(path) => {
                Output::at(path).with_context(|| format!("cannot write {}", path.display()))?
            }
            None => Output::stdout(),
        };
        let as_input = match rows.separator() {
            None => FileFormat::Jsonl,
            Some(b'\t') => FileFormat::Tsv,
            Some(_) => FileFormat::Csv,
        };
        let format = format.unwrap_or(as_input);
        let separator = match format {
            FileFormat::Tsv => b'\t',
            _ if rows.separator() == Some(b';') => b';',
            _ => b',',
        };
        let fields = model.manifest().endpoints.iter().map(|endpoint| endpoint.field.clone());
        RowWriter::new(output, format, separator, rows.names(), fields.collect())
    }

    /// Not where the rows go to the terminal, too.
    fn progress(&self) -> Progress {
        match self.output.is_none() && stdout().is_terminal() {
            true => Progress::silent(),
            false => Progress::new(),
        }
    }
}

/// What is asked for each row: with `--keys repr` each endpoint has entries of its own.
fn targets(model: &Model) -> Vec<String> {
    if model.settings.keys == KeyFormat::Repr {
        return model.manifest().endpoints.iter().map(|it| it.path.clone()).collect();
    }
    vec![ALL.to_owned()]
}

/// What became of the rows; what the cache did only where the component tells.
fn summary(counts: &Counts, reports: bool) -> String {
    let Counts { rows, hits, computed, not_stored, refused, .. } = counts;
    let mut summary = format!("{rows} rows");
    if reports {
        summary += &format!(": {hits} hits, {computed} computed");
    }
    if *not_stored > 0 {
        summary += &format!(", {not_stored} not stored");
    }
    if *refused > 0 {
        summary += &format!(", {refused} refused");
    }
    summary
}

//! Rows with their answers, as CSV or JSON Lines.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use csv::WriterBuilder;

use crate::commands::output::Output;
use crate::commands::rows::row::{Row, object};
use crate::commands::scoring::Answers;

/// The column or member that says why a row has no answers.
const ERROR: &str = "error";

/// How rows are written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum FileFormat {
    /// A line of names, and a line per row, with semicolons where the input has them
    Csv,
    /// The same with tabs
    Tsv,
    /// A JSON object per row
    Jsonl,
}

/// How names of tables end that are of none of these formats.
const OTHERS: [&str; 8] = ["xlsx", "xls", "ods", "parquet", "feather", "arrow", "json", "xml"];

impl FileFormat {
    /// What the name of a file says of it.
    pub(super) fn of(path: &Path) -> Result<Option<FileFormat>> {
        let ending = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        Ok(match ending.to_ascii_lowercase().as_str() {
            "csv" => Some(FileFormat::Csv),
            "tsv" => Some(FileFormat::Tsv),
            "jsonl" | "ndjson" => Some(FileFormat::Jsonl),
            other if OTHERS.contains(&other) => bail!(
                "{}: rows are written as CSV or JSON Lines; end the name with .csv, .tsv, .jsonl or \
                 .ndjson, or say what it is to be with --format",
                path.display()
            ),
            _ => None,
        })
    }
}

/// Writes each row as it was read, with its answers or its mistake behind it.
pub(super) struct RowWriter {
    output: Output,
    format: FileFormat,
    /// What stands between cells.
    separator: u8,
    /// The columns of the input.
    names: Vec<Arc<str>>,
    /// What each endpoint's answer is called.
    fields: Vec<String>,
}

impl RowWriter {
    /// `names` are the columns of the input, `fields` those of the answers.
    pub(super) fn new(
        output: Output,
        format: FileFormat,
        separator: u8,
        names: Vec<Arc<str>>,
        fields: Vec<String>,
    ) -> Result<RowWriter> {
        let mut writer = RowWriter { output, format, separator, names, fields };
        if format != FileFormat::Jsonl {
            let taken: BTreeSet<&str> = writer.names.iter().map(|name| &**name).collect();
            let answers = writer.fields.iter().map(String::as_str).chain([ERROR]);
            let answers = answers.map(|field| unlike(&taken, field));
            let header = writer.names.iter().map(|name| name.to_string()).chain(answers);
            let header = record(separator, header)?;
            writer.output.write_all(&header)?;
        }
        Ok(writer)
    }

    /// Writes a row.
    pub(super) fn write(&mut self, row: &Row, answers: &Answers) -> Result<()> {
        let line = match self.format {
            FileFormat::Csv | FileFormat::Tsv => self.record(row, answers)?,
            FileFormat::Jsonl => self.object(row, answers).into_bytes(),
        };
        self.output.write_all(&line)?;
        Ok(())
    }

    /// Puts a file in its place.
    pub(super) fn finish(self) -> Result<()> {
        Ok(self.output.finish()?)
    }

    fn record(&self, row: &Row, answers: &Answers) -> Result<Vec<u8>> {
        // Two columns may have one name: members of a CSV file are in the order of the columns.
        let is_in_order =
            |i: usize, name: &str| row.members.get(i).is_some_and(|(known, _)| &**known == name);
        let given = self.names.iter().enumerate().map(|(i, name)| match is_in_order(i, name) {
            true => text(&row.members[i].1),
            false => row.member(name).map(text).unwrap_or_default(),
        });
        let answered = self.fields.iter().map(|field| match answers {
            Ok(answers) => {
                let found = answers.iter().find(|(known, _)| known == field);
                found.map(|(_, value)| text(value)).unwrap_or_default()
            }
            Err(_) => String::new(),
        });
        let error = answers.as_ref().err().cloned().unwrap_or_default();
        record(self.separator, given.chain(answered).chain([error]))
    }

    fn object(&self, row: &Row, answers: &Answers) -> String {
        let taken: BTreeSet<&str> = row.members.iter().map(|(name, _)| &**name).collect();
        let given = row.members.iter().map(|(name, value)| (name.to_string(), value.clone()));
        let answered: Vec<(String, String)> = match answers {
            Ok(answers) => {
                let named = answers.iter();
                named.map(|(field, value)| (unlike(&taken, field), value.clone())).collect()
            }
            Err(reason) => {
                vec![(unlike(&taken, ERROR), serde_json::Value::from(reason.as_str()).to_string())]
            }
        };
        let members: Vec<(String, String)> = given.chain(answered).collect();
        object(members.iter().map(|(name, value)| (name.as_str(), value.as_str()))) + "\n"
    }
}

/// A name that none of the input's is.
fn unlike(taken: &BTreeSet<&str>, name: &str) -> String {
    let mut name = name.to_owned();
    while taken.contains(name.as_str()) {
        name.insert_str(0, "predicted_");
    }
    name
}

/// A value as a cell.
fn text(json: &str) -> String {
    if json == "null" {
        return String::new();
    }
    serde_json::from_str::<String>(json).unwrap_or_else(|_| json.to_owned())
}

/// A line of CSV.
fn record(separator: u8, cells: impl Iterator<Item = String>) -> Result<Vec<u8>> {
    let mut writer = WriterBuilder::new().delimiter(separator).from_writer(Vec::new());
    writer.write_record(cells)?;
    writer.into_inner().context("memory can be written to")
}

//! `foretold check`: compares the model's answers with what another program says of the same rows.

mod choice;

use std::cmp::Ordering;
use std::io::{self, Write, stdout};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Args;
use foretold_core::model::manifest::Endpoint;

use crate::commands::model::{ComponentOptions, Model};
use crate::commands::progress::Progress;
use crate::commands::rows::Rows;
use crate::commands::rows::row::Row;
use crate::commands::scoring::{Answers, Scoring};
use crate::guest::contract::Settings;
use crate::store::{Inventory, MemoryStore};

/// What a store takes that is not looked at.
const STORE_BYTES: u64 = 64 << 20;
/// Rows that tell whether labels or numbers are expected.
const MAX_PEEKED: usize = 1000;

/// Compares the answers to the rows of a file with one of its columns: with what the library says that
/// trained the model.
///
/// Numbers agree that differ by at most ABSOLUTE + RELATIVE × the expected one; labels if they are the
/// same. The command ends with an error if any differ, or if any row cannot be compared.
#[derive(Args)]
pub(crate) struct Check {
    /// Folder with manifest.toml and an ONNX model, or a component made by `foretold bake`.
    #[arg(value_name = "MODEL")]
    source: PathBuf,

    /// CSV or JSON Lines, as `foretold predict` takes them, with the expected values; `-` is standard
    /// input.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The column of the expected values.
    #[arg(long, value_name = "COLUMN")]
    expected: String,

    /// What it is compared with: the field of an endpoint [default: the one of the column's name, or
    /// else that of the first endpoint that answers what the column has, labels or numbers].
    #[arg(long, value_name = "FIELD")]
    field: Option<String>,

    /// How far numbers may be apart.
    #[arg(long, value_name = "NUMBER", default_value_t = 1e-6, value_parser = tolerance)]
    absolute: f64,

    /// How far they may be apart beyond that, as a part of the expected one.
    #[arg(long, value_name = "NUMBER", default_value_t = 1e-5, value_parser = tolerance)]
    relative: f64,

    /// How many of the rows that differ are shown, the worst first.
    #[arg(long, value_name = "ROWS", default_value_t = 5)]
    worst: usize,

    #[command(flatten)]
    component: ComponentOptions,
}

fn tolerance(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| "expected a number from 0 on".to_owned())
}

impl Check {
    pub(crate) async fn run(&self) -> Result<()> {
        let store: Arc<dyn Inventory> = Arc::new(MemoryStore::new(STORE_BYTES));
        let model = Model::load(&self.source, &self.component, Settings::default(), &store).await?;
        let mut rows = Rows::open(&self.file, &model.manifest().features)?;
        let names = rows.names();
        if rows.is_csv() && !names.iter().any(|name| **name == *self.expected) {
            bail!(
                "{}: line 1: there is no column {:?}; expected one of {}",
                self.file.display(),
                self.expected,
                names.join(", ")
            );
        }
        let endpoint = self.endpoint(&model, &mut rows)?;
        let mut scoring = Scoring::new(&model, vec![endpoint.path.clone()], Progress::new());
        let mut comparison = Comparison::default();
        while let Some(batch) = scoring.next(&mut rows).await? {
            for (row, answers) in &batch {
                if let Err(reason) = self.compare(endpoint, row, answers, &mut comparison) {
                    scoring.refuse(row.line, &reason);
                }
            }
        }
        let refused = scoring.finish().refused;
        comparison.print(&mut stdout().lock(), endpoint)?;
        comparison.judge(refused)
    }

    /// The endpoint whose answers are compared.
    fn endpoint<'m>(&self, model: &'m Model, rows: &mut Rows<'_>) -> Result<&'m Endpoint> {
        let endpoints = &model.manifest().endpoints;
        let find = |field: &str| endpoints.iter().find(|endpoint| endpoint.field == field);
        let named = match &self.field {
            None => find(&self.expected),
            Some(field) => Some(find(field).with_context(|| {
                let known: Vec<&str> = endpoints.iter().map(|it| it.field.as_str()).collect();
                format!("--field: {field:?} is not one of the fields {}", known.join(", "))
            })?),
        };
        let values = rows.peek(MAX_PEEKED)?.filter_map(|row| self.expected(row)).collect();
        choice::endpoint(endpoints, named, &self.expected, values)
    }

    /// What is expected of a row.
    fn expected(&self, row: &Row) -> Option<String> {
        row.member(&self.expected).map(plain).filter(|text| !text.trim().is_empty())
    }

    /// Compares a row; the error says why that cannot be done.
    fn compare(
        &self,
        endpoint: &Endpoint,
        row: &Row,
        answers: &Answers,
        comparison: &mut Comparison,
    ) -> Result<(), String> {
        // It was refused, and that was said.
        let Ok(answers) = answers else { return Ok(()) };
        let column = &self.expected;
        let expected = self.expected(row);
        let expected = expected.ok_or_else(|| format!("{column}: expected a value, got none"))?;
        let found = answers.iter().find(|(field, _)| *field == endpoint.field);
        let found = found.map(|(_, value)| plain(value)).unwrap_or_default();
        let numbers = number(&expected).zip(number(&found));
        let (difference, agrees) = match (endpoint.rule.is_number(), numbers) {
            (true, None) => return Err(format!("{column}: expected a number, got {expected:?}")),
            (true, Some((expected, found))) => {
                let difference = (expected - found).abs();
                (difference, difference <= self.absolute + self.relative * expected.abs())
            }
            (false, _) => {
                let is_same = is_same_label(&expected, &found);
                (if is_same { 0.0 } else { f64::INFINITY }, is_same)
            }
        };
        let pair = Pair { line: row.line, expected, found, difference };
        comparison.add(pair, agrees, self.worst);
        Ok(())
    }
}

/// What was expected of a row, and what was found.
struct Pair {
    line: u64,
    expected: String,
    found: String,
    difference: f64,
}

/// What came of all rows.
#[derive(Default)]
struct Comparison {
    compared: u64,
    differing: u64,
    /// Of those that differ, the worst first.
    worst: Vec<Pair>,
    /// The largest difference, and its line.
    largest: Option<(f64, u64)>,
}

impl Comparison {
    fn add(&mut self, pair: Pair, agrees: bool, max_shown: usize) {
        self.compared += 1;
        if self.largest.is_none_or(|(largest, _)| pair.difference > largest) {
            self.largest = Some((pair.difference, pair.line));
        }
        if agrees {
            return;
        }
        self.differing += 1;
        let order = |other: &Pair| {
            pair.difference.partial_cmp(&other.difference) != Some(Ordering::Greater)
        };
        let position = self.worst.partition_point(order);
        self.worst.insert(position, pair);
        self.worst.truncate(max_shown);
    }

    fn print(&self, output: &mut impl Write, endpoint: &Endpoint) -> io::Result<()> {
        for Pair { line, expected, found, difference } in &self.worst {
            write!(output, "line {line}: expected {expected}, got {found}")?;
            match difference.is_finite() {
                true => writeln!(output, ", a difference of {difference:.3e}")?,
                false => writeln!(output)?,
            }
        }
        let Comparison { compared, differing, .. } = self;
        write!(output, "{compared} rows compared in {}: {differing} differ", endpoint.field)?;
        match self.largest.filter(|(difference, _)| difference.is_finite()) {
            Some((difference, line)) if endpoint.rule.is_number() => {
                writeln!(output, "; the largest difference is {difference:.3e}, in line {line}")
            }
            _ => writeln!(output),
        }
    }

    fn judge(&self, refused: u64) -> Result<()> {
        match (self.differing, refused) {
            (0, 0) if self.compared == 0 => bail!("there was no row to compare"),
            (0, 0) => Ok(()),
            (differing, 0) => bail!("{differing} of {} rows differ", self.compared),
            (0, refused) => bail!("{refused} rows could not be compared"),
            (differing, refused) => bail!(
                "{differing} of {} rows differ, and {refused} could not be compared",
                self.compared
            ),
        }
    }
}

/// A value as text, without the quotes of JSON.
fn plain(json: &str) -> String {
    if json == "null" {
        return String::new();
    }
    serde_json::from_str::<String>(json).unwrap_or_else(|_| json.to_owned())
}

/// 1 and 1.0 are one label.
fn is_same_label(one: &str, other: &str) -> bool {
    one == other || number(one).zip(number(other)).is_some_and(|(one, other)| one == other)
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

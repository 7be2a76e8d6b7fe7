//! What the rows of a CSV file say of its columns.

use std::collections::HashSet;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::commands::rows::cell::{boolean, is_missing_number, number};
use crate::commands::rows::csv_file::{CsvFile, Record};
use crate::commands::rows::input::Input;

/// Categories that a manifest can have, and one more.
const MAX_TEXTS: usize = (1 << 16) + 1;
/// Rows that are kept, for one that can be the example.
const MAX_EXAMPLES: usize = 1000;
/// Integers that floats of 64 bits have all of.
const MAX_INTEGER: f64 = (1_u64 << 53) as f64;

/// What a file has.
pub(super) struct Sample {
    /// How it is called.
    pub(super) name: String,
    pub(super) rows: u64,
    pub(super) columns: Vec<Column>,
    /// The cells of the first rows.
    pub(super) examples: Vec<Vec<String>>,
}

/// What a column has.
#[derive(Default)]
pub(super) struct Column {
    pub(super) name: String,
    /// Cells that say that there is no number.
    pub(super) missing: u64,
    /// Cells without anything.
    pub(super) empty: u64,
    pub(super) numbers: Numbers,
    /// Cells that are true or false.
    pub(super) booleans: u64,
    /// The first cell that is neither a number nor missing, and its line.
    pub(super) no_number: Option<(String, u64)>,
    /// All that is not empty, each once, in the order of the file.
    pub(super) texts: Vec<String>,
    known: HashSet<String>,
}

/// The numbers of a column.
#[derive(Clone, Default)]
pub(super) struct Numbers {
    pub(super) count: u64,
    pub(super) minimum: f64,
    pub(super) maximum: f64,
    /// Whether all are integers.
    pub(super) are_integers: bool,
    /// Digits behind the point, at most; none where one is written with an exponent.
    pub(super) decimals: Option<usize>,
}

impl Sample {
    /// Reads a CSV file, without the columns of some names and those without one, as pandas writes
    /// its index.
    pub(super) fn read(path: &Path, ignored: &[String]) -> Result<Sample> {
        let Input { name, bytes, is_json } = Input::open(path)?;
        if is_json {
            bail!("{name}: expected CSV, whose first line has the names of the columns");
        }
        let mut file = CsvFile::new(name.clone(), bytes)?;
        if let Some(other) = ignored.iter().find(|it| !file.names.contains(it)) {
            let known = file.names.join(", ");
            bail!("--ignore: {name} has no column {other:?}; expected one of {known}");
        }
        let is_used = |column: &str| !column.is_empty() && !ignored.iter().any(|it| it == column);
        let used: Vec<usize> = (0..file.names.len()).filter(|i| is_used(&file.names[*i])).collect();
        let column = |i: &usize| Column { name: file.names[*i].clone(), ..Column::default() };
        let columns = used.iter().map(column).collect();
        let mut sample = Sample { name, rows: 0, columns, examples: Vec::new() };
        if let Some(name) = sample.twice() {
            bail!("{}: line 1: column {name:?} is there twice", sample.name);
        }
        let width = file.names.len();
        while let Some(record) = file.next()? {
            let Record { line, cells } = record;
            if cells.len() != width {
                bail!(
                    "{}: line {line}: it has {} cells; expected {width}",
                    sample.name,
                    cells.len()
                );
            }
            let cells: Vec<String> = used
                .iter()
                .map(|i| String::from_utf8(cells[*i].clone()))
                .collect::<Result<_, _>>()
                .with_context(|| format!("{}: line {line}: expected UTF-8", sample.name))?;
            sample.add(line, cells);
        }
        if sample.rows == 0 {
            bail!("{} has no rows below its first line", sample.name);
        }
        Ok(sample)
    }

    fn twice(&self) -> Option<&str> {
        let names: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        (1..names.len()).find(|i| names[..*i].contains(&names[*i])).map(|i| names[i])
    }

    fn add(&mut self, line: u64, cells: Vec<String>) {
        self.rows += 1;
        for (column, cell) in self.columns.iter_mut().zip(&cells) {
            column.add(line, cell);
        }
        if self.examples.len() < MAX_EXAMPLES {
            self.examples.push(cells);
        }
    }
}

impl Column {
    fn add(&mut self, line: u64, cell: &str) {
        self.empty += u64::from(cell.is_empty());
        // A feature of a million texts is none that a manifest can list.
        let is_new = self.texts.len() < MAX_TEXTS && !self.known.contains(cell);
        if is_new && !cell.is_empty() {
            self.known.insert(cell.to_owned());
            self.texts.push(cell.to_owned());
        }
        if is_missing_number(cell) {
            self.missing += 1;
        } else if let Some(text) = number(cell)
            && let Ok(number) = text.parse()
        {
            self.numbers.add(text, number);
        } else {
            self.booleans += u64::from(boolean(cell).is_some());
            self.no_number.get_or_insert_with(|| (cell.to_owned(), line));
        }
    }
}

impl Numbers {
    fn add(&mut self, text: &str, number: f64) {
        let is_integer = number.fract() == 0.0 && number.abs() < MAX_INTEGER;
        let decimals = match text.split_once('.') {
            _ if text.contains(['e', 'E']) => None,
            Some((_, fraction)) => Some(fraction.trim_end_matches('0').len()),
            None => Some(0),
        };
        if self.count == 0 {
            let (minimum, maximum, count) = (number, number, 1);
            *self = Numbers { count, minimum, maximum, are_integers: is_integer, decimals };
            return;
        }
        self.count += 1;
        self.minimum = self.minimum.min(number);
        self.maximum = self.maximum.max(number);
        self.are_integers &= is_integer;
        self.decimals = self.decimals.zip(decimals).map(|(a, b)| a.max(b));
    }
}

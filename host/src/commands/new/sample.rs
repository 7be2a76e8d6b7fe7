//! What the rows of a CSV file say of its columns.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::commands::new::literal;
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

/// What a column has, or an element of one that has vectors.
#[derive(Default)]
pub(super) struct Column {
    pub(super) name: String,
    /// Which element of which vector it has.
    pub(super) element: Option<Element>,
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

/// An element of a vector.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) vector: String,
    pub(super) index: usize,
    pub(super) length: usize,
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
        let used = in_order(&file.names, used);
        let mut sample = Sample { name, rows: 0, columns: Vec::new(), examples: Vec::new() };
        // How many elements the vectors of each column have, as its first cell says.
        let mut lengths: Vec<Option<usize>> = Vec::new();
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
                .map(|(i, _)| String::from_utf8(cells[*i].clone()))
                .collect::<Result<_, _>>()
                .with_context(|| format!("{}: line {line}: expected UTF-8", sample.name))?;
            if sample.rows == 0 {
                lengths = cells.iter().map(|cell| vector(cell).map(|it| it.len())).collect();
                sample.name_columns(&file.names, &used, &lengths)?;
            }
            let mut elements = Vec::with_capacity(sample.columns.len());
            for (((i, _), length), cell) in used.iter().zip(&lengths).zip(cells) {
                match *length {
                    None => elements.push(cell),
                    Some(length) => {
                        elements.extend(elements_of(&cell, length).with_context(|| {
                            let (sample, column) = (&sample.name, &file.names[*i]);
                            format!(
                                "{sample}: line {line}: {column}: expected an array of {length} \
                             numbers, as above it, got {}",
                                literal::remark(&cell)
                            )
                        })?)
                    }
                }
            }
            sample.add(line, elements);
        }
        if sample.rows == 0 {
            bail!("{} has no rows below its first line", sample.name);
        }
        Ok(sample)
    }

    /// Adds the columns, those of vectors as their elements.
    fn name_columns(
        &mut self,
        names: &[String],
        used: &[(usize, Option<Element>)],
        lengths: &[Option<usize>],
    ) -> Result<()> {
        for ((i, element), length) in used.iter().zip(lengths) {
            let name = &names[*i];
            match *length {
                None => {
                    let (name, element) = (name.clone(), element.clone());
                    self.columns.push(Column { name, element, ..Column::default() });
                }
                Some(length) => self.columns.extend((0..length).map(|index| Column {
                    name: format!("{name}[{index}]"),
                    element: Some(Element { vector: name.clone(), index, length }),
                    ..Column::default()
                })),
            }
        }
        let mut known = BTreeSet::new();
        match self.columns.iter().find(|column| !known.insert(column.name.as_str())) {
            None => Ok(()),
            Some(Column { name, .. }) => {
                bail!("{}: line 1: column {name:?} is there twice", self.name)
            }
        }
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

/// Columns with the elements that their names say that they have: of a vector `x` those called `x[0]`,
/// `x[1]` and so on, if all are there. They are put side by side.
fn in_order(names: &[String], used: Vec<usize>) -> Vec<(usize, Option<Element>)> {
    let parts = |name: &str| -> Option<(String, usize)> {
        let (vector, index) = name.strip_suffix(']')?.rsplit_once('[')?;
        let number: usize = index.parse().ok()?;
        (number.to_string() == index).then(|| (vector.to_owned(), number))
    };
    let mut vectors: BTreeMap<String, BTreeMap<usize, usize>> = BTreeMap::new();
    for i in &used {
        if let Some((vector, index)) = parts(&names[*i]) {
            vectors.entry(vector).or_default().insert(index, *i);
        }
    }
    vectors
        .retain(|_, elements| elements.len() > 1 && elements.keys().copied().eq(0..elements.len()));
    let mut ordered = Vec::with_capacity(used.len());
    for i in used {
        let vector = parts(&names[i]).filter(|(vector, _)| vectors.contains_key(vector));
        match vector.and_then(|(vector, _)| vectors.remove_entry(&vector)) {
            Some((vector, elements)) => {
                let length = elements.len();
                ordered.extend(elements.into_iter().map(|(index, i)| {
                    (i, Some(Element { vector: vector.clone(), index, length }))
                }));
            }
            None if ordered.iter().any(|(known, _)| *known == i) => {}
            None => ordered.push((i, None)),
        }
    }
    ordered
}

/// The elements of a cell that is an array of numbers, as they are written.
fn vector(cell: &str) -> Option<Vec<String>> {
    let elements: Vec<Option<serde_json::Number>> = serde_json::from_str(cell.trim()).ok()?;
    let elements = Some(elements).filter(|elements| !elements.is_empty())?;
    Some(elements.into_iter().map(|it| it.map_or_else(String::new, |it| it.to_string())).collect())
}

/// The elements of a cell of so many; where it is missing, so are they.
fn elements_of(cell: &str, length: usize) -> Option<Vec<String>> {
    if is_missing_number(cell) {
        return Some(vec![String::new(); length]);
    }
    vector(cell).filter(|elements| elements.len() == length)
}

impl Column {
    /// What all elements of a vector have. Where one is missing, it is counted as if the others were
    /// there.
    pub(super) fn of_elements(vector: &str, elements: &[&Column]) -> Column {
        let most = |count: fn(&Column) -> u64| elements.iter().map(|it| count(it)).max();
        Column {
            name: vector.to_owned(),
            missing: most(|it| it.missing).unwrap_or_default(),
            numbers: Numbers::of_all(elements.iter().map(|it| &it.numbers)),
            no_number: elements.iter().find_map(|it| it.no_number.clone()),
            ..Column::default()
        }
    }

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
    fn of_all<'n>(columns: impl Iterator<Item = &'n Numbers>) -> Numbers {
        let all = columns.filter(|it| it.count > 0).cloned();
        let all = all.reduce(|a, b| Numbers {
            count: a.count + b.count,
            minimum: a.minimum.min(b.minimum),
            maximum: a.maximum.max(b.maximum),
            are_integers: a.are_integers && b.are_integers,
            decimals: a.decimals.zip(b.decimals).map(|(a, b)| a.max(b)),
        });
        all.unwrap_or_default()
    }

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

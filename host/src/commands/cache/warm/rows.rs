//! Rows of a CSV file as requests.

use std::fs::File;
use std::io::{Read, stdin};
use std::path::Path;

use anyhow::{Context, Result, bail};
use csv::{ByteRecord, Reader, ReaderBuilder};
use foretold_core::model::feature::{Domain, Feature};

/// A row of the file.
#[derive(Debug, PartialEq)]
pub(super) struct Row {
    /// The line on which it begins, from 1.
    pub(super) line: u64,
    /// The JSON object, or why there is none.
    pub(super) request: Result<String, String>,
}

/// The rows of a file, one after the other.
pub(super) struct Rows<'a> {
    reader: Reader<Box<dyn Read>>,
    /// The feature that each column is for.
    columns: Vec<&'a Feature>,
    name: String,
}

impl<'a> Rows<'a> {
    /// Opens a file, or standard input for `-`, and reads the first line.
    pub(super) fn open(path: &Path, features: &'a [Feature]) -> Result<Rows<'a>> {
        if path == Path::new("-") {
            return Rows::new("standard input".to_owned(), Box::new(stdin()), features);
        }
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
        Rows::new(name, Box::new(file), features)
    }

    fn new(name: String, input: Box<dyn Read>, features: &'a [Feature]) -> Result<Rows<'a>> {
        // So that every row ends with a line feed, and its line can be told.
        let input: Box<dyn Read> = Box::new(input.chain(&b"\n"[..]));
        let mut reader = ReaderBuilder::new()
            // A row of another length is refused by itself, not with the whole file.
            .flexible(true)
            // With CRLF the reader counts lines wrongly.
            .terminator(csv::Terminator::Any(b'\n'))
            .from_reader(input);
        let header = reader.byte_headers().with_context(|| format!("cannot read {name}"))?;
        let columns = columns(header, features).with_context(|| format!("{name}: line 1"))?;
        Ok(Rows { reader, columns, name })
    }

    /// The next rows, at most so many; none at the end.
    pub(super) fn take(&mut self, count: usize) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        let mut record = ByteRecord::new();
        while rows.len() < count {
            let more = self.reader.read_byte_record(&mut record);
            if !more.with_context(|| format!("cannot read {}", self.name))? {
                break;
            }
            let cells = cells(&record);
            // An empty line, as spreadsheets end files with.
            if record.len() == 1 && &record[0] == b"\r" {
                continue;
            }
            let line = self.first_line(&record);
            rows.push(Row { line, request: request(&self.columns, &cells) });
        }
        Ok(rows)
    }

    /// The line on which the record begins that was just read. The record's own position is where
    /// the one before ended, with empty lines in between.
    fn first_line(&self, record: &ByteRecord) -> u64 {
        let breaks = record.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
        self.reader.position().line().saturating_sub(breaks + 1)
    }
}

/// The cells of a record that ends with a line feed, after a carriage return or not.
fn cells(record: &ByteRecord) -> Vec<&[u8]> {
    let mut cells: Vec<&[u8]> = record.iter().collect();
    if let Some(last) = cells.last_mut() {
        *last = last.strip_suffix(b"\r").unwrap_or(last);
    }
    cells
}

/// The feature that each column is for.
fn columns<'a>(header: &ByteRecord, features: &'a [Feature]) -> Result<Vec<&'a Feature>> {
    let names: Vec<&str> = features.iter().map(|feature| feature.name.as_str()).collect();
    let names = names.join(", ");
    let mut columns: Vec<&Feature> = Vec::new();
    for (i, name) in cells(header).into_iter().enumerate() {
        // What spreadsheets put in front of UTF-8.
        let name = if i == 0 { name.strip_prefix(b"\xef\xbb\xbf").unwrap_or(name) } else { name };
        let name = String::from_utf8_lossy(name);
        let Some(feature) = features.iter().find(|feature| feature.name == name) else {
            bail!("column {name:?} is not a feature of the model; expected {names}");
        };
        if columns.iter().any(|column| column.name == feature.name) {
            bail!("column {name:?} is there twice");
        }
        columns.push(feature);
    }
    let missing =
        features.iter().find(|feature| columns.iter().all(|column| column.name != feature.name));
    match missing {
        Some(feature) => bail!("column {:?} is missing; expected {names}", feature.name),
        None => Ok(columns),
    }
}

fn request(columns: &[&Feature], cells: &[&[u8]]) -> Result<String, String> {
    if cells.len() != columns.len() {
        return Err(format!("it has {} cells; expected {}", cells.len(), columns.len()));
    }
    let mut members = Vec::with_capacity(columns.len());
    for (feature, cell) in columns.iter().zip(cells) {
        let cell =
            std::str::from_utf8(cell).map_err(|_| format!("{}: expected UTF-8", feature.name))?;
        let name = serde_json::Value::from(feature.name.as_str());
        members.push(format!("{name}:{}", value(&feature.domain, cell)));
    }
    Ok(format!("{{{}}}", members.join(",")))
}

/// A cell as JSON. What is not of the feature's type becomes a string, which the component refuses
/// with a message that names what it expects.
fn value(domain: &Domain, cell: &str) -> String {
    let text = || serde_json::Value::from(cell).to_string();
    match domain {
        _ if cell.is_empty() => "null".to_owned(),
        Domain::Category { .. } => text(),
        Domain::Boolean => match cell.to_ascii_lowercase().as_str() {
            boolean @ ("true" | "false") => boolean.to_owned(),
            _ => text(),
        },
        Domain::Number { .. } | Domain::Integer { .. } => {
            let number = cell.trim();
            match serde_json::from_str::<serde_json::Number>(number) {
                Ok(_) => number.to_owned(),
                Err(_) => text(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use foretold_core::model::feature::Value;

    use super::*;

    fn feature(name: &str, domain: Domain) -> Feature {
        Feature {
            name: name.to_owned(),
            place: None,
            domain,
            optional: false,
            unknown: vec![],
            unit: None,
            description: String::new(),
            example: Value::Missing,
        }
    }

    fn features() -> Vec<Feature> {
        vec![
            feature("age", Domain::Integer { minimum: 0, maximum: 99 }),
            feature("job", Domain::Category { categories: vec![] }),
            feature("new", Domain::Boolean),
        ]
    }

    fn read(csv: &'static [u8]) -> Result<Vec<Row>> {
        let features = features();
        let rows = Rows::new("test.csv".to_owned(), Box::new(csv), &features);
        rows.and_then(|mut rows| rows.take(100))
    }

    #[test]
    fn cells_become_members_by_the_features_type() {
        for (line, expected) in [
            ("a,30,True", r#"{"job":"a","age":30,"new":true}"#),
            (" 1, 30.0 ,false", r#"{"job":" 1","age":30.0,"new":false}"#),
            (",,", r#"{"job":null,"age":null,"new":null}"#),
            ("\"a,\"\"b\nc\",x,yes", r#"{"job":"a,\"b\nc","age":"x","new":"yes"}"#),
            ("a,NaN,1", r#"{"job":"a","age":"NaN","new":"1"}"#),
        ] {
            let csv = format!("\u{feff}job,age,new\r\n{line}\r\n").into_bytes();
            let rows = read(csv.leak()).unwrap();
            assert_eq!(rows, [Row { line: 2, request: Ok(expected.to_owned()) }]);
        }
    }

    #[test]
    fn a_row_has_the_number_of_the_line_on_which_it_begins() {
        for end in ["\n", "\r\n"] {
            let lines =
                ["age,job,new", "1,a,true", "", "2,\"x", "y\",true", "3,a,\"true\"", "4,a,true"];
            for csv in [lines.join(end), lines.join(end) + end, lines.join(end) + end + end] {
                let rows = read(csv.clone().into_bytes().leak()).unwrap();
                let lines: Vec<u64> = rows.iter().map(|row| row.line).collect();
                assert_eq!(lines, [2, 4, 6, 7], "{csv:?}");
                let last = rows[3].request.as_deref();
                assert_eq!(last, Ok(r#"{"age":4,"job":"a","new":true}"#), "{csv:?}");
                assert!(rows[2].request.as_ref().unwrap().ends_with(r#""new":true}"#), "{csv:?}");
            }
        }
    }

    #[test]
    fn a_row_that_cannot_be_read_does_not_take_others_with_it() {
        let rows = read(b"age,job,new\n1,a\n2,\xff,true\n\"3\",\"x\ny\",true\n4,a,true\n").unwrap();
        let lines: Vec<(u64, bool)> =
            rows.iter().map(|row| (row.line, row.request.is_ok())).collect();
        assert_eq!(lines, [(2, false), (3, false), (4, true), (6, true)]);
        assert_eq!(rows[0].request, Err("it has 2 cells; expected 3".to_owned()));
        assert_eq!(rows[1].request, Err("job: expected UTF-8".to_owned()));
    }

    #[test]
    fn a_wrong_column_is_named_with_the_right_ones() {
        for (csv, expected) in [
            (
                &b"age,jop,new\n"[..],
                "column \"jop\" is not a feature of the model; expected age, job, new",
            ),
            (b"age,new\n", "column \"job\" is missing; expected age, job, new"),
            (b"age,job,age,new\n", "column \"age\" is there twice"),
            (b"", "column \"age\" is missing; expected age, job, new"),
        ] {
            let error = format!("{:#}", read(csv).unwrap_err());
            assert_eq!(error, format!("test.csv: line 1: {expected}"));
        }
    }
}

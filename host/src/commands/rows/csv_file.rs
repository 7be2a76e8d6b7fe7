//! A CSV file: a line of names, and records.
//!
//! What stands between the cells is a comma, a semicolon or a tab. The line of names tells: one without
//! a comma that has tabs or semicolons is separated by these.

use std::io::{BufRead, BufReader, Cursor, Read};

use anyhow::{Context, Result};
use csv::{ByteRecord, Reader, ReaderBuilder};

/// The records of a CSV file, one after the other.
pub(crate) struct CsvFile {
    reader: Reader<Box<dyn Read>>,
    record: ByteRecord,
    /// What the first line has.
    pub(crate) names: Vec<String>,
    /// What stands between cells.
    pub(crate) separator: u8,
    name: String,
}

/// A record.
pub(crate) struct Record {
    /// The line on which it begins, from 1.
    pub(crate) line: u64,
    /// What stands between the separators.
    pub(crate) cells: Vec<Vec<u8>>,
}

impl CsvFile {
    /// Reads the first line. `name` is the file's, for messages.
    pub(crate) fn new(name: String, input: Box<dyn Read>) -> Result<CsvFile> {
        let mut input = BufReader::new(input);
        let mut start = Vec::new();
        // Until a line that is not empty.
        while start.trim_ascii().is_empty() {
            let read = input.read_until(b'\n', &mut start);
            if read.with_context(|| format!("cannot read {name}"))? == 0 {
                break;
            }
        }
        let separator = separator(&start);
        // So that every row ends with a line feed, and its line can be told.
        let input: Box<dyn Read> = Box::new(Cursor::new(start).chain(input).chain(&b"\n"[..]));
        let mut reader = ReaderBuilder::new()
            .delimiter(separator)
            // A row of another length is refused by itself, not with the whole file.
            .flexible(true)
            // With CRLF the reader counts lines wrongly.
            .terminator(csv::Terminator::Any(b'\n'))
            .from_reader(input);
        let header = reader.byte_headers().with_context(|| format!("cannot read {name}"))?;
        let names = cells(header).into_iter();
        let names = names.map(|cell| String::from_utf8_lossy(&cell).into_owned()).collect();
        Ok(CsvFile { reader, record: ByteRecord::new(), names, separator, name })
    }

    /// The next record; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Record>> {
        loop {
            let more = self.reader.read_byte_record(&mut self.record);
            if !more.with_context(|| format!("cannot read {}", self.name))? {
                return Ok(None);
            }
            // An empty line, as spreadsheets end files with.
            if self.record.len() == 1 && &self.record[0] == b"\r" {
                continue;
            }
            return Ok(Some(Record { line: self.first_line(), cells: cells(&self.record) }));
        }
    }

    /// The line on which the record begins that was just read. The record's own position is where
    /// the one before ended, with empty lines in between.
    fn first_line(&self) -> u64 {
        let breaks = self.record.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
        self.reader.position().line().saturating_sub(breaks + 1)
    }
}

/// What stands between the names of a line.
fn separator(line: &[u8]) -> u8 {
    let separators = [b',', b'\t', b';'].into_iter();
    let mut found = separators.filter(|separator| line.contains(separator));
    found.next().unwrap_or(b',')
}

/// The cells of a record that ends with a line feed, after a carriage return or not.
fn cells(record: &ByteRecord) -> Vec<Vec<u8>> {
    let mut cells: Vec<Vec<u8>> = record.iter().map(<[u8]>::to_vec).collect();
    if let Some(last) = cells.last_mut()
        && last.ends_with(b"\r")
    {
        last.pop();
    }
    cells
}

//! A file of JSON Lines: an object on each line.

use std::fmt;
use std::io::{BufRead, BufReader, Read};

use anyhow::{Context, Result};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The lines of a file, one after the other.
pub(crate) struct JsonLines {
    reader: BufReader<Box<dyn Read>>,
    line: u64,
    name: String,
}

/// The members of an object in their order, the values as JSON.
pub(crate) struct Members(pub(crate) Vec<(String, String)>);

impl JsonLines {
    /// `name` is the file's, for messages.
    pub(crate) fn new(name: String, input: Box<dyn Read>) -> JsonLines {
        JsonLines { reader: BufReader::new(input), line: 0, name }
    }

    /// The number of the next line that is not empty, and its members or why it has none; none at
    /// the end.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Result<Members, String>)>> {
        loop {
            let mut line = Vec::new();
            let read = self.reader.read_until(b'\n', &mut line);
            if read.with_context(|| format!("cannot read {}", self.name))? == 0 {
                return Ok(None);
            }
            self.line += 1;
            let line = match std::str::from_utf8(&line) {
                Ok(line) if line.trim().is_empty() => continue,
                Ok(line) => members(line.trim()),
                Err(_) => Err("expected UTF-8".to_owned()),
            };
            return Ok(Some((self.line, line)));
        }
    }
}

/// The members of a JSON object.
pub(crate) fn members(json: &str) -> Result<Members, String> {
    serde_json::from_str(json).map_err(|error| format!("expected a JSON object: {error}"))
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Members, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            let value: &RawValue = map.next_value()?;
            members.push((name, value.get().to_owned()));
        }
        Ok(Members(members))
    }
}

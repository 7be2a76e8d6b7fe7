//! The bytes of a file of rows, and what kind of file it is.

use std::fs::File;
use std::io::{Cursor, Read, stdin};
use std::path::Path;

use anyhow::{Context, Result, bail};

const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// A file, or standard input.
pub(crate) struct Input {
    /// For messages.
    pub(crate) name: String,
    /// What it has, without a byte order mark.
    pub(crate) bytes: Box<dyn Read>,
    /// Whether it begins as JSON does.
    pub(crate) is_json: bool,
}

impl Input {
    /// Opens a file, or standard input for `-`, and looks at its beginning.
    ///
    /// # Errors
    /// If it cannot be read, is empty, or is in another encoding than UTF-8.
    pub(crate) fn open(path: &Path) -> Result<Input> {
        if path == Path::new("-") {
            return Input::new("standard input".to_owned(), Box::new(stdin()));
        }
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| format!("cannot read {name}"))?;
        Input::new(name, Box::new(file))
    }

    /// The same of what is open.
    pub(crate) fn new(name: String, mut bytes: Box<dyn Read>) -> Result<Input> {
        let mut start = Vec::new();
        // What spreadsheets put in front of UTF-8.
        let content = |start: &[u8]| start.strip_prefix(UTF8_MARK).unwrap_or(start).to_vec();
        while start.len() < UTF8_MARK.len() || content(&start).trim_ascii_start().is_empty() {
            let mut byte = [0];
            match bytes.read(&mut byte) {
                Ok(0) => break,
                Ok(_) => start.push(byte[0]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error).with_context(|| format!("cannot read {name}")),
            }
        }
        if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") {
            bail!("{name} is UTF-16; save it as UTF-8");
        }
        let start = content(&start);
        let Some(first) = start.trim_ascii_start().first() else {
            bail!("{name} is empty; expected a line with the names of columns, or JSON objects");
        };
        let is_json = *first == b'{';
        Ok(Input { name, bytes: Box::new(Cursor::new(start).chain(bytes)), is_json })
    }
}

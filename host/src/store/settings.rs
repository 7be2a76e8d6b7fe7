//! What an operator says of a store beside its URL.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::store::redis::layout::Layout;

/// What stands beside the URL.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// Bound on the memory that entries of the memory store take.
    pub max_bytes: u64,
    /// Time that a command to Redis may take.
    pub timeout: Duration,
    /// How entries lie in Redis, where the URL does not say it.
    pub layout: Option<Layout>,
    /// The password for Redis, instead of one in the URL.
    pub password: Option<Password>,
}

/// Where a password is. It is read for every connection, so that one that was changed is found.
#[derive(Clone)]
pub enum Password {
    /// Here.
    Given(String),
    /// In a file, which may end with a line break.
    File(PathBuf),
}

impl Password {
    /// The password as it is now.
    ///
    /// # Errors
    /// If the file cannot be read, or is empty; the message names it.
    pub fn read(&self) -> Result<String, String> {
        let path = match self {
            Password::Given(password) => return Ok(password.clone()),
            Password::File(path) => path,
        };
        let place = path.display();
        let text = std::fs::read(path).map_err(|error| format!("{place}: {error}"))?;
        password_in(text, path)
    }

    /// The one that was read from a file: it is read again for each connection where it can be,
    /// which a pipe cannot.
    ///
    /// # Errors
    /// If it is empty; the message names the file.
    pub(crate) fn from_file(path: &Path, text: Vec<u8>) -> Result<Password, String> {
        let password = password_in(text, path)?;
        Ok(match path.is_file() {
            true => Password::File(path.to_owned()),
            false => Password::Given(password),
        })
    }
}

fn password_in(text: Vec<u8>, path: &Path) -> Result<String, String> {
    let place = path.display();
    let text = String::from_utf8(text).map_err(|_| format!("{place}: expected UTF-8"))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(format!("{place}: expected a password, it is empty")),
        password => Ok(password.to_owned()),
    }
}

/// Where it is, and never what it is.
impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Password::Given(_) => f.write_str("<hidden>"),
            Password::File(path) => write!(f, "in {}", path.display()),
        }
    }
}

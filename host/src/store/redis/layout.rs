//! The layouts that an operator may choose.

pub(super) mod hash;
pub(super) mod packed;
pub(super) mod place;

use std::fmt;
use std::str::FromStr;

/// How entries lie in Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One key per entry, with the server's own expiry.
    String,
    /// One hash per model, with expiry by field.
    Hash,
    /// Many small hashes, each for a window of time: the least memory.
    Packed,
}

impl Layout {
    /// All of them.
    pub const ALL: [Layout; 3] = [Layout::String, Layout::Hash, Layout::Packed];

    /// As it stands in the URL.
    pub fn name(self) -> &'static str {
        match self {
            Layout::String => "string",
            Layout::Hash => "hash",
            Layout::Packed => "packed",
        }
    }
}

impl FromStr for Layout {
    type Err = String;

    fn from_str(text: &str) -> Result<Layout, String> {
        let layout = Layout::ALL.into_iter().find(|layout| layout.name() == text);
        layout.ok_or_else(|| format!("layout {text:?}: expected string, hash or packed"))
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

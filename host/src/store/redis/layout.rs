//! The layouts that an operator may choose. Each is a file of its own, and named here.

pub(super) mod arrangement;
pub(super) mod commands;
mod hash;
mod packed;
pub(super) mod place;
mod string;

use std::fmt;
use std::str::FromStr;

use self::arrangement::Kind;

/// How entries lie in Redis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// One key per entry, with the server's own expiry.
    #[default]
    String,
    /// One hash per model, with expiry by field.
    Hash,
    /// Many small hashes, each for a window of time: the least memory.
    Packed,
}

impl Layout {
    /// All of them.
    pub const ALL: [Layout; 3] = [Layout::String, Layout::Hash, Layout::Packed];

    pub(super) fn kind(self) -> &'static Kind {
        match self {
            Layout::String => &string::KIND,
            Layout::Hash => &hash::KIND,
            Layout::Packed => &packed::KIND,
        }
    }

    /// As it stands in the URL.
    pub fn name(self) -> &'static str {
        self.kind().name
    }
}

impl FromStr for Layout {
    type Err = String;

    fn from_str(text: &str) -> Result<Layout, String> {
        let layout = Layout::ALL.into_iter().find(|layout| layout.name() == text);
        layout.ok_or_else(|| {
            let [names @ .., last] = Layout::ALL.map(Layout::name);
            format!("layout {text:?}: expected {} or {last}", names.join(", "))
        })
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

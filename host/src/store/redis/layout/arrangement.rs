//! What a layout has to say; each does so in a file of its own.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use redis::{Pipeline, RedisResult, Value};

use crate::store::redis::layout::place::{NameContext, Place};

/// What is known of a layout before there is a connection.
pub(crate) struct Kind {
    /// As it stands in the URL.
    pub(crate) name: &'static str,
    /// Whether a sweep has to run beside it, for servers that do not free its entries.
    pub(crate) is_swept: bool,
    /// Adds the commands that ask the server what the layout depends on; names of ours begin with
    /// a prefix.
    pub(crate) ask: fn(&mut Pipeline, &str),
    /// Reads the replies to them. An error says what the server lacks, and what to do; what the
    /// server itself says is in it as `describe` gives it.
    pub(crate) arrange: fn(&Server<'_>, Vec<RedisResult<Value>>) -> Arranged,
}

/// A layout in a server.
pub(crate) type Arranged = Result<Box<dyn Arrangement>, String>;

/// What the operator says of a server.
pub(crate) struct Server<'a> {
    /// For the log.
    pub(crate) name: &'a dyn std::fmt::Display,
    /// Entries per time to live.
    pub(crate) capacity: u64,
}

/// How entries lie in one server.
pub(crate) trait Arrangement: Send + Sync {
    /// Where an entry is written, from the rest of its key.
    fn place(&self, stem: &str, rest: &str, context: &NameContext<'_>) -> Place;

    /// Where an entry may be that was written a while ago, besides its present place.
    fn older_place(&self, _stem: &str, _rest: &str, _context: &NameContext<'_>) -> Option<Place> {
        None
    }

    /// Adds the commands that write fields of one hash. Never called where places have no fields.
    fn write_fields(
        &self,
        _pipeline: &mut Pipeline,
        _name: &str,
        _fields: &[(Vec<u8>, Bytes)],
        _context: &NameContext<'_>,
    ) {
    }

    /// The entry that a field holds, unless it has expired; an empty one where something else
    /// wrote it.
    fn read_field(&self, stored: Bytes, _now: Duration) -> Option<Bytes> {
        Some(stored)
    }

    /// What is under its names.
    fn data_type(&self) -> DataType {
        DataType::Hash
    }

    /// Whether a name is one of this layout, by what follows its stem.
    fn owns(&self, name_rest: &str) -> bool;

    /// The entry in a field, for a tool; `None` where it has expired or something else wrote it.
    fn list_field(
        &self,
        _name_rest: &str,
        _field: &[u8],
        _stored: Bytes,
        _now: Duration,
    ) -> Option<ListedEntry> {
        None
    }

    /// Where all that was ever written under some keys of a model may lie.
    fn locate<'a>(&self, stem: &str, rests: &'a [&'a str]) -> Located<'a>;

    /// The hashes that the sweep has to look at, where the server does not free their fields.
    fn swept_hashes(&self) -> Option<&Hashes> {
        None
    }
}

/// A type of Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DataType {
    String,
    Hash,
}

impl DataType {
    /// As SCAN takes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            DataType::String => "string",
            DataType::Hash => "hash",
        }
    }
}

/// An entry as it was found in a field.
pub(crate) struct ListedEntry {
    /// Of its key.
    pub(crate) rest: String,
    pub(crate) value: Bytes,
    /// `None` where it goes with the hash as a whole.
    pub(crate) time_left: Option<Duration>,
}

/// Where entries may lie.
pub(crate) enum Located<'a> {
    At(Vec<Place>),
    /// In any of the model's hashes.
    Within(FieldsOf<'a>),
}

/// Gives the fields that may lie in a hash, by what follows the stem in its name.
pub(crate) type FieldsOf<'a> = Box<dyn FnMut(&str) -> Vec<Vec<u8>> + Send + 'a>;

/// Names of hashes that are in use.
#[derive(Default)]
pub(crate) struct Hashes(Mutex<BTreeSet<String>>);

impl Hashes {
    pub(crate) fn note(&self, name: &str) {
        let mut names = self.0.lock().expect("nobody panics while holding it");
        if !names.contains(name) {
            names.insert(name.to_owned());
        }
    }

    pub(crate) fn forget(&self, name: &str) {
        self.0.lock().expect("nobody panics while holding it").remove(name);
    }

    pub(crate) fn all(&self) -> BTreeSet<String> {
        self.0.lock().expect("nobody panics while holding it").clone()
    }
}

//! Where an entry lies, and what that depends on.

use std::time::Duration;

use crate::store::clock::SteadyClock;
use crate::store::redis::connection::generations::View;
use crate::store::redis::name;

/// What names of entries depend on besides the key.
pub(crate) struct NameContext<'a> {
    /// In front of every name.
    pub(crate) prefix: &'a str,
    pub(crate) generation: &'a View,
    /// The server's time.
    pub(crate) clock: SteadyClock,
    pub(crate) time_to_live: Duration,
}

/// Where an entry lies.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) name: String,
    /// In which field, unless the entry is a string of its own.
    pub(crate) field: Option<Vec<u8>>,
}

impl NameContext<'_> {
    pub(crate) fn now(&self) -> Duration {
        self.clock.now()
    }

    /// What the server is to keep an entry for.
    pub(crate) fn expire_seconds(&self) -> u64 {
        self.time_to_live.as_secs().max(1)
    }

    /// What the names of a model's entries begin with.
    pub(crate) fn stem(&self, model: &str) -> String {
        name::stem(self.prefix, model, self.generation.tag(model))
    }
}

//! How keys are made of requests.

use std::fmt;
use std::str::FromStr;

use crate::model::answer::Precision;
use crate::settings::error::SettingsError;

/// How keys are made of requests. Hosts with different ones share no entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyFormat {
    /// The packed row, or its digest where that is longer than 16 bytes.
    #[default]
    Packed,
    /// A digest of the packed row. Where the operator gives a secret, it is made with that, and
    /// nobody else can tell which row has which digest.
    Digest,
    /// The row as JSON, for people who look into the store.
    Readable,
    /// What a Python service makes of the request with `repr`.
    Repr,
}

impl KeyFormat {
    /// All there are.
    pub const ALL: [KeyFormat; 4] =
        [KeyFormat::Packed, KeyFormat::Digest, KeyFormat::Readable, KeyFormat::Repr];

    /// Its name, which `Display` writes and `FromStr` reads.
    pub fn name(self) -> &'static str {
        match self {
            KeyFormat::Packed => "packed",
            KeyFormat::Digest => "digest",
            KeyFormat::Readable => "readable",
            KeyFormat::Repr => "repr",
        }
    }

    /// What outputs are compared in: where entries are shared with a Python service, as it does.
    pub fn precision(self) -> Precision {
        if self == KeyFormat::Repr { Precision::Double } else { Precision::Single }
    }
}

impl fmt::Display for KeyFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for KeyFormat {
    type Err = SettingsError;

    fn from_str(name: &str) -> Result<KeyFormat, SettingsError> {
        let found = KeyFormat::ALL.into_iter().find(|format| format.name() == name);
        found.ok_or_else(|| SettingsError::UnknownKeyFormat { found: name.to_owned() })
    }
}

//! What is wrong with settings.

use std::fmt;

use crate::model::manifest::MAX_TTL_SECONDS;

/// What is wrong with settings. It never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingsError {
    /// There is no format of keys with this name.
    UnknownKeyFormat {
        /// What was found.
        found: String,
    },
    /// A secret for digests, where keys are not digests.
    KeySecretUnused {
        /// Name of the format of keys.
        format: &'static str,
    },
    /// A secret that could be guessed.
    ShortSecret {
        /// Which one.
        name: &'static str,
        /// How many bytes it has.
        bytes: usize,
        /// How many it needs.
        least: usize,
    },
    /// There is no permission of clients with this name.
    UnknownPermission {
        /// What was found.
        found: String,
    },
    /// An origin of web pages that is none.
    Origin {
        /// What was found.
        found: String,
    },
    /// A time to live for something else than a path.
    TtlPath {
        /// What was found.
        found: String,
    },
    /// A time to live that is not a number of seconds, or too long.
    TtlSeconds {
        /// What was found.
        found: String,
        /// What should have been the seconds.
        seconds: String,
    },
    /// Two times to live for the same.
    TtlTwice {
        /// Path of the endpoint; `None` where both are for all.
        path: Option<String>,
    },
    /// A time to live for an endpoint that the manifest does not have.
    UnknownEndpoint {
        /// The path that was found.
        path: String,
        /// The paths that the manifest has.
        endpoints: Vec<String>,
    },
    /// Keys of the format repr, and a MAC.
    ReprWithMac,
    /// Keys of the format repr, and an endpoint without a Python class.
    ReprWithoutClass {
        /// Path of the endpoint.
        path: String,
    },
    /// A variable that the host could not read.
    Unreadable {
        /// Why, as the host says.
        reason: String,
    },
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use SettingsError as E;
        match self {
            E::UnknownKeyFormat { found } => {
                write!(f, "{found:?} is not one of packed, digest, readable, repr")
            }
            E::KeySecretUnused { format } => {
                write!(f, "a key secret needs keys of the kind digest, not {format}")
            }
            E::ShortSecret { name, bytes, least } => {
                write!(f, "{name} has {bytes} bytes; expected at least {least}")
            }
            E::UnknownPermission { found } => write!(
                f,
                "{found:?} is not a permission; expected all, none, or some of \
                 no-cache, no-store, max-age, only-if-cached, cache-status, query"
            ),
            E::Origin { found } => write!(
                f,
                "{found:?} is not an origin; expected some like https://example.com, without a path \
                 or a slash at the end, or *"
            ),
            E::TtlPath { found } => write!(
                f,
                "{found:?} is not a time to live; expected the path of an endpoint before `=`, like \
                 /decisions=60"
            ),
            E::TtlSeconds { found, seconds } => write!(
                f,
                "{found:?} is not a time to live; expected whole seconds from 1 to \
                 {MAX_TTL_SECONDS}, not {seconds:?}"
            ),
            E::TtlTwice { path } => {
                write!(f, "given twice for {}", path.as_deref().unwrap_or("all endpoints"))
            }
            E::UnknownEndpoint { path, endpoints } => {
                write!(f, "time to live of {path}: the endpoints are {}", endpoints.join(", "))
            }
            E::ReprWithMac => f.write_str(
                "keys of the kind repr exclude a MAC: a Python service would not understand the \
                 values",
            ),
            E::ReprWithoutClass { path } => write!(
                f,
                "keys of the kind repr need `python_class` for every [[endpoint]] of the \
                 manifest; {path} has none"
            ),
            E::Unreadable { reason } => f.write_str(reason),
        }
    }
}

impl std::error::Error for SettingsError {}

/// A variable that has no legal value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariableError {
    /// Its name, one of [`Settings::VARIABLES`](crate::settings::Settings::VARIABLES).
    pub name: &'static str,
    /// What is wrong with it.
    pub error: SettingsError,
}

impl fmt::Display for VariableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.error)
    }
}

impl std::error::Error for VariableError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

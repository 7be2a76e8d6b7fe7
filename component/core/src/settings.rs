//! What an operator decides when a component starts: handed over at run time, never baked.

mod allowed;
mod error;
mod key_format;
mod secret;
mod ttl;

use crate::model::manifest::Manifest;

pub use allowed::Allowed;
pub use error::{SettingsError, VariableError};
pub use key_format::KeyFormat;
pub use secret::Secret;
pub use ttl::{Ttl, Ttls};

/// What an operator changes without baking anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Seconds that a cached prediction is served, instead of all that the manifest says.
    pub ttl_seconds: Option<u32>,
    /// The same for single endpoints, by path; it goes before all else.
    pub endpoint_ttl_seconds: Vec<(String, u32)>,
    /// How keys are made of requests.
    pub keys: KeyFormat,
    /// Secret that digests are made with, where keys are digests.
    pub key_secret: Option<Secret>,
    /// Secret under which entries are authenticated.
    pub mac: Option<Secret>,
    /// What clients may do.
    pub allowed: Allowed,
    /// The web pages of other origins that may ask: their origins, like `https://example.com`, or
    /// `*` for all.
    pub cors: Vec<String>,
}

/// Reads a list of origins of web pages, like `https://example.com,http://localhost:3000`, or `*`.
///
/// # Errors
/// If one of them is not an origin.
pub fn origins(list: &str) -> Result<Vec<String>, SettingsError> {
    let origin = |origin: &str| {
        let rest = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        let legal = |c: char| c.is_ascii_graphic() && !"/?#@\\\"".contains(c);
        let is_origin = rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(legal));
        if is_origin || origin == "*" {
            return Ok(origin.to_ascii_lowercase());
        }
        Err(SettingsError::Origin { found: origin.to_owned() })
    };
    list.split(',').map(|text| origin(text.trim())).collect()
}

impl Settings {
    /// The names that [`Settings::from_variables`] asks for.
    pub const VARIABLES: [&str; 6] =
        ["ttl_seconds", "keys", "key_secret", "mac_secret", "allow", "cors"];

    /// Reads settings from variables: for hosts that know nothing of Foretold and can but set some.
    /// `variable` gives the value of a variable, where it is set; an empty one is not.
    ///
    /// | variable | value |
    /// |---|---|
    /// | `ttl_seconds` | whole seconds, also for single endpoints: `600,/decisions=60`; see [`Ttls`] |
    /// | `keys` | `packed`, `digest`, `readable` or `repr` |
    /// | `key_secret`, `mac_secret` | at least 16 bytes |
    /// | `allow` | as [`Allowed::parse`] takes it |
    /// | `cors` | as [`origins`] takes it |
    ///
    /// # Errors
    /// With the name of the variable that has no legal value or cannot be read; never with a
    /// secret.
    pub fn from_variables(
        variable: impl Fn(&str) -> Result<Option<String>, String>,
    ) -> Result<Settings, VariableError> {
        let read = |name| match variable(name) {
            Ok(value) => Ok(value.filter(|value| !value.is_empty())),
            Err(reason) => Err(SettingsError::Unreadable { reason }),
        };
        // The name of a variable, and what is made of its value.
        macro_rules! parsed {
            ($name:literal, $parse:expr) => {
                read($name)
                    .and_then(|value| value.map($parse).transpose())
                    .map_err(|error| VariableError { name: $name, error })?
            };
        }
        let ttls = parsed!("ttl_seconds", |list: String| list.parse::<Ttls>()).unwrap_or_default();
        let key_secret =
            parsed!("key_secret", |secret: String| Secret::for_keys(secret.as_bytes()));
        let keys = parsed!("keys", |name: String| name.parse::<KeyFormat>()).unwrap_or_default();
        let mac = parsed!("mac_secret", |secret: String| Secret::for_entries(secret.as_bytes()));
        let allowed = parsed!("allow", |list: String| Allowed::parse(&list)).unwrap_or_default();
        let cors = parsed!("cors", |list: String| origins(&list)).unwrap_or_default();
        let settings = Settings {
            ttl_seconds: ttls.all,
            endpoint_ttl_seconds: ttls.endpoints,
            keys,
            key_secret,
            mac,
            allowed,
            cors,
        };
        match settings.check_key_secret() {
            Ok(()) => Ok(settings),
            Err(error) => Err(VariableError { name: "keys", error }),
        }
    }

    fn check_key_secret(&self) -> Result<(), SettingsError> {
        if self.key_secret.is_some() && self.keys != KeyFormat::Digest {
            return Err(SettingsError::KeySecretUnused { format: self.keys.name() });
        }
        Ok(())
    }

    /// Checks the settings against a manifest.
    ///
    /// # Errors
    /// If they contradict each other or it.
    pub fn check(&self, manifest: &Manifest) -> Result<(), SettingsError> {
        self.check_key_secret()?;
        for (path, _) in &self.endpoint_ttl_seconds {
            if manifest.endpoints.iter().all(|endpoint| endpoint.path != *path) {
                let endpoints = manifest.endpoints.iter().map(|e| e.path.clone()).collect();
                return Err(SettingsError::UnknownEndpoint { path: path.clone(), endpoints });
            }
        }
        if self.keys == KeyFormat::Repr {
            if self.mac.is_some() {
                return Err(SettingsError::ReprWithMac);
            }
            let without =
                manifest.endpoints.iter().find(|endpoint| endpoint.python_class.is_none());
            if let Some(endpoint) = without {
                return Err(SettingsError::ReprWithoutClass { path: endpoint.path.clone() });
            }
        }
        Ok(())
    }

    /// Seconds that an endpoint of a manifest serves a cached prediction; without an endpoint, those
    /// that the model as a whole says.
    pub fn ttl_seconds(&self, manifest: &Manifest, endpoint: Option<usize>) -> u32 {
        let endpoint = endpoint.map(|endpoint| &manifest.endpoints[endpoint]);
        let own = endpoint.and_then(|endpoint| {
            self.endpoint_ttl_seconds.iter().rfind(|(path, _)| *path == endpoint.path)
        });
        own.map(|(_, seconds)| *seconds)
            .or(self.ttl_seconds)
            .or(endpoint.and_then(|endpoint| endpoint.ttl_seconds))
            .unwrap_or(manifest.cache.ttl_seconds)
    }

    /// Seconds that an endpoint serves the prediction under a key: its time to live, shortened by
    /// the key's own part of the jitter.
    pub fn key_ttl_seconds(&self, manifest: &Manifest, endpoint: Option<usize>, key: &str) -> u32 {
        let ttl_seconds = self.ttl_seconds(manifest, endpoint);
        let percent = manifest.cache.jitter_percent;
        if percent == 0 {
            return ttl_seconds;
        }
        let span = f64::from(ttl_seconds) * f64::from(percent) / 100.0;
        let shortened = ttl_seconds - (span * fraction(&[key.as_bytes()])) as u32;
        shortened.max(1)
    }

    /// Longest that an entry may be of use, in seconds: how long a store needs to keep it.
    pub fn longest_seconds(&self, manifest: &Manifest) -> u32 {
        let endpoints = (0..manifest.endpoints.len()).map(Some);
        let longest = endpoints.map(|endpoint| self.ttl_seconds(manifest, endpoint)).max();
        longest.unwrap_or(0).saturating_add(manifest.cache.stale_if_error_seconds)
    }
}

/// A number from 0 up to, but not including, 1 that depends on nothing but some bytes:
/// for jitter and early refresh, which look random and follow from the key.
pub(crate) fn fraction(parts: &[&[u8]]) -> f64 {
    let mut hash = blake3::Hasher::new();
    for part in parts {
        hash.update(part);
    }
    let hash = hash.finalize();
    let bits = u64::from_le_bytes(*hash.as_bytes().first_chunk().expect("32 bytes"));
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

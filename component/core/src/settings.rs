//! What an operator decides when a component starts: handed over at run time, never baked.

use std::fmt;

use crate::manifest::Manifest;

/// What an operator changes without baking anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Seconds that a cached prediction is served, instead of all that the manifest says.
    pub ttl_seconds: Option<u32>,
    /// The same for single endpoints, by path; it goes before all else.
    pub endpoint_ttl_seconds: Vec<(String, u32)>,
    /// How keys are made.
    pub keys: KeyKind,
    /// Secret under which entries are authenticated.
    pub mac: Option<Secret>,
    /// What clients may do.
    pub allowed: Allowed,
}

/// How keys are made of requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KeyKind {
    /// The packed row, or its digest where that is longer than 16 bytes.
    #[default]
    Packed,
    /// A digest of the packed row.
    Digest {
        /// Secret without which nobody can tell which row has which digest.
        secret: Option<Secret>,
    },
    /// The row as JSON, for people who look into the store.
    Readable,
    /// What a Python service makes of the request with `repr`.
    Repr,
}

/// A secret, at least 16 bytes as the operator gave it; derived to 32 for each purpose.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Fewer bytes could be guessed.
    pub const MIN_BYTES: usize = 16;

    /// The secret for making digest keys.
    ///
    /// # Errors
    /// If it is too short.
    pub fn for_keys(secret: &[u8]) -> Result<Secret, String> {
        Secret::derive("foretold digest keys, version 1", "the key secret", secret)
    }

    /// The secret for authenticating entries.
    ///
    /// # Errors
    /// If it is too short.
    pub fn for_entries(secret: &[u8]) -> Result<Secret, String> {
        Secret::derive("foretold entry MAC, version 1", "the MAC secret", secret)
    }

    fn derive(purpose: &str, name: &str, secret: &[u8]) -> Result<Secret, String> {
        if secret.len() < Secret::MIN_BYTES {
            let (found, least) = (secret.len(), Secret::MIN_BYTES);
            return Err(format!("{name} has {found} bytes; expected at least {least}"));
        }
        Ok(Secret(blake3::derive_key(purpose, secret)))
    }

    /// A hasher keyed with it.
    pub(crate) fn hasher(&self) -> blake3::Hasher {
        blake3::Hasher::new_keyed(&self.0)
    }
}

/// Never the secret itself.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What clients may ask of the cache and see of it. One that may bypass the cache can load the
/// model; one that sees hits can learn who was scored before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// `Cache-Control: no-cache` is followed.
    pub no_cache: bool,
    /// `Cache-Control: no-store` is followed.
    pub no_store: bool,
    /// `Cache-Control: max-age` is followed.
    pub max_age: bool,
    /// `Cache-Control: only-if-cached` is followed.
    pub only_if_cached: bool,
    /// Responses say whether they came from the cache: `Cache-Status`, `Age`, `Server-Timing`.
    pub cache_status: bool,
    /// The method QUERY is answered.
    pub query: bool,
}

impl Allowed {
    /// Everything.
    pub const ALL: Allowed = Allowed {
        no_cache: true,
        no_store: true,
        max_age: true,
        only_if_cached: true,
        cache_status: true,
        query: true,
    };
    /// Nothing.
    pub const NONE: Allowed = Allowed {
        no_cache: false,
        no_store: false,
        max_age: false,
        only_if_cached: false,
        cache_status: false,
        query: false,
    };

    /// The methods that endpoints answer, for the `Allow` header.
    pub fn methods(self) -> &'static str {
        if self.query { "POST, QUERY" } else { "POST" }
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            ttl_seconds: None,
            endpoint_ttl_seconds: Vec::new(),
            keys: KeyKind::default(),
            mac: None,
            allowed: Allowed::ALL,
        }
    }
}

impl Settings {
    /// Checks the settings against a manifest.
    ///
    /// # Errors
    /// If they contradict each other or it.
    pub fn check(&self, manifest: &Manifest) -> Result<(), String> {
        for (path, _) in &self.endpoint_ttl_seconds {
            if manifest.endpoints.iter().all(|endpoint| endpoint.path != *path) {
                let paths: Vec<&str> = manifest.endpoints.iter().map(|e| e.path.as_str()).collect();
                let paths = paths.join(", ");
                return Err(format!("time to live of {path}: the endpoints are {paths}"));
            }
        }
        if self.keys == KeyKind::Repr {
            if self.mac.is_some() {
                return Err("keys of the kind repr exclude a MAC: a Python service would not \
                            understand the values"
                    .to_owned());
            }
            let without =
                manifest.endpoints.iter().find(|endpoint| endpoint.python_class.is_none());
            if let Some(endpoint) = without {
                return Err(format!(
                    "keys of the kind repr need `python_class` for every [[endpoint]] of the \
                     manifest; {} has none",
                    endpoint.path
                ));
            }
        }
        Ok(())
    }

    /// Seconds that an endpoint of a manifest serves a cached prediction.
    pub fn ttl_seconds(&self, manifest: &Manifest, endpoint: usize) -> u32 {
        let endpoint = &manifest.endpoints[endpoint];
        let own = self.endpoint_ttl_seconds.iter().rfind(|(path, _)| *path == endpoint.path);
        own.map(|(_, seconds)| *seconds)
            .or(self.ttl_seconds)
            .or(endpoint.ttl_seconds)
            .unwrap_or(manifest.cache.ttl_seconds)
    }

    /// Longest that an entry may be of use, in seconds: how long a store needs to keep it.
    pub fn longest_seconds(&self, manifest: &Manifest) -> u32 {
        let endpoints = 0..manifest.endpoints.len();
        let longest = endpoints.map(|endpoint| self.ttl_seconds(manifest, endpoint)).max();
        longest.unwrap_or(0).saturating_add(manifest.cache.stale_if_error_seconds)
    }
}

//! What an operator decides when a component starts: handed over at run time, never baked.

use std::fmt;

use crate::fraction::fraction;
use crate::model::answer::Precision;
use crate::model::manifest::Manifest;

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
    /// The web pages of other origins that may ask: their origins, like `https://example.com`, or
    /// `*` for all.
    pub cors: Vec<String>,
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

impl KeyKind {
    /// What outputs are compared in: where entries are shared with a Python service, as it does.
    pub fn precision(&self) -> Precision {
        if *self == KeyKind::Repr { Precision::Double } else { Precision::Single }
    }

    /// The kind with a name, and the secret that digests are made with.
    ///
    /// # Errors
    /// If there is no kind with this name, or a secret for another than `digest`.
    pub fn new(name: &str, secret: Option<Secret>) -> Result<KeyKind, String> {
        match (name, secret) {
            ("digest", secret) => Ok(KeyKind::Digest { secret }),
            ("packed" | "readable" | "repr", Some(_)) => {
                Err(format!("a key secret needs keys of the kind digest, not {name}"))
            }
            ("packed", None) => Ok(KeyKind::Packed),
            ("readable", None) => Ok(KeyKind::Readable),
            ("repr", None) => Ok(KeyKind::Repr),
            _ => Err(format!("{name:?} is not one of packed, digest, readable, repr")),
        }
    }
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

    /// Reads a list like `no-cache,max-age`, `all` or `none`.
    ///
    /// # Errors
    /// With the names there are, if it has another.
    pub fn parse(list: &str) -> Result<Allowed, String> {
        match list {
            "all" => return Ok(Allowed::ALL),
            "none" => return Ok(Allowed::NONE),
            _ => {}
        }
        let mut allowed = Allowed::NONE;
        for name in list.split(',').map(str::trim) {
            *match name {
                "no-cache" => &mut allowed.no_cache,
                "no-store" => &mut allowed.no_store,
                "max-age" => &mut allowed.max_age,
                "only-if-cached" => &mut allowed.only_if_cached,
                "cache-status" => &mut allowed.cache_status,
                "query" => &mut allowed.query,
                _ => {
                    return Err(format!(
                        "{name:?} is nothing that clients can be allowed; expected all, none, or \
                         some of no-cache, no-store, max-age, only-if-cached, cache-status, query"
                    ));
                }
            } = true;
        }
        Ok(allowed)
    }

    /// The methods that endpoints answer, for the `Allow` header.
    pub fn methods(self) -> &'static str {
        if self.query { "POST, QUERY, OPTIONS" } else { "POST, OPTIONS" }
    }
}

/// A variable that has no legal value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariableError {
    /// Its name, one of [`Settings::VARIABLES`].
    pub name: &'static str,
    /// What was found and what was expected; never a secret.
    pub message: String,
}

impl fmt::Display for VariableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.message)
    }
}

/// Reads a list of origins of web pages, like `https://example.com,http://localhost:3000`, or `*`.
///
/// # Errors
/// If one of them is no origin.
pub fn origins(list: &str) -> Result<Vec<String>, String> {
    let origin = |origin: &str| {
        let rest = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        let legal = |c: char| c.is_ascii_graphic() && !"/?#@\\\"".contains(c);
        let is_origin = rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(legal));
        if is_origin || origin == "*" {
            return Ok(origin.to_ascii_lowercase());
        }
        Err(format!(
            "{origin:?} is no origin; expected some like https://example.com, without a path or a \
             slash at the end, or *"
        ))
    };
    list.split(',').map(|text| origin(text.trim())).collect()
}

/// Times to live: of all endpoints, if it is given, and of single ones by path.
type TimesToLive = (Option<u32>, Vec<(String, u32)>);

/// Reads a list like `600,/decisions=60`.
fn times_to_live(list: &str) -> Result<TimesToLive, String> {
    let (mut all, mut endpoints) = (None, Vec::<(String, u32)>::new());
    for item in list.split(',').map(str::trim) {
        let (path, seconds) = match item.rsplit_once('=') {
            Some((path, seconds)) => (Some(path), seconds),
            None => (None, item),
        };
        let seconds = match seconds.parse::<u32>() {
            Ok(seconds) if seconds > 0 && path.is_none_or(|path| path.starts_with('/')) => seconds,
            _ => {
                return Err(format!(
                    "{item:?} is no time to live; expected whole seconds above 0, for one \
                     endpoint with its path, like 600,/decisions=60"
                ));
            }
        };
        match path {
            None if all.is_some() => return Err("it is given twice for all endpoints".to_owned()),
            None => all = Some(seconds),
            Some(path) if endpoints.iter().any(|(other, _)| other == path) => {
                return Err(format!("it is given twice for {path}"));
            }
            Some(path) => endpoints.push((path.to_owned(), seconds)),
        }
    }
    Ok((all, endpoints))
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            ttl_seconds: None,
            endpoint_ttl_seconds: Vec::new(),
            keys: KeyKind::default(),
            mac: None,
            allowed: Allowed::ALL,
            cors: Vec::new(),
        }
    }
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
    /// | `ttl_seconds` | whole seconds above 0, also for single endpoints: `600,/decisions=60` |
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
        let wrong = |name| move |message| VariableError { name, message };
        let variable = |name| match variable(name) {
            Ok(value) => Ok(value.filter(|value| !value.is_empty())),
            Err(message) => Err(VariableError { name, message }),
        };
        let times = variable("ttl_seconds")?;
        let times = times.map(|text| times_to_live(&text)).transpose();
        let (ttl_seconds, endpoint_ttl_seconds) =
            times.map_err(wrong("ttl_seconds"))?.unwrap_or_default();
        let secret = variable("key_secret")?;
        let secret = secret.map(|secret| Secret::for_keys(secret.as_bytes())).transpose();
        let secret = secret.map_err(wrong("key_secret"))?;
        let kind = variable("keys")?.unwrap_or_else(|| "packed".to_owned());
        let keys = KeyKind::new(&kind, secret).map_err(wrong("keys"))?;
        let mac = variable("mac_secret")?;
        let mac = mac.map(|secret| Secret::for_entries(secret.as_bytes())).transpose();
        let mac = mac.map_err(wrong("mac_secret"))?;
        let allowed = variable("allow")?.map(|list| Allowed::parse(&list)).transpose();
        let allowed = allowed.map_err(wrong("allow"))?.unwrap_or(Allowed::ALL);
        let cors = variable("cors")?.map(|list| origins(&list)).transpose();
        let cors = cors.map_err(wrong("cors"))?.unwrap_or_default();
        Ok(Settings { ttl_seconds, endpoint_ttl_seconds, keys, mac, allowed, cors })
    }

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

//! The records of `wit/component.wit`, and what the operator decides of them.
//!
//! Written by hand instead of generated, so that a request is lent to the component and not copied.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use foretold_core::settings::{Allowed, KeyFormat, Secret};
use wasmtime::component::{ComponentType, Lift, Lower};

/// The only label a store is opened under.
pub(crate) const LABEL: &str = "default";

/// What the operator decides for the component.
#[derive(Clone, Default)]
pub struct Settings {
    /// Seconds that a cached prediction is served, instead of all that the manifest says.
    pub ttl_seconds: Option<u32>,
    /// The same for single endpoints, by path.
    pub endpoint_ttl_seconds: Vec<(String, u32)>,
    /// How keys are made of requests.
    pub keys: KeyFormat,
    /// Secret under which digests are made.
    pub key_secret: Option<Vec<u8>>,
    /// Secret under which entries are authenticated.
    pub mac_secret: Option<Vec<u8>>,
    /// What clients may do.
    pub allowed: Allowed,
    /// The web pages of other origins that may ask, by their origins; `*` for all.
    pub cors: Vec<String>,
}

/// The enum `key-kind`.
#[derive(Clone, Copy, ComponentType, Lower)]
#[component(enum)]
#[repr(u8)]
pub(crate) enum KeyKind {
    #[component(name = "packed")]
    Packed,
    #[component(name = "digest")]
    Digest,
    #[component(name = "readable")]
    Readable,
    #[component(name = "repr")]
    Repr,
}

impl From<KeyFormat> for KeyKind {
    fn from(format: KeyFormat) -> KeyKind {
        match format {
            KeyFormat::Packed => KeyKind::Packed,
            KeyFormat::Digest => KeyKind::Digest,
            KeyFormat::Readable => KeyKind::Readable,
            KeyFormat::Repr => KeyKind::Repr,
        }
    }
}

/// The record `allowed`.
#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct Permissions {
    #[component(name = "no-cache")]
    no_cache: bool,
    #[component(name = "no-store")]
    no_store: bool,
    #[component(name = "max-age")]
    max_age: bool,
    #[component(name = "only-if-cached")]
    only_if_cached: bool,
    #[component(name = "cache-status")]
    cache_status: bool,
    query: bool,
}

impl From<Allowed> for Permissions {
    fn from(allowed: Allowed) -> Permissions {
        let Allowed { no_cache, no_store, max_age, only_if_cached, cache_status, query } = allowed;
        Permissions { no_cache, no_store, max_age, only_if_cached, cache_status, query }
    }
}

/// What the host needs to know of a component.
#[derive(Clone, Debug, ComponentType, Lift)]
#[component(record)]
pub struct Description {
    /// Name of the model.
    pub model: String,
    /// Digest of everything that decides the model's outputs; in a [`crate::guest::pool::Pool`] the
    /// id in the store's keys.
    #[component(name = "model-id")]
    pub model_id: String,
    /// Seconds that a store needs to keep an entry.
    #[component(name = "ttl-seconds")]
    pub ttl_seconds: u32,
    /// Every path that answers with predictions, and the position of its endpoint; of several for
    /// one endpoint the usual one first.
    pub paths: Vec<(String, u32)>,
    /// The request headers that the component reads, in lower case.
    #[component(name = "request-headers")]
    pub request_headers: Vec<String>,
}

impl Description {
    /// The usual path of each endpoint, by its position.
    pub(crate) fn endpoints(&self) -> Vec<&str> {
        let mut usual: BTreeMap<u32, &str> = BTreeMap::new();
        for (path, endpoint) in &self.paths {
            usual.entry(*endpoint).or_insert(path);
        }
        usual.into_values().collect()
    }

    /// The position of the endpoint that a path means.
    pub(crate) fn endpoint(&self, path: &str) -> Option<u32> {
        let found = self.paths.iter().find(|(known, _)| known == path);
        found.map(|(_, endpoint)| *endpoint)
    }
}

/// One header on its way into the component.
#[derive(Clone, Copy, Debug, ComponentType, Lower)]
#[component(record)]
pub struct RequestHeader<'a> {
    /// In lower case.
    pub name: &'a str,
    /// UTF-8.
    pub value: &'a str,
}

/// A request on its way into the component.
#[derive(Clone, Copy, Debug, ComponentType, Lower)]
#[component(record)]
pub struct Request<'a> {
    /// The method, e.g. `POST`.
    pub method: &'a str,
    /// Path and query.
    pub target: &'a str,
    /// Those headers that `Description::request_headers` names.
    pub headers: &'a [RequestHeader<'a>],
    /// The whole body.
    pub body: &'a [u8],
    /// Whether the store is to be left alone for this request.
    #[component(name = "bypass-store")]
    pub bypass_store: bool,
}

impl<'a> Request<'a> {
    /// A POST of JSON.
    pub fn of_json(target: &'a str, body: &'a [u8]) -> Request<'a> {
        const HEADERS: [RequestHeader<'_>; 1] =
            [RequestHeader { name: "content-type", value: "application/json" }];
        Request { method: "POST", target, headers: &HEADERS, body, bypass_store: false }
    }
}

/// One header of a response.
#[derive(Clone, Debug, ComponentType, Lift)]
#[component(record)]
pub struct ResponseHeader {
    /// In lower case.
    pub name: String,
    /// Visible ASCII.
    pub value: String,
}

/// A response on its way out of the component.
#[derive(Clone, Debug, ComponentType, Lift)]
#[component(record)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// All headers but those of the connection.
    pub headers: Vec<ResponseHeader>,
    /// The whole body.
    pub body: Vec<u8>,
    /// What the log should say.
    pub log: Option<String>,
    /// What the request did.
    pub report: Report,
    /// Whether and how it may be given again to the same request.
    pub reuse: Option<Reuse>,
}

/// The record `reuse`. Times are seconds since 1970.
#[derive(Clone, Debug, ComponentType, Lift)]
#[component(record)]
pub struct Reuse {
    /// When the oldest entry behind it was written: `Age` counts from here.
    #[component(name = "written-at")]
    pub written_at: u32,
    /// When the first of them ends: what `ttl` counts down to.
    #[component(name = "expires-at")]
    pub expires_at: u32,
    /// It may be given again before this second.
    pub until: u32,
    /// What `Cache-Status` has before and behind the `ttl`, where clients may see it.
    #[component(name = "cache-status")]
    pub cache_status: Option<(String, String)>,
}

/// What a request did. An array of rows counts as that many predictions:
/// `hits + misses + bypassed + refused` is their number.
#[derive(Clone, Copy, Debug, Default, ComponentType, Lift)]
#[component(record)]
pub struct Report {
    /// Position of the endpoint, as [`Description::paths`] has it; `None` where no endpoint was meant.
    pub endpoint: Option<u32>,
    /// Predictions that derive from an entry.
    pub hits: u32,
    /// Predictions that were computed because there was no entry to serve.
    pub misses: u32,
    /// Predictions that were computed without a look into the store.
    pub bypassed: u32,
    /// Rows that got an error instead of a prediction.
    pub refused: u32,
    /// Entries that the store confirmed.
    pub stored: u32,
    /// Entries that it did not.
    pub dropped: u32,
    /// Values that were found and are no entries.
    pub corrupt: u32,
    /// Entries that were found and are too old.
    pub expired: u32,
    /// Look-ups that the store did not answer.
    pub unavailable: u32,
    /// Time that the look-up took.
    #[component(name = "lookup-ns")]
    pub lookup_ns: Option<u64>,
    /// Time that the model took.
    #[component(name = "model-ns")]
    pub model_ns: Option<u64>,
}

/// The record `settings`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct ComponentSettings<'a> {
    store: &'a str,
    #[component(name = "ttl-seconds")]
    ttl_seconds: Option<u32>,
    #[component(name = "endpoint-ttl-seconds")]
    endpoint_ttl_seconds: &'a [(String, u32)],
    #[component(name = "key-kind")]
    key_kind: KeyKind,
    #[component(name = "key-secret")]
    key_secret: Option<&'a [u8]>,
    #[component(name = "mac-secret")]
    mac_secret: Option<&'a [u8]>,
    allowed: Permissions,
    cors: &'a [String],
}

impl Settings {
    pub(crate) fn lower(&self) -> ComponentSettings<'_> {
        ComponentSettings {
            store: LABEL,
            ttl_seconds: self.ttl_seconds,
            endpoint_ttl_seconds: &self.endpoint_ttl_seconds,
            key_kind: self.keys.into(),
            key_secret: self.key_secret.as_deref(),
            mac_secret: self.mac_secret.as_deref(),
            allowed: self.allowed.into(),
            cors: &self.cors,
        }
    }

    /// The settings as variables, for components that take none: those that are not the defaults.
    pub(crate) fn variables(&self) -> Result<BTreeMap<String, String>> {
        let text = |name: &str, secret: &Option<Vec<u8>>| {
            let secret = secret.clone().map(String::from_utf8).transpose();
            secret.with_context(|| {
                format!("{name}: a component for Spin takes secrets as variables, in UTF-8")
            })
        };
        // As a variable an empty one would count as none.
        self.key_secret.as_deref().map(Secret::for_keys).transpose()?;
        self.mac_secret.as_deref().map(Secret::for_entries).transpose()?;
        let all = self.ttl_seconds.map(|seconds| seconds.to_string());
        let single = self.endpoint_ttl_seconds.iter();
        let single = single.map(|(path, seconds)| format!("{path}={seconds}"));
        let times: Vec<String> = all.into_iter().chain(single).collect();
        let variables = [
            ("ttl_seconds", Some(times.join(",")).filter(|times| !times.is_empty())),
            ("keys", (self.keys != KeyFormat::default()).then(|| self.keys.to_string())),
            ("key_secret", text("key_secret", &self.key_secret)?),
            ("mac_secret", text("mac_secret", &self.mac_secret)?),
            ("cors", Some(self.cors.join(",")).filter(|origins| !origins.is_empty())),
            ("allow", (self.allowed != Allowed::default()).then(|| self.allowed.to_string())),
        ];
        let set = variables.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Ok(set.collect())
    }
}

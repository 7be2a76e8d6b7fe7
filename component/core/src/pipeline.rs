//! The whole flow of a request, in one function: [`answer()`].

use crate::answer;
use crate::cache_status::{CacheStatus, Miss};
use crate::entry::Entry;
use crate::feature::Value;
use crate::http::{Header, Request, Response};
use crate::key::{KeyLayout, ModelId};
use crate::manifest::{Endpoint, Manifest};
use crate::problem::Problem;
use crate::request;
use crate::{Model, ModelError, Store};

/// What the pipeline needs to know of a model, made once when it is loaded.
#[derive(Clone, Debug)]
pub struct Service {
    manifest: Manifest,
    layout: KeyLayout,
}

/// What an operator changes without baking anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Seconds that a cached prediction is served, instead of the manifest's.
    pub ttl_seconds: Option<u32>,
}

/// Answers one request.
///
/// `now` is the time in seconds since 1970. Whatever the store does, a valid request gets its
/// prediction; what the cache did is in the `Cache-Status` header.
pub fn answer(
    service: &Service,
    request: &Request<'_>,
    store: &impl Store,
    model: &impl Model,
    settings: &Settings,
    now: u32,
) -> Response {
    let predict = || {
        let endpoint = service.route(request)?;
        let row = request::parse(request.body, &service.manifest.features)?;
        let packed = service.layout.pack(&row);
        let key = service.layout.key(&packed);
        let ttl_seconds = service.ttl_seconds(settings);
        match look_up(service, store, &key, ttl_seconds, now) {
            Ok(entry) => {
                let age_seconds = entry.age_seconds(now);
                let status =
                    CacheStatus::Hit { ttl_seconds: ttl_seconds - age_seconds, age_seconds };
                Ok(respond(endpoint, &entry.outputs, status))
            }
            Err(miss) => {
                let row = service.layout.unpack(&packed).expect("what was packed unpacks");
                let outputs = compute(service, model, &row)?;
                let entry = Entry { written_at: now, outputs };
                // A store that did not answer a moment ago is not asked again for this request.
                let stored =
                    miss != Miss::StoreUnavailable && store.set(&key, &entry.encode(&key)).is_ok();
                Ok(respond(endpoint, &entry.outputs, CacheStatus::Miss { miss, stored }))
            }
        }
    };
    predict().unwrap_or_else(|problem: Problem| problem.response())
}

/// The entry under a key, where there is one that may be served.
fn look_up(
    service: &Service,
    store: &impl Store,
    key: &str,
    ttl_seconds: u32,
    now: u32,
) -> Result<Entry, Miss> {
    let bytes = store.get(key).map_err(|_| Miss::StoreUnavailable)?.ok_or(Miss::Absent)?;
    let entry = Entry::decode(key, &bytes, service.manifest.outputs.len()).ok_or(Miss::Corrupt)?;
    if entry.is_fresh(now, ttl_seconds) { Ok(entry) } else { Err(Miss::Expired) }
}

fn compute(service: &Service, model: &impl Model, row: &[Value]) -> Result<Vec<f32>, Problem> {
    let outputs =
        model.predict(row).map_err(|ModelError(reason)| Problem::ModelFailed { reason })?;
    let complete = outputs.len() == service.manifest.outputs.len();
    if complete && outputs.iter().all(|output| output.is_finite()) {
        return Ok(outputs);
    }
    let expected = service.manifest.outputs.len();
    Err(Problem::ModelFailed {
        reason: format!("expected {expected} finite outputs, got {outputs:?}"),
    })
}

fn respond(endpoint: &Endpoint, outputs: &[f32], status: CacheStatus) -> Response {
    let mut headers = vec![
        Header::new("content-type", "application/json"),
        Header::new("cache-status", status.to_string()),
    ];
    if let CacheStatus::Hit { age_seconds, .. } = status {
        headers.push(Header::new("age", age_seconds.to_string()));
    }
    Response { status: 200, headers, body: answer::body(endpoint, outputs), log: None }
}

impl Service {
    /// The service for a manifest and the model it belongs to.
    pub fn new(manifest: Manifest, model: ModelId) -> Service {
        let layout = KeyLayout::new(model, &manifest.features);
        Service { manifest, layout }
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The layout of the keys.
    pub fn key_layout(&self) -> &KeyLayout {
        &self.layout
    }

    /// Seconds that a cached prediction is served.
    pub fn ttl_seconds(&self, settings: &Settings) -> u32 {
        settings.ttl_seconds.unwrap_or(self.manifest.ttl_seconds)
    }

    /// The endpoint that a request means.
    fn route(&self, request: &Request<'_>) -> Result<&Endpoint, Problem> {
        let path = request.target.split('?').next().unwrap_or_default();
        let endpoints = &self.manifest.endpoints;
        let Some(endpoint) = endpoints.iter().find(|endpoint| endpoint.path == path) else {
            let endpoints = endpoints.iter().map(|endpoint| endpoint.path.clone()).collect();
            return Err(Problem::NotFound { path: path.to_owned(), endpoints });
        };
        if request.method != "POST" {
            let method = request.method.to_owned();
            return Err(Problem::MethodNotAllowed { method, allow: "POST" });
        }
        match request.content_type {
            Some(content_type) if !is_json(content_type) => {
                Err(Problem::UnsupportedMediaType { content_type: content_type.to_owned() })
            }
            _ => Ok(endpoint),
        }
    }
}

/// Whether a media type is `application/json` or `application/…+json`, whatever its parameters.
fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let Some((kind, subtype)) = media_type.split_once('/') else { return false };
    let suffix = subtype.rsplit('+').next().unwrap_or_default();
    kind.eq_ignore_ascii_case("application") && suffix.eq_ignore_ascii_case("json")
}

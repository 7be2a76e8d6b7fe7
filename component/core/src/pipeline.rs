//! The whole flow of a request, in one function: [`answer()`].

use crate::batch::{Batch, Known};
use crate::cache_control::CacheControl;
use crate::cache_status::{CacheStatus, Summary};
use crate::feature::Value;
use crate::http::{Header, Request, Response};
use crate::key::{KeyLayout, ModelId};
use crate::manifest::Manifest;
use crate::problem::Problem;
use crate::report::Report;
use crate::request::{self, Rows};
use crate::settings::{Allowed, KeyKind, Settings};
use crate::{Model, Store, etag};

/// What the pipeline needs to know of a model, made once when it is loaded.
#[derive(Clone, Debug)]
pub struct Service {
    manifest: Manifest,
    layout: KeyLayout,
}

/// When a request is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Seconds since 1970.
    pub seconds: u32,
    /// A number that differs from request to request, e.g. of a nanosecond clock: early refresh
    /// draws with it.
    pub entropy: u64,
}

/// Answers one request.
///
/// Whatever the store does, a valid request gets its prediction; what the cache did is in the
/// `Cache-Status` header.
pub fn answer(
    service: &Service,
    request: &Request<'_>,
    store: &impl Store,
    model: &impl Model,
    settings: &Settings,
    moment: Moment,
) -> Response {
    let mut report = Report::default();
    let flow = |report: &mut Report| {
        let endpoint = service.route(request, settings.allowed)?;
        report.endpoint = Some(endpoint);
        let control =
            CacheControl::parse(request.cache_control.unwrap_or_default(), settings.allowed);
        let (rows, is_array) = match request::rows(request.body, &service.manifest.features)? {
            Rows::One(row) => (vec![Ok(row)], false),
            Rows::Many(rows) => (rows, true),
        };
        let mut batch = Batch::new(service, settings, Some(endpoint), rows, moment);
        // A host that finds the model cheaper has no say where the client wants no computation.
        let bypass_store = request.bypass_store && !control.only_if_cached;
        if control.looks_up() && !bypass_store {
            batch.look_up(store, &control);
        }
        if control.only_if_cached {
            batch.refuse_missing();
        } else {
            batch.compute(model);
        }
        if !control.no_store && !bypass_store {
            batch.store(store);
        }
        batch.count(report);
        respond(service, request, settings, &control, endpoint, &batch, is_array)
    };
    let mut response = flow(&mut report).unwrap_or_else(|problem: Problem| {
        // Where rows were counted, the problem is one of theirs.
        report.refused = report.refused.max(1);
        problem.response()
    });
    response.report = report;
    response
}

/// The outputs for a row, and what the cache did for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// In the order of the manifest's outputs.
    pub outputs: Vec<f32>,
    /// Where they are from.
    pub status: CacheStatus,
}

/// The same flow without HTTP: predicts rows that are there as values, each for itself.
///
/// The time to live is that of an endpoint or, without one, the model's. Keys of the kind repr,
/// whose entries have no outputs, are not for this.
///
/// # Panics
/// If the settings ask for keys of the kind repr.
pub fn predict(
    service: &Service,
    endpoint: Option<usize>,
    rows: Vec<Result<Vec<Value>, Problem>>,
    store: &impl Store,
    model: &impl Model,
    settings: &Settings,
    moment: Moment,
) -> Vec<Result<Prediction, Problem>> {
    assert!(settings.keys != KeyKind::Repr, "entries of a Python service have no outputs");
    let mut batch = Batch::new(service, settings, endpoint, rows, moment);
    batch.look_up(store, &CacheControl::default());
    batch.compute(model);
    batch.store(store);
    let prediction = |(known, status)| match known {
        Known::Outputs(outputs) => Prediction { outputs: outputs.to_vec(), status },
        Known::Answer(_) => unreachable!("only entries of a Python service have no outputs"),
    };
    batch.outcomes().map(|row| row.map(prediction).map_err(Problem::clone)).collect()
}

/// The response for all rows: an object, or an array with a problem document in place of each row
/// that got no prediction.
///
/// Other caches may keep the answer to a QUERY, whose content is part of their key; a POST's never.
fn respond(
    service: &Service,
    request: &Request<'_>,
    settings: &Settings,
    control: &CacheControl,
    endpoint: usize,
    batch: &Batch<'_>,
    is_array: bool,
) -> Result<Response, Problem> {
    let endpoint = &service.manifest.endpoints[endpoint];
    let (mut body, mut log) = (Vec::with_capacity(64), None);
    let (mut status, mut summary) = (None, Summary::default());
    if is_array {
        body.push(b'[');
    }
    for (i, outcome) in batch.outcomes().enumerate() {
        if i > 0 {
            body.push(b',');
        }
        status = outcome.ok().map(|(_, status)| status);
        summary.add(status);
        match outcome {
            Ok((known, _)) => known.answer(endpoint).write(endpoint, &mut body),
            Err(problem) if is_array => {
                log = log.or_else(|| problem.log());
                body.extend(problem.document(Some(i)).to_string().into_bytes());
            }
            Err(problem) => return Err(problem.clone()),
        }
    }
    if is_array {
        body.push(b']');
    }
    let etag = etag::of(&body);
    let is_query = request.method == "QUERY";
    let mut headers = vec![Header::new("content-type", "application/json")];
    let visible = settings.allowed.cache_status;
    let reusable = is_query && visible && !control.no_store;
    // Only then: with jitter it hashes every key.
    let max_age = || summary.max_age_seconds(batch.fresh_seconds());
    headers.push(match reusable.then(max_age).flatten() {
        Some(seconds) => Header::new("cache-control", format!("max-age={seconds}")),
        None => Header::new("cache-control", "no-store"),
    });
    if visible {
        let cache_status = match (is_array, status) {
            (false, Some(status)) => status.to_string(),
            _ => summary.to_string(),
        };
        headers.push(Header::new("cache-status", cache_status));
        let age = summary.age_seconds().map(|age| Header::new("age", age.to_string()));
        headers.extend(age);
    }
    // A 304 is the answer to a safe method only.
    let unchanged =
        is_query && request.if_none_match.is_some_and(|tags| etag::matches(tags, &etag));
    headers.push(Header::new("etag", etag));
    if is_query {
        headers.push(Header::new("vary", "content-type"));
    }
    let status = if unchanged { 304 } else { 200 };
    if unchanged {
        body.clear();
    }
    Ok(Response { status, headers, body, log, report: Report::default() })
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

    /// The position of the endpoint that a request means.
    fn route(&self, request: &Request<'_>, allowed: Allowed) -> Result<usize, Problem> {
        let path = request.target.split('?').next().unwrap_or_default();
        let endpoints = &self.manifest.endpoints;
        let Some(endpoint) = endpoints.iter().position(|endpoint| endpoint.path == path) else {
            let endpoints = endpoints.iter().map(|endpoint| endpoint.path.clone()).collect();
            return Err(Problem::NotFound { path: path.to_owned(), endpoints });
        };
        let is_query = request.method == "QUERY" && allowed.query;
        if request.method != "POST" && !is_query {
            let method = request.method.to_owned();
            return Err(Problem::MethodNotAllowed { method, allow: allowed.methods() });
        }
        match request.content_type {
            Some(content_type) if is_json(content_type) => Ok(endpoint),
            // RFC 10008 demands that a query says what it is.
            None if !is_query => Ok(endpoint),
            content_type => {
                let content_type = content_type.map(str::to_owned);
                Err(Problem::UnsupportedMediaType { content_type })
            }
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

//! The whole flow of a request, in one function: [`answer()`].

use crate::Model;
use crate::Store;
use crate::batch::{Batch, RowValue};
use crate::cache::control::CacheControl;
use crate::cache::reuse::Reuse;
use crate::cache::status::{CacheStatus, Summary};
use crate::documents;
use crate::http::accept;
use crate::http::content_type;
use crate::http::cors;
use crate::http::encoding;
use crate::http::etag;
use crate::http::excerpt::shorten;
use crate::http::paths;
use crate::http::problem::Problem;
use crate::http::query;
use crate::http::request::{self, Rows};
use crate::http::resource::Resource;
use crate::http::{Header, Headers, Request, Response};
use crate::model::answer;
use crate::model::answer::Answer;
use crate::model::feature::Value;
use crate::report::Report;
use crate::service::{Now, Service};
use crate::settings::{Allowed, KeyFormat, Settings};
use crate::v2::{self, InferRequest};

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
    now: Now,
) -> Response {
    let mut report = Report::default();
    let flow = |report: &mut Report| {
        let resource = route(service, request, settings.allowed)?;
        if request.method == "OPTIONS" {
            return Ok(documents::options(resource, settings));
        }
        if !resource.predicts() {
            return Ok(documents::respond(service, resource, request, store, model, settings));
        }
        report.endpoint = service.position(resource);
        let control = CacheControl::parse(
            request.headers.cache_control.unwrap_or_default(),
            settings.allowed,
        );
        let (shape, rows) = ResponseShape::read(service, resource, request)?;
        let mut batch = Batch::new(service, settings, &shape.endpoints, rows, now);
        // A host that finds the model cheaper has no say where the client wants no computation.
        let bypass_store = !batch.is_cacheable() || request.bypass_store && !control.only_if_cached;
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
        respond(service, request, settings, &control, &shape, &batch)
    };
    let response = flow(&mut report);
    let mut response = response.unwrap_or_else(|problem: Problem| {
        // Where rows were counted, the problem is one of theirs.
        report.refused = report.refused.max(1);
        problem.response_at(request.target)
    });
    encoding::encode(request, &mut response);
    etag::leave_out_unchanged(request, &mut response);
    cors::allow(request, settings, &mut response);
    response.report = report;
    response
}

/// What a request means, if it may be asked so.
fn route(service: &Service, request: &Request<'_>, allowed: Allowed) -> Result<Resource, Problem> {
    let path = paths::of(request.target);
    let Some(resource) =
        Resource::at(&paths::resolved(path), service.manifest(), service.version())
    else {
        return Err(Problem::NotFound {
            path: shorten(path).into_owned(),
            endpoints: service.endpoints(),
        });
    };
    let allow = resource.methods(allowed);
    if !allow.split(", ").any(|known| known == request.method) {
        let method = shorten(request.method).into_owned();
        return Err(Problem::MethodNotAllowed { method, allow });
    }
    let Headers { accept, content_type, origin, .. } = request.headers;
    let media_types = resource.media_types();
    if request.method != "OPTIONS"
        && let Some(accept) = accept
        && accept::best(Some(accept), media_types).is_none()
    {
        return Err(Problem::NotAcceptable {
            accept: shorten(accept).into_owned(),
            available: media_types[0],
        });
    }
    if !resource.predicts() || request.method == "OPTIONS" {
        return Ok(resource);
    }
    match content_type {
        Some(content_type) if content_type::is_json(content_type) => Ok(resource),
        // The tensors behind the JSON are not.
        Some(content_type)
            if resource == Resource::Infer && content_type::is_bytes(content_type) =>
        {
            Ok(resource)
        }
        // RFC 10008 demands that a query says what it is; and a page that may not read the answer
        // could ask blindly and fill the cache: browsers send what has no type without a preflight.
        None if request.method != "QUERY" && origin.is_none() => Ok(resource),
        content_type => {
            let content_type = content_type.map(|text| shorten(text).into_owned());
            Err(Problem::UnsupportedMediaType { content_type })
        }
    }
}

/// What the answer to a request looks like, which follows from how it is asked.
struct ResponseShape {
    /// The endpoints whose answers are members, in this order.
    endpoints: Vec<usize>,
    format: BodyFormat,
}

enum BodyFormat {
    /// An object.
    Object,
    /// An array of objects.
    Array,
    /// Tensors.
    Tensors(InferRequest),
}

/// Rows, or why they are none.
type ReadRows = Vec<Result<Vec<Value>, Problem>>;

impl ResponseShape {
    /// Reads the query and the body.
    fn read(
        service: &Service,
        resource: Resource,
        request: &Request<'_>,
    ) -> Result<(ResponseShape, ReadRows), Problem> {
        let manifest = service.manifest();
        let endpoints = match resource {
            Resource::Endpoint(endpoint) => {
                query::none(request.target)?;
                vec![endpoint]
            }
            Resource::Predictions => query::included(request.target, manifest)?,
            _ => Vec::new(),
        };
        let body = encoding::decode(request)?;
        if resource == Resource::Infer {
            let mut infer = InferRequest::parse(request, &body, manifest)?;
            let endpoints = infer.outputs.iter().map(|output| output.endpoint).collect();
            let rows = std::mem::take(&mut infer.rows).into_iter().map(Ok).collect();
            return Ok((ResponseShape { endpoints, format: BodyFormat::Tensors(infer) }, rows));
        }
        let (rows, format) = match request::rows(&body, &manifest.features)? {
            Rows::One(row) => (vec![Ok(row)], BodyFormat::Object),
            Rows::Many(rows) => (rows, BodyFormat::Array),
        };
        Ok((ResponseShape { endpoints, format }, rows))
    }
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
/// The time to live is that of an endpoint or, without one, the model's. Keys of the format repr,
/// whose entries have no outputs, are not for this.
///
/// # Panics
/// If the settings ask for keys of the format repr.
pub fn predict(
    service: &Service,
    endpoint: Option<usize>,
    rows: Vec<Result<Vec<Value>, Problem>>,
    store: &impl Store,
    model: &impl Model,
    settings: &Settings,
    now: Now,
) -> Vec<Result<Prediction, Problem>> {
    assert!(settings.keys != KeyFormat::Repr, "entries of a Python service have no outputs");
    let mut batch = Batch::new(service, settings, endpoint.as_slice(), rows, now);
    batch.look_up(store, &CacheControl::default());
    batch.compute(model);
    batch.store(store);
    let prediction = |(value, status)| match value {
        RowValue::Outputs(outputs) => Prediction { outputs: outputs.to_vec(), status },
        RowValue::Answer(_) => unreachable!("only entries of a Python service have no outputs"),
    };
    batch.results().map(|row| row.map(prediction).map_err(Problem::clone)).collect()
}

/// The response for all rows. In an array a problem document stands in place of each row that got no
/// prediction; elsewhere the first such problem is the answer.
///
/// Other caches may keep the answer to a QUERY, whose content is part of their key; a POST's never.
fn respond(
    service: &Service,
    request: &Request<'_>,
    settings: &Settings,
    control: &CacheControl,
    shape: &ResponseShape,
    batch: &Batch<'_>,
) -> Result<Response, Problem> {
    let (status, summary) = summarise(batch);
    let (body, mut headers, log) = write(service, shape, batch)?;
    let etag = etag::of(&body);
    let is_query = request.method == "QUERY";
    let visible = settings.allowed.cache_status;
    let reusable = is_query && visible && !control.no_store;
    // Only then: with jitter it hashes every key.
    let max_age = || summary.max_age_seconds(batch.fresh_seconds());
    headers.push(match reusable.then(max_age).flatten() {
        Some(seconds) => Header::new("cache-control", format!("max-age={seconds}")),
        None => Header::new("cache-control", "no-store"),
    });
    let cache_status = visible.then(|| match (&shape.format, status) {
        (BodyFormat::Object, Some(status)) => status.to_string(),
        _ => summary.to_string(),
    });
    let span = batch.span(control);
    let reuse = span.and_then(|span| Reuse::new(span, cache_status.as_deref()));
    if let Some(cache_status) = cache_status {
        headers.push(Header::new("cache-status", cache_status));
        let age = summary.age_seconds().map(|age| Header::new("age", age.to_string()));
        headers.extend(age);
    }
    headers.push(Header::new("etag", etag));
    if is_query {
        headers.push(Header::new("vary", "content-type"));
    }
    Ok(Response { status: 200, headers, body, log, report: Report::default(), reuse })
}

/// What the cache did: for the last row, and for all.
fn summarise(batch: &Batch<'_>) -> (Option<CacheStatus>, Summary) {
    let (mut status, mut summary) = (None, Summary::default());
    for result in batch.results() {
        status = result.ok().map(|(_, status)| status);
        summary.add(status);
    }
    (status, summary)
}

/// The body, the headers that say what it is, and what is for the log.
type Written = (Vec<u8>, Vec<Header>, Option<String>);

fn write(service: &Service, shape: &ResponseShape, batch: &Batch<'_>) -> Result<Written, Problem> {
    let manifest = service.manifest();
    let endpoints = || shape.endpoints.iter().map(|endpoint| &manifest.endpoints[*endpoint]);
    let precision = batch.precision();
    if let BodyFormat::Tensors(infer) = &shape.format {
        let rows = batch.results().map(|result| match result {
            Ok((value, _)) => Ok(endpoints().map(|e| value.answer(e, precision)).collect()),
            Err(problem) => Err(problem.clone()),
        });
        let rows: Vec<Vec<Answer<'_>>> = rows.collect::<Result<_, Problem>>()?;
        let (body, headers) = v2::response(manifest, service.version(), infer, &rows);
        return Ok((body, headers, None));
    }
    let is_array = matches!(shape.format, BodyFormat::Array);
    let (mut body, mut log) = (Vec::with_capacity(64), None);
    if is_array {
        body.push(b'[');
    }
    for (i, result) in batch.results().enumerate() {
        if i > 0 {
            body.push(b',');
        }
        match result {
            Ok((value, _)) => {
                let answers = endpoints().map(|e| (e, value.answer(e, precision)));
                answer::write(answers, &mut body);
            }
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
    Ok((body, vec![Header::new("content-type", "application/json")], log))
}

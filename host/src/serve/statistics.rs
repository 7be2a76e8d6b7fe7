//! Statistics in the Open Inference Protocol, as an extension of Triton's: what clients like
//! perf_analyzer ask beside the component's own answers.

use foretold_core::http::paths;
use hyper::header::{self, HeaderValue};
use hyper::{Method, StatusCode};
use serde_json::Value;

use crate::guest::contract;
use crate::serve::convert::HttpResponse;
use crate::serve::metrics::Metrics;

/// The extension's name.
const EXTENSION: &str = "statistics";

/// The statistics, if a request asks for them.
pub(crate) fn answer(metrics: &Metrics, method: &Method, target: &str) -> Option<HttpResponse> {
    let (model, version) = metrics.model();
    let asks = [Method::GET, Method::HEAD].contains(method)
        && paths::is_v2_statistics(target, model, version);
    if !asks {
        return None;
    }
    let mut response = HttpResponse::new(metrics.statistics().to_string().into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Some(response)
}

/// Says where the component tells what the server is that there are statistics: clients look there.
pub(crate) fn announce(target: &str, response: &mut contract::Response) {
    if response.status != StatusCode::OK || !paths::is_v2_server(target) {
        return;
    }
    if let Ok(mut document) = serde_json::from_slice::<Value>(&response.body)
        && let Some(extensions) = document.get_mut("extensions").and_then(Value::as_array_mut)
    {
        extensions.push(EXTENSION.into());
        response.body = document.to_string().into_bytes();
    }
}

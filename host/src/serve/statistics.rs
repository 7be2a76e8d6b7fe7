//! Statistics in the Open Inference Protocol, as an extension of Triton's, beside the component's own
//! answers.
//!
//! They are not announced among the extensions: perf_analyzer, where it finds them there, takes the
//! versions of models for integers, and ends.

use foretold_core::http::paths;
use hyper::Method;
use hyper::header::{self, HeaderValue};

use crate::serve::convert::HttpResponse;
use crate::serve::metrics::Metrics;

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

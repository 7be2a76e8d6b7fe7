//! Requests of web pages from other origins, where the operator allows them (the Fetch standard).

use crate::http::{Header, REQUEST_HEADERS, Request, Response};
use crate::settings::Settings;

/// Response headers that such pages may read.
const EXPOSED: &str =
    "age, allow, cache-status, etag, inference-header-content-length, retry-after, server-timing";
/// Seconds for which a browser may remember what a preflight request was told.
const PREFLIGHT_SECONDS: &str = "600";

/// Adds what a browser needs to hand the response to the page.
pub(crate) fn allow(request: &Request<'_>, settings: &Settings, response: &mut Response) {
    if settings.cors.is_empty() {
        return;
    }
    let any = settings.cors.iter().any(|origin| origin == "*");
    if !any {
        response.vary("origin");
    }
    // Where all may ask, the answer is the same to all, so that caches can keep it.
    let origin = match request.headers.origin {
        _ if any => "*".to_owned(),
        Some(origin) if settings.cors.iter().any(|known| known.eq_ignore_ascii_case(origin)) => {
            origin.to_owned()
        }
        _ => return,
    };
    response.headers.push(Header::new("access-control-allow-origin", origin));
    let is_preflight =
        request.method == "OPTIONS" && request.headers.access_control_request_method.is_some();
    if !is_preflight {
        response.headers.push(Header::new("access-control-expose-headers", EXPOSED));
        return;
    }
    let methods = response.headers.iter().find(|header| header.name == "allow");
    let methods = methods.map(|allow| allow.value.clone()).unwrap_or_default();
    let headers = REQUEST_HEADERS.join(", ");
    response.headers.extend([
        Header::new("access-control-allow-methods", methods),
        Header::new("access-control-allow-headers", headers),
        Header::new("access-control-max-age", PREFLIGHT_SECONDS),
    ]);
}

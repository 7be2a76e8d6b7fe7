//! Requests and responses between hyper, the component and the host's own refusals.

use std::borrow::Cow;

use bytes::Bytes;
use foretold_core::http::problem::Problem;
use http_body_util::Full;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use tracing::warn;

use crate::guest::contract;
use crate::serve::auto::Reason;

pub(crate) type HttpResponse = Response<Full<Bytes>>;

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// More headers than any component has a use for.
const MAX_RESPONSE_HEADERS: usize = 64;
/// Headers that belong to the connection: a component that sets them could end a response early
/// and pass the rest off as the next one.
const CONNECTION_HEADERS: [HeaderName; 7] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::DATE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// The value of a request header; the values of one that is there more than once as one list.
pub(crate) fn header_value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Cow<'a, str>> {
    foretold_core::http::list(headers.get_all(name).iter().map(HeaderValue::as_bytes))
}

/// The error says what is wrong with the component's response.
pub(crate) fn component_response(response: contract::Response) -> Result<HttpResponse, String> {
    if let Some(log) = &response.log {
        // A line break in it must not look like another line of the log.
        warn!("{}", log.escape_debug());
    }
    let status = response.status;
    if !(200..=599).contains(&status) {
        return Err(format!("its status is {status}; expected 200 to 599"));
    }
    if response.headers.len() > MAX_RESPONSE_HEADERS {
        let count = response.headers.len();
        return Err(format!("it has {count} headers; expected at most {MAX_RESPONSE_HEADERS}"));
    }
    let mut http = Response::new(Full::new(Bytes::from(response.body)));
    *http.status_mut() = StatusCode::from_u16(status).expect("it is in the legal range");
    for contract::ResponseHeader { name, value } in response.headers {
        match (name.parse::<HeaderName>(), HeaderValue::from_maybe_shared(Bytes::from(value))) {
            (Ok(name), Ok(value)) if !CONNECTION_HEADERS.contains(&name) => {
                http.headers_mut().append(name, value);
            }
            _ => warn!("the component sent an illegal header {name:?}"),
        }
    }
    Ok(http)
}

/// A problem as the path that was asked needs it.
pub(crate) fn problem_response(problem: &Problem, target: &str) -> HttpResponse {
    let response = problem.response_at(target);
    let mut http = Response::new(Full::new(Bytes::from(response.body)));
    *http.status_mut() =
        StatusCode::from_u16(response.status).expect("every problem has a legal status");
    for header in response.headers {
        let value = HeaderValue::from_str(&header.value).expect("headers of problems are ASCII");
        http.headers_mut().append(HeaderName::from_static(header.name), value);
    }
    // The body was not read to its end, so the connection is of no more use.
    if matches!(problem, Problem::BodyTooLarge { .. } | Problem::BodyIncomplete { .. }) {
        http.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    http
}

/// Says in `Cache-Status` why the host had the store bypassed. The component's member stands
/// before the host's, which is nearer to the client (RFC 9211); where there is none, it is hidden
/// from clients or there is no prediction.
pub(crate) fn explain_bypass(response: &mut HttpResponse, reason: Reason) {
    if let Some(status) = response.headers_mut().get_mut(CACHE_STATUS)
        && let Ok(members) = status.to_str()
    {
        let members = format!("{members}, foretold-host; detail={}", reason.detail());
        *status = HeaderValue::from_maybe_shared(Bytes::from(members))
            .expect("an ASCII header stays one");
    }
}

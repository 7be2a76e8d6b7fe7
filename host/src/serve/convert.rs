//! Requests and responses between hyper, the component and the host's own refusals.

use std::borrow::Cow;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use tracing::warn;

use crate::guest::contract;
use crate::serve::auto::Reason;
use crate::text::shown;

pub(crate) type HttpResponse = Response<Full<Bytes>>;

/// What a component says of an entry that it has handed over.
const STORED: &str = "; stored";
const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// What the log shows of what a component says.
const MAX_LOG_CHARS: usize = 2000;
/// And of the name of a header.
const MAX_NAME_CHARS: usize = 80;
/// More headers than any component has a use for.
const MAX_RESPONSE_HEADERS: usize = 64;
/// Headers that belong to the connection: a component that sets them could end a response early
/// and pass the rest off as the next one.
const CONNECTION_HEADERS: [HeaderName; 9] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::DATE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
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
        warn!("{}", shown(log, MAX_LOG_CHARS));
    }
    let status = match StatusCode::from_u16(response.status) {
        Ok(status) if (200..=599).contains(&response.status) => status,
        _ => return Err(format!("its status is {}; expected 200 to 599", response.status)),
    };
    if response.headers.len() > MAX_RESPONSE_HEADERS {
        let count = response.headers.len();
        return Err(format!("it has {count} headers; expected at most {MAX_RESPONSE_HEADERS}"));
    }
    let mut http = Response::new(Full::new(Bytes::from(response.body)));
    *http.status_mut() = status;
    for contract::ResponseHeader { name, value } in response.headers {
        match (name.parse::<HeaderName>(), HeaderValue::from_maybe_shared(Bytes::from(value))) {
            (Ok(name), Ok(value)) if !CONNECTION_HEADERS.contains(&name) => {
                http.headers_mut().append(name, value);
            }
            _ => warn!("the component sent an illegal header \"{}\"", shown(&name, MAX_NAME_CHARS)),
        }
    }
    Ok(http)
}

/// Keeps browsers from taking JSON for anything else.
pub(crate) fn forbid_sniffing(headers: &mut HeaderMap) {
    let is_json = headers.get(header::CONTENT_TYPE).is_some_and(|content_type| {
        let content_type = content_type.as_bytes();
        content_type.starts_with(b"application/json")
            || content_type.starts_with(b"application/problem+json")
    });
    if is_json {
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
}

/// Says in `Cache-Status` why the host had the store bypassed.
pub(crate) fn explain_bypass(response: &mut HttpResponse, reason: Reason) {
    add_member(response, &format!("detail={}", reason.detail()));
}

/// Says in `Cache-Status` that the value was computed by another request at the same time.
pub(crate) fn explain_collapse(response: &mut HttpResponse) {
    add_member(response, "collapsed");
}

/// Says in `Cache-Status` that the entry is still to be written.
pub(crate) fn explain_queue(response: &mut HttpResponse) {
    if let Some(status) = response.headers_mut().get_mut(CACHE_STATUS)
        && let Some((before, behind)) = status.to_str().ok().and_then(|it| it.split_once(STORED))
    {
        // One that says more already has its one detail.
        let detail = if behind.is_empty() { "; detail=write-queued" } else { behind };
        if let Ok(text) = HeaderValue::try_from(format!("{before}{detail}")) {
            *status = text;
        }
    }
}

/// The component's member stands before the host's, which is nearer to the client (RFC 9211); where
/// there is none, it is hidden from clients or there is no prediction.
fn add_member(response: &mut HttpResponse, parameter: &str) {
    if let Some(status) = response.headers_mut().get_mut(CACHE_STATUS)
        && let Ok(members) = status.to_str()
    {
        let members = format!("{members}, foretold-host; {parameter}");
        if let Ok(members) = HeaderValue::from_maybe_shared(Bytes::from(members)) {
            *status = members;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let header = |(name, value): &(&str, &str)| contract::ResponseHeader {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
        };
        let response = contract::Response {
            status: 200,
            headers: pairs.iter().map(header).collect(),
            body: Vec::new(),
            log: None,
            report: contract::Report::default(),
            reuse: None,
        };
        component_response(response).unwrap().into_parts().0.headers
    }

    #[test]
    fn headers_of_the_connection_are_not_the_components_business() {
        let names = ["Keep-Alive", "proxy-connection", "connection", "upgrade", "te", "trailer"];
        for name in [&names[..], &["transfer-encoding", "content-length", "date"]].concat() {
            let headers = headers(&[(name, "x"), ("etag", "\"a\"")]);
            assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["etag"]);
        }
    }

    #[test]
    fn a_queued_write_is_not_called_stored() {
        for (said, expected) in [
            ("foretold; fwd=miss; stored", "foretold; fwd=miss; detail=write-queued"),
            (
                "foretold; fwd=miss; stored; detail=corrupt-entry",
                "foretold; fwd=miss; detail=corrupt-entry",
            ),
            ("foretold; fwd=miss; detail=not-stored", "foretold; fwd=miss; detail=not-stored"),
        ] {
            let mut response = Response::new(Full::default());
            response.headers_mut().insert(CACHE_STATUS, HeaderValue::from_static(said));
            explain_queue(&mut response);
            assert_eq!(response.headers()[CACHE_STATUS], expected);
        }
    }

    #[test]
    fn json_is_taken_for_nothing_else() {
        for (content_type, is_json) in [
            ("application/json", true),
            ("application/problem+json", true),
            ("application/json; charset=utf-8", true),
            ("text/html; charset=utf-8", false),
            ("application/octet-stream", false),
        ] {
            let mut headers = headers(&[("content-type", content_type)]);
            forbid_sniffing(&mut headers);
            assert_eq!(headers.contains_key("x-content-type-options"), is_json, "{content_type}");
        }
    }
}

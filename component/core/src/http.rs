//! HTTP as the pipeline sees it: a whole request in, a whole response out.

pub(crate) mod accept;
pub(crate) mod content_type;
pub(crate) mod cors;
pub(crate) mod encoding;
pub mod etag;
pub(crate) mod excerpt;
pub(crate) mod field_errors;
pub mod paths;
pub mod problem;
pub(crate) mod query;
pub mod request;
pub(crate) mod resource;

use std::borrow::Cow;

use crate::cache::reuse::Reuse;
use crate::report::Report;

/// Longest body where the host has no limit of its own: room for 10000 rows of a small model.
pub const MAX_BODY_BYTES: usize = 4 << 20;

/// The request headers that the pipeline reads, in the order of [`Headers::from_values`].
pub const REQUEST_HEADERS: [&str; 9] = [
    "content-type",
    "cache-control",
    "if-none-match",
    "accept",
    "accept-encoding",
    "content-encoding",
    "inference-header-content-length",
    "origin",
    "access-control-request-method",
];

/// A request with its whole body.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method, e.g. `POST`.
    pub method: &'a str,
    /// Path and query, e.g. `/decisions?x=1`.
    pub target: &'a str,
    /// The headers.
    pub headers: Headers<'a>,
    /// The body.
    pub body: &'a [u8],
    /// Whether the store is to be left alone for this request: the host found the model cheaper.
    /// It is asked all the same where the client wants an answer from the cache only.
    pub bypass_store: bool,
}

/// The headers of a request, where they are there; several of a name as one list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Headers<'a> {
    /// What the body is.
    pub content_type: Option<&'a str>,
    /// What the client asks of the cache.
    pub cache_control: Option<&'a str>,
    /// Tags of the answers that the client has.
    pub if_none_match: Option<&'a str>,
    /// The media types that the client takes.
    pub accept: Option<&'a str>,
    /// The compressions that the client takes.
    pub accept_encoding: Option<&'a str>,
    /// How the body is compressed.
    pub content_encoding: Option<&'a str>,
    /// Where the JSON of a V2 request ends and its binary tensors begin.
    pub inference_header_content_length: Option<&'a str>,
    /// The web page that asks.
    pub origin: Option<&'a str>,
    /// The method that a web page wants to use, in a preflight request.
    pub access_control_request_method: Option<&'a str>,
}

impl<'a> Headers<'a> {
    /// The headers from the values of [`REQUEST_HEADERS`], in their order.
    pub fn from_values(values: [Option<&'a str>; REQUEST_HEADERS.len()]) -> Headers<'a> {
        let [
            content_type,
            cache_control,
            if_none_match,
            accept,
            accept_encoding,
            content_encoding,
            inference_header_content_length,
            origin,
            access_control_request_method,
        ] = values;
        Headers {
            content_type,
            cache_control,
            if_none_match,
            accept,
            accept_encoding,
            content_encoding,
            inference_header_content_length,
            origin,
            access_control_request_method,
        }
    }
}

/// The values of a header as one list; `None` where it is not there.
pub fn list<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Option<Cow<'a, str>> {
    let mut list = String::from_utf8_lossy(values.next()?);
    for value in values {
        let list = list.to_mut();
        list.push_str(", ");
        list.push_str(&String::from_utf8_lossy(value));
    }
    Some(list)
}

/// A response with its whole body.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers, apart from those that only the connection knows (`Content-Length`, `Date`).
    pub headers: Vec<Header>,
    /// The body.
    pub body: Vec<u8>,
    /// What the operator's log should say, and the client should not read.
    pub log: Option<String>,
    /// What the request did.
    pub report: Report,
    /// How it may be given again, if at all.
    pub reuse: Option<Reuse>,
}

/// One header of a response.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// The name, in lower case.
    pub name: &'static str,
    /// The value, visible ASCII.
    pub value: Cow<'static, str>,
}

impl Response {
    /// A response with a body of a kind, and nothing else to say.
    pub(crate) fn new(
        status: u16,
        content_type: &'static str,
        body: impl Into<Vec<u8>>,
    ) -> Response {
        Response {
            status,
            headers: vec![Header::new("content-type", content_type)],
            body: body.into(),
            log: None,
            report: Report::default(),
            reuse: None,
        }
    }

    /// Says that the response depends on a header of the request, too.
    pub(crate) fn vary(&mut self, name: &'static str) {
        match self.headers.iter_mut().find(|header| header.name == "vary") {
            Some(vary) if vary.value.split(", ").any(|known| known == name) => {}
            Some(vary) => vary.value = format!("{}, {name}", vary.value).into(),
            None => self.headers.push(Header::new("vary", name)),
        }
    }
}

impl Header {
    /// A header from its name in lower case and its value.
    pub fn new(name: &'static str, value: impl Into<Cow<'static, str>>) -> Header {
        Header { name, value: value.into() }
    }
}

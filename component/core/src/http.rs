//! HTTP as the pipeline sees it: a whole request in, a whole response out.

use std::borrow::Cow;

use crate::report::Report;

/// Longest body where the host has no limit of its own: room for 10000 rows of a small model.
pub const MAX_BODY_BYTES: usize = 4 << 20;

/// The request headers that the pipeline reads.
pub const REQUEST_HEADERS: [&str; 3] = ["content-type", "cache-control", "if-none-match"];

/// A request with its whole body.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method, e.g. `POST`.
    pub method: &'a str,
    /// Path and query, e.g. `/decisions?x=1`.
    pub target: &'a str,
    /// The `Content-Type` header, where there is one.
    pub content_type: Option<&'a str>,
    /// The `Cache-Control` header, where there is one; several as one list.
    pub cache_control: Option<&'a str>,
    /// The `If-None-Match` header, where there is one; several as one list.
    pub if_none_match: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
    /// Whether the store is to be left alone for this request: the host found the model cheaper.
    /// It is asked all the same where the client wants an answer from the cache only.
    pub bypass_store: bool,
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
}

/// One header of a response.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// The name, in lower case.
    pub name: &'static str,
    /// The value, visible ASCII.
    pub value: Cow<'static, str>,
}

impl Header {
    /// A header from its name in lower case and its value.
    pub fn new(name: &'static str, value: impl Into<Cow<'static, str>>) -> Header {
        Header { name, value: value.into() }
    }
}

//! What is answered when no prediction is: RFC 9457 problem documents. The statuses and names of
//! all kinds are in [`table`].

mod field_error;
pub mod table;

use serde_json::json;

use crate::http::excerpt;
use crate::http::paths;
use crate::http::problem::table::Kind;
use crate::http::{Header, Response};
use crate::report::Report;

pub use field_error::{FieldError, Place};

/// Why a request gets no prediction.
#[derive(Clone, Debug, PartialEq)]
pub enum Problem {
    /// 404: no such endpoint.
    NotFound {
        /// The path that was asked for.
        path: String,
        /// The paths there are.
        endpoints: Vec<String>,
    },
    /// 405: the endpoint is there, but not for this method.
    MethodNotAllowed {
        /// The method that was used.
        method: String,
        /// The methods there are, for the `Allow` header.
        allow: &'static str,
    },
    /// 406: the client takes nothing that there is.
    NotAcceptable {
        /// What it takes.
        accept: String,
        /// What there is.
        available: &'static str,
    },
    /// 415: the body is not JSON by its own account.
    UnsupportedMediaType {
        /// What the request said it is; `None` where it said nothing and had to.
        content_type: Option<String>,
    },
    /// 415: the body is compressed in a way that is not known.
    UnsupportedEncoding {
        /// What the request said.
        content_encoding: String,
    },
    /// 413: the body is too long.
    BodyTooLarge {
        /// The limit.
        max_body_bytes: usize,
    },
    /// 400 where the body broke off, 408 where it did not come in time.
    BodyIncomplete {
        /// The limit, where it was hit.
        timeout_ms: Option<u64>,
    },
    /// 400: the body is not JSON.
    MalformedJson {
        /// What was found, and where.
        detail: String,
    },
    /// 400: the body is not what its headers say: compressed, or with binary tensors behind JSON.
    MalformedBody {
        /// What was found.
        detail: String,
    },
    /// 422: the body is JSON, but not a valid request.
    InvalidRequest {
        /// One entry per field, all of them.
        errors: Vec<FieldError>,
    },
    /// 422: a row among too many with mistakes to explain them all. Its document is short.
    InvalidRow,
    /// 504: the client asked for an answer from the cache only, and there is none.
    NotCached,
    /// 500: the model could not be run, or gave no number.
    ModelFailed {
        /// Why, for the log.
        reason: String,
    },
    /// 503: the server has no room for this request just now. The host says so, as it does of the next
    /// two.
    Overloaded {
        /// The limit that was hit.
        max_concurrent_requests: usize,
    },
    /// 504: the answer took too long.
    TimedOut {
        /// The limit.
        timeout_ms: u64,
    },
    /// 500: the component broke down on this request: a trap, or out of memory.
    ComponentFailed,
}

impl Problem {
    /// Its kind, with status, name and title.
    pub fn kind(&self) -> &'static Kind {
        match self {
            Problem::NotFound { .. } => &table::NOT_FOUND,
            Problem::MethodNotAllowed { .. } => &table::METHOD_NOT_ALLOWED,
            Problem::NotAcceptable { .. } => &table::NOT_ACCEPTABLE,
            Problem::UnsupportedMediaType { .. } | Problem::UnsupportedEncoding { .. } => {
                &table::UNSUPPORTED_MEDIA_TYPE
            }
            Problem::BodyTooLarge { .. } => &table::BODY_TOO_LARGE,
            Problem::BodyIncomplete { timeout_ms: None } => &table::BODY_BROKEN_OFF,
            Problem::BodyIncomplete { timeout_ms: Some(_) } => &table::BODY_TIMED_OUT,
            Problem::MalformedJson { .. } => &table::MALFORMED_JSON,
            Problem::MalformedBody { .. } => &table::MALFORMED_BODY,
            Problem::InvalidRequest { .. } | Problem::InvalidRow => &table::INVALID_REQUEST,
            Problem::NotCached => &table::NOT_CACHED,
            Problem::ModelFailed { .. } => &table::MODEL_FAILED,
            Problem::Overloaded { .. } => &table::OVERLOADED,
            Problem::TimedOut { .. } => &table::TIMED_OUT,
            Problem::ComponentFailed => &table::COMPONENT_FAILED,
        }
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.kind().status
    }

    /// The sentence that the client reads.
    pub fn detail(&self) -> String {
        match self {
            Problem::NotFound { path, endpoints } => {
                format!("there is no {path}; the endpoints are {}", excerpt::names(endpoints))
            }
            Problem::MethodNotAllowed { method, allow } => {
                format!("{method} is not allowed here; use {allow}")
            }
            Problem::UnsupportedMediaType { content_type } => {
                let found =
                    content_type.as_ref().map_or("missing".to_owned(), |t| format!("{t:?}"));
                format!("the content type is {found}; send application/json")
            }
            Problem::NotAcceptable { accept, available } => {
                format!("there is {available}, and the request accepts {accept:?}")
            }
            Problem::UnsupportedEncoding { content_encoding } => {
                format!("the content encoding is {content_encoding:?}; send gzip, deflate or none")
            }
            Problem::InvalidRow => "the row has mistakes".into(),
            Problem::NotCached => {
                "the request asks for an answer from the cache only, and there is none that may \
                 be used"
                    .into()
            }
            Problem::BodyTooLarge { max_body_bytes } => {
                format!("the body is longer than {max_body_bytes} bytes")
            }
            Problem::BodyIncomplete { timeout_ms: None } => "the body broke off".into(),
            Problem::BodyIncomplete { timeout_ms: Some(timeout_ms) } => {
                format!("the body was not there within {timeout_ms} ms")
            }
            Problem::MalformedJson { detail } | Problem::MalformedBody { detail } => detail.clone(),
            Problem::InvalidRequest { errors } => {
                let details: Vec<&str> = errors.iter().map(|error| error.detail.as_str()).collect();
                details.join("; ")
            }
            Problem::ModelFailed { .. } => {
                "the model could not be run on this request; the log has the reason".into()
            }
            Problem::Overloaded { max_concurrent_requests } => {
                format!(
                    "{max_concurrent_requests} requests are under way already; try again in a moment"
                )
            }
            Problem::TimedOut { timeout_ms } => {
                format!("the request was not answered within {timeout_ms} ms")
            }
            Problem::ComponentFailed => {
                "the component broke down on this request; the log has the reason".into()
            }
        }
    }

    /// The problem document (RFC 9457). Its pointers begin at the body's root, or at the row with
    /// this number where the body is an array.
    pub fn document(&self, row: Option<usize>) -> serde_json::Value {
        let Kind { status, slug, title, .. } = self.kind();
        let mut document = json!({
            "type": format!("urn:foretold:problem:{slug}"),
            "title": title,
            "status": status,
            "detail": self.detail(),
        });
        match self {
            Problem::NotFound { endpoints, .. } => document["endpoints"] = json!(endpoints),
            Problem::InvalidRequest { errors } => {
                document["errors"] = errors.iter().map(|error| error.to_json(row)).collect();
            }
            _ => {}
        }
        document
    }

    /// What the log should say of it.
    pub fn log(&self) -> Option<String> {
        match self {
            Problem::ModelFailed { reason } => {
                Some(format!("the model could not be run: {reason}"))
            }
            _ => None,
        }
    }

    /// The response that says so.
    pub fn response(&self) -> Response {
        self.response_with(&self.document(None))
    }

    /// The same for the target that was asked. Clients of the Open Inference Protocol read the member
    /// `error`, and some only where the content type is plain JSON.
    pub fn response_at(&self, target: &str) -> Response {
        if !paths::is_v2(target) {
            return self.response();
        }
        let mut document = self.document(None);
        document["error"] = self.detail().into();
        let mut response = self.response_with(&document);
        response.headers[0] = Header::new("content-type", "application/json");
        response
    }

    fn response_with(&self, document: &serde_json::Value) -> Response {
        // What is wrong with one client's request says nothing to the next, whatever a proxy is told to keep.
        let mut headers = vec![
            Header::new("content-type", "application/problem+json"),
            Header::new("cache-control", "no-store"),
        ];
        match self {
            Problem::MethodNotAllowed { allow, .. } => headers.push(Header::new("allow", *allow)),
            Problem::Overloaded { .. } => headers.push(Header::new("retry-after", "1")),
            Problem::UnsupportedEncoding { .. } => {
                headers.push(Header::new("accept-encoding", "gzip, deflate"));
            }
            _ => {}
        }
        Response {
            status: self.status(),
            headers,
            body: document.to_string().into_bytes(),
            log: self.log(),
            report: Report::default(),
            reuse: None,
        }
    }
}

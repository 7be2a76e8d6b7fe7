//! What is answered when no prediction is: RFC 9457 problem documents.

use serde_json::json;

use crate::http::{Header, Response};
use crate::report::Report;

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
    /// 415: the body is not JSON by its own account.
    UnsupportedMediaType {
        /// What the request said it is; `None` where it said nothing and had to.
        content_type: Option<String>,
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
    /// 422: the body is JSON, but not a valid request.
    InvalidRequest {
        /// One entry per field, all of them.
        errors: Vec<FieldError>,
    },
    /// 422: a row among too many with mistakes to explain them all.
    InvalidRow,
    /// 504: the client asked for an answer from the cache only, and there is none.
    NotCached,
    /// 500: the model could not be run, or gave no number.
    ModelFailed {
        /// Why, for the log.
        reason: String,
    },
    /// 503: the server has no room for this request just now.
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

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldError {
    /// Name of the field; empty where the whole body is meant.
    pub field: String,
    /// What was found: a string as it is, anything else as its JSON text; `None` where nothing
    /// was found. Long values are cut.
    pub value: Option<String>,
    /// What is expected, e.g. `an integer from 18 to 127`.
    pub expected: String,
    /// The whole sentence.
    pub detail: String,
}

impl Problem {
    /// The status code.
    pub fn status(&self) -> u16 {
        match self {
            Problem::MalformedJson { .. } | Problem::BodyIncomplete { timeout_ms: None } => 400,
            Problem::BodyIncomplete { timeout_ms: Some(_) } => 408,
            Problem::NotFound { .. } => 404,
            Problem::MethodNotAllowed { .. } => 405,
            Problem::BodyTooLarge { .. } => 413,
            Problem::UnsupportedMediaType { .. } => 415,
            Problem::InvalidRequest { .. } | Problem::InvalidRow => 422,
            Problem::ModelFailed { .. } | Problem::ComponentFailed => 500,
            Problem::Overloaded { .. } => 503,
            Problem::NotCached | Problem::TimedOut { .. } => 504,
        }
    }

    /// The stable name in the `type` member, and the title.
    fn name(&self) -> (&'static str, &'static str) {
        match self {
            Problem::NotFound { .. } => ("not-found", "No such endpoint"),
            Problem::MethodNotAllowed { .. } => ("method-not-allowed", "Method not allowed"),
            Problem::UnsupportedMediaType { .. } => ("unsupported-media-type", "Not JSON"),
            Problem::BodyTooLarge { .. } => ("body-too-large", "Body too large"),
            Problem::BodyIncomplete { .. } => ("body-incomplete", "Incomplete body"),
            Problem::MalformedJson { .. } => ("malformed-json", "Malformed JSON"),
            Problem::InvalidRequest { .. } | Problem::InvalidRow => {
                ("invalid-request", "Invalid request")
            }
            Problem::NotCached => ("not-cached", "Not in the cache"),
            Problem::ModelFailed { .. } => ("model-failed", "The model could not be run"),
            Problem::Overloaded { .. } => ("overloaded", "Too many requests at once"),
            Problem::TimedOut { .. } => ("timed-out", "The answer took too long"),
            Problem::ComponentFailed => ("component-failed", "The component broke down"),
        }
    }

    /// The sentence that the client reads.
    pub fn detail(&self) -> String {
        match self {
            Problem::NotFound { path, endpoints } => {
                format!("there is no {path}; the endpoints are {}", endpoints.join(", "))
            }
            Problem::MethodNotAllowed { method, allow } => {
                format!("{method} is not allowed here; use {allow}")
            }
            Problem::UnsupportedMediaType { content_type } => {
                let found =
                    content_type.as_ref().map_or("missing".to_owned(), |t| format!("{t:?}"));
                format!("the content type is {found}; send application/json")
            }
            Problem::InvalidRow => {
                "the row has mistakes; they are explained for the first rows only".into()
            }
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
            Problem::MalformedJson { detail } => detail.clone(),
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
        let (name, title) = self.name();
        let mut document = json!({
            "type": format!("urn:foretold:problem:{name}"),
            "title": title,
            "status": self.status(),
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
        let mut headers = vec![Header::new("content-type", "application/problem+json")];
        match self {
            Problem::MethodNotAllowed { allow, .. } => headers.push(Header::new("allow", *allow)),
            Problem::Overloaded { .. } => headers.push(Header::new("retry-after", "1")),
            _ => {}
        }
        Response {
            status: self.status(),
            headers,
            body: self.document(None).to_string().into_bytes(),
            log: self.log(),
            report: Report::default(),
        }
    }
}

impl FieldError {
    /// The member `errors[i]`: the pointer is RFC 6901.
    fn to_json(&self, row: Option<usize>) -> serde_json::Value {
        let row = row.map_or(String::new(), |row| format!("/{row}"));
        let pointer = match self.field.as_str() {
            "" => row,
            field => format!("{row}/{}", field.replace('~', "~0").replace('/', "~1")),
        };
        json!({
            "pointer": pointer,
            "field": self.field,
            "value": self.value,
            "expected": self.expected,
            "detail": self.detail,
        })
    }
}

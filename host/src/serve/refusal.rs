//! What the host answers itself.

use foretold_core::http::problem::Problem;
use http_body_util::Full;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use crate::serve::bounds::Bound;
use crate::serve::convert::HttpResponse;

/// Why the host does not hand a request to the component, or its answer to the client.
#[derive(Debug)]
pub(crate) struct Refusal {
    what: What,
    /// The bound that was reached.
    pub(crate) bound: Option<Bound>,
}

#[derive(Debug)]
enum What {
    Problem(Problem),
    /// There is no memory for it now; why, as a clause.
    Busy(&'static str),
    /// It is about the head and not about a prediction: a status that says it all, and why, as a clause.
    Head(StatusCode, &'static str),
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Refusal {
        Refusal::new(problem)
    }
}

impl Refusal {
    pub(crate) fn new(problem: Problem) -> Refusal {
        Refusal { what: What::Problem(problem), bound: None }
    }

    /// 503: there is no memory for it now.
    pub(crate) fn busy(why: &'static str) -> Refusal {
        Refusal { what: What::Busy(why), bound: None }
    }

    /// 400: the head is not what HTTP asks for.
    pub(crate) fn bad_request(why: &'static str) -> Refusal {
        Refusal { what: What::Head(StatusCode::BAD_REQUEST, why), bound: None }
    }

    /// 421: the client asks by a name that is not this host's.
    pub(crate) fn misdirected() -> Refusal {
        let why = "this host is not asked by the name in the header Host; its operator can allow the \
                   name with --allowed-hosts";
        Refusal { what: What::Head(StatusCode::MISDIRECTED_REQUEST, why), bound: None }
    }

    /// The same, counted for a bound.
    pub(crate) fn at(self, bound: Bound) -> Refusal {
        Refusal { bound: Some(bound), ..self }
    }

    /// Whether the request was left unread, so that its connection is of no more use.
    pub(crate) fn is_unread(&self) -> bool {
        match &self.what {
            What::Problem(problem) => {
                matches!(problem, Problem::BodyTooLarge { .. } | Problem::BodyIncomplete { .. })
            }
            What::Busy(_) => matches!(self.bound, Some(Bound::BodyMemory)),
            What::Head(..) => true,
        }
    }

    /// The answer, as the path that was asked needs it.
    pub(crate) fn response(&self, target: &str) -> HttpResponse {
        let mut response = match &self.what {
            What::Problem(problem) => problem_response(problem, target, None),
            What::Busy(why) => {
                let detail = format!("{why}; try again in a moment");
                // Its number is only in the sentence that is replaced.
                let problem = Problem::Overloaded { max_concurrent_requests: 0 };
                problem_response(&problem, target, Some(detail))
            }
            What::Head(status, why) => about_head(*status, why),
        };
        if self.is_unread() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

fn problem_response(problem: &Problem, target: &str, detail: Option<String>) -> HttpResponse {
    let response = problem.response_at(target);
    let body = match detail {
        None => response.body,
        Some(detail) => with_detail(response.body, detail),
    };
    let mut http = Response::new(Full::new(body.into()));
    // Every problem has a legal status, and headers in ASCII.
    *http.status_mut() =
        StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for header in response.headers {
        if let Ok(value) = HeaderValue::from_str(&header.value) {
            http.headers_mut().append(HeaderName::from_static(header.name), value);
        }
    }
    http
}

fn with_detail(body: Vec<u8>, detail: String) -> Vec<u8> {
    let Ok(Value::Object(mut document)) = serde_json::from_slice(&body) else { return body };
    for member in ["detail", "error"] {
        if let Some(value) = document.get_mut(member) {
            *value = detail.clone().into();
        }
    }
    Value::Object(document).to_string().into_bytes()
}

/// Not about a prediction, so that the status says it all (RFC 9457, section 4.2.1).
fn about_head(status: StatusCode, detail: &str) -> HttpResponse {
    let (title, code) = (status.canonical_reason(), status.as_u16());
    let document = json!({"type": "about:blank", "title": title, "status": code, "detail": detail});
    let mut response = Response::new(Full::new(document.to_string().into()));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_busy_host_says_why_and_when_to_come_back() {
        use http_body_util::BodyExt;
        for (target, member) in [("/decisions", "detail"), ("/v2/models/credit/infer", "error")] {
            let response = Refusal::busy("bodies take all").at(Bound::BodyMemory).response(target);
            assert_eq!(response.status(), 503);
            assert_eq!(response.headers()["retry-after"], "1");
            assert_eq!(response.headers()["connection"], "close");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let document: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(document[member], "bodies take all; try again in a moment");
        }
    }
}

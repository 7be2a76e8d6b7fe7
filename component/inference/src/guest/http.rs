//! Requests and responses of wasi:http, for which every artefact's bindings have their own types.

use std::borrow::Cow;

use foretold_core::http::problem::Problem;
use foretold_core::http::{self, Headers, REQUEST_HEADERS, Request, Response};

/// A request but for its body.
#[derive(Debug)]
pub struct Incoming {
    method: String,
    target: String,
    headers: [Option<String>; REQUEST_HEADERS.len()],
}

impl Incoming {
    /// A request by its method, its path with the query, and the values of its headers by name.
    pub fn new(method: String, target: String, values: impl Fn(&str) -> Vec<Vec<u8>>) -> Incoming {
        let headers = REQUEST_HEADERS.map(|name| header(&values(name)));
        Incoming { method, target, headers }
    }

    /// Answers it, once its body was read or could not be.
    pub fn answer(
        &self,
        body: Result<Vec<u8>, Problem>,
        answer: impl FnOnce(&Request<'_>) -> Response,
    ) -> Response {
        match body {
            Ok(body) => answer(&Request {
                method: &self.method,
                target: &self.target,
                headers: Headers::from_values(self.headers.each_ref().map(Option::as_deref)),
                body: &body,
                bypass_store: false,
            }),
            Err(problem) => problem.response_at(&self.target),
        }
    }
}

/// The values of a header as one list; `None` where it is not there.
pub fn header(values: &[Vec<u8>]) -> Option<String> {
    http::list(values.iter().map(Vec::as_slice)).map(Cow::into_owned)
}

/// The response where the instance cannot be made; why is for the log.
pub fn unusable(log: String) -> Response {
    Response { log: Some(log), ..Problem::ComponentFailed.response() }
}

/// All headers of a response, with the length of its body.
pub fn headers(response: &Response) -> impl Iterator<Item = (&'static str, String)> {
    let headers = response.headers.iter().map(|header| (header.name, header.value.to_string()));
    headers.chain([("content-length", response.body.len().to_string())])
}

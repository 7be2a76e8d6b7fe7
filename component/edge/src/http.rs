//! The standard handler, `wasi:http/incoming-handler`, for hosts that know nothing of Foretold.
//!
//! Settings come from environment variables there: `FORETOLD_STORE`, the label of the key-value
//! store (`default` unless set), and those of [`Settings::from_variables`] in capitals with
//! `FORETOLD_` in front, e.g. `FORETOLD_TTL_SECONDS`.

use std::env::{self, VarError};

use foretold_core::http::problem::Problem;
use foretold_core::http::{MAX_BODY_BYTES, Response};
use foretold_core::settings::Settings;
use foretold_inference::guest::http::{self, Incoming};

use crate::Component;
use crate::bindings::exports::wasi::http::incoming_handler::Guest;
use crate::bindings::wasi::http::types::{
    Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use crate::bindings::wasi::io::streams::StreamError;
use crate::handler::Instance;

/// What one read or write moves at most; `blocking-write-and-flush` takes no more.
const CHUNK_BYTES: usize = 4096;

impl Guest for Component {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let response = respond(&request);
        if let Some(log) = &response.log {
            eprintln!("{log}");
        }
        send(response, out);
    }
}

fn respond(request: &IncomingRequest) -> Response {
    let instance = match configured() {
        Ok(instance) => instance,
        Err(log) => return http::unusable(log),
    };
    let method = method_name(&request.method()).to_owned();
    let target = request.path_with_query().unwrap_or_else(|| "/".to_owned());
    let fields = request.headers();
    let incoming = Incoming::new(method, target, |name| fields.get(name));
    incoming.answer(read_body(request), |request| instance.answer(request).response)
}

fn configured() -> Result<Instance, String> {
    let name = |name: &str| format!("FORETOLD_{}", name.to_ascii_uppercase());
    let variable = |variable: &str| match env::var(name(variable)) {
        Ok(value) => Ok(Some(value)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err("expected UTF-8".to_owned()),
    };
    // A host with a single store may know it by an empty label.
    let store = variable("store")?.unwrap_or_else(|| "default".to_owned());
    let settings = Settings::from_variables(variable)
        .map_err(|error| format!("{}: {}", name(error.name), error.error))?;
    Instance::new(store, settings)
}

fn read_body(request: &IncomingRequest) -> Result<Vec<u8>, Problem> {
    let broken = || Problem::BodyIncomplete { timeout_ms: None };
    let body = request.consume().map_err(|()| broken())?;
    let stream = body.stream().map_err(|()| broken())?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(CHUNK_BYTES as u64) {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(StreamError::LastOperationFailed(_)) => return Err(broken()),
        }
        if bytes.len() > MAX_BODY_BYTES {
            return Err(Problem::BodyTooLarge { max_body_bytes: MAX_BODY_BYTES });
        }
    }
}

fn send(response: Response, out: ResponseOutparam) {
    let fields = Fields::new();
    for (name, value) in http::headers(&response) {
        // A host that forbids a header sends the response without it.
        let _ = fields.append(name, &value.into_bytes());
    }
    let outgoing = OutgoingResponse::new(fields);
    outgoing.set_status_code(response.status).expect("every problem has a legal status");
    let body = outgoing.body().expect("the body is taken once");
    ResponseOutparam::set(out, Ok(outgoing));
    let stream = body.write().expect("the stream is taken once");
    for chunk in response.body.chunks(CHUNK_BYTES) {
        // The client may be gone; there is nobody left to tell.
        if stream.blocking_write_and_flush(chunk).is_err() {
            break;
        }
    }
    drop(stream);
    let _ = OutgoingBody::finish(body, None);
}

fn method_name(method: &Method) -> &str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(name) => name,
    }
}

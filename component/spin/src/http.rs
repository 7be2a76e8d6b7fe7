//! The handler that Spin calls, and the request and response that the pipeline takes and gives.

use std::borrow::Cow;
use std::pin::pin;

use foretold_core::http::problem::Problem;
use foretold_core::http::{self, Headers, MAX_BODY_BYTES, REQUEST_HEADERS, Request, Response};
use futures::StreamExt;
use spin_sdk::http::{IncomingRequest, OutgoingResponse, ResponseOutparam};
use spin_sdk::http_component;

use crate::instance::Instance;

/// Where Spin says which part of the path is behind the route.
const PATH_INFO: &str = "spin-path-info";

#[http_component]
async fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let response = respond(request).await;
    if let Some(log) = &response.log {
        eprintln!("{log}");
    }
    send(response, out).await;
}

async fn respond(request: IncomingRequest) -> Response {
    let instance = match Instance::new() {
        Ok(instance) => instance,
        Err(log) => return Response { log: Some(log), ..Problem::ComponentFailed.response() },
    };
    let method = request.method().to_string();
    let fields = request.headers();
    let path = request.path_with_query().unwrap_or_else(|| "/".to_owned());
    let target = target(&path, value(&fields.get(PATH_INFO)).as_deref());
    let headers = REQUEST_HEADERS.map(|name| value(&fields.get(name)));
    drop(fields);
    match read_body(request).await {
        Ok(body) => {
            let request = Request {
                method: &method,
                target: &target,
                headers: Headers::from_values(headers.each_ref().map(Option::as_deref)),
                body: &body,
                bypass_store: false,
            };
            instance.answer(&request).response
        }
        Err(problem) => problem.response_at(&target),
    }
}

/// The path as the model's endpoints have it, whatever the route of the application; a route
/// without a wildcard is an endpoint itself.
fn target(path_with_query: &str, path_info: Option<&str>) -> String {
    let Some(path_info) = path_info.filter(|path| !path.is_empty()) else {
        return path_with_query.to_owned();
    };
    match path_with_query.split_once('?') {
        Some((_, query)) => format!("{path_info}?{query}"),
        None => path_info.to_owned(),
    }
}

/// The values of a header as one list; `None` where it is not there.
fn value(values: &[Vec<u8>]) -> Option<String> {
    http::list(values.iter().map(Vec::as_slice)).map(Cow::into_owned)
}

async fn read_body(request: IncomingRequest) -> Result<Vec<u8>, Problem> {
    let mut chunks = pin!(request.into_body_stream());
    let mut body = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Problem::BodyIncomplete { timeout_ms: None })?;
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BODY_BYTES {
            return Err(Problem::BodyTooLarge { max_body_bytes: MAX_BODY_BYTES });
        }
    }
    Ok(body)
}

async fn send(response: Response, out: ResponseOutparam) {
    let fields = spin_sdk::http::Headers::new();
    let length = ("content-length", response.body.len().to_string());
    let headers = response.headers.iter().map(|header| (header.name, header.value.to_string()));
    for (name, value) in headers.chain([length]) {
        // A host that forbids a header sends the response without it.
        let _ = fields.append(name, &value.into_bytes());
    }
    let outgoing = OutgoingResponse::new(fields);
    outgoing.set_status_code(response.status).expect("every problem has a legal status");
    // The client may be gone; there is nobody left to tell.
    let _ = out.set_with_body(outgoing, response.body).await;
}

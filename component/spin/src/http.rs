//! The handler that Spin calls, and the request and response that the pipeline takes and gives.

use std::pin::pin;

use foretold_core::http::problem::Problem;
use foretold_core::http::{MAX_BODY_BYTES, Response};
use foretold_inference::guest::http::{self, Incoming};
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
        Err(log) => return http::unusable(log),
    };
    let fields = request.headers();
    let path = request.path_with_query().unwrap_or_else(|| "/".to_owned());
    let target = target(&path, http::header(&fields.get(PATH_INFO)).as_deref());
    let method = request.method().to_string();
    let incoming = Incoming::new(method, target, |name| fields.get(name));
    drop(fields);
    incoming.answer(read_body(request).await, |request| instance.answer(request).response)
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
    for (name, value) in http::headers(&response) {
        // A host that forbids a header sends the response without it.
        let _ = fields.append(name, &value.into_bytes());
    }
    let outgoing = OutgoingResponse::new(fields);
    outgoing.set_status_code(response.status).expect("every problem has a legal status");
    // The client may be gone; there is nobody left to tell.
    let _ = out.set_with_body(outgoing, response.body).await;
}

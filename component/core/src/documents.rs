//! What a service says of itself: the index, the pages, the OpenAPI document, health, and the
//! metadata of the Open Inference Protocol.

mod openapi;
pub(crate) mod pages;

use serde_json::{Value as Json, json};

use crate::Model;
use crate::Store;
use crate::http::accept;
use crate::http::encoding;
use crate::http::etag;
use crate::http::paths;
use crate::http::resource::Resource;
use crate::http::{Header, Request, Response};
use crate::service::Service;
use crate::settings::Settings;
use crate::v2;
use pages::Page;

/// The methods of a resource.
pub(crate) fn options(resource: Resource, settings: &Settings) -> Response {
    let allow = Header::new("allow", resource.methods(settings.allowed));
    Response { headers: vec![allow], ..Response::new(204, "", "") }
}

/// The answer to GET and HEAD; a host leaves out the body where the method is HEAD.
pub(crate) fn respond(
    service: &Service,
    resource: Resource,
    request: &Request<'_>,
    store: &impl Store,
    model: &impl Model,
    settings: &Settings,
) -> Response {
    let (manifest, version) = (service.manifest(), service.version());
    let document = match resource {
        Resource::Page(page) => return page_response(page, request),
        Resource::Index if wants_page(request) => {
            let mut response = page_response(&pages::LANDING, request);
            response.vary("accept");
            return response;
        }
        Resource::Index => index(service),
        Resource::OpenApi => {
            let takes_gzip = accept::takes_gzip(request.headers.accept_encoding);
            return service.openapi(settings, takes_gzip, || {
                let document = openapi::document(service, model, settings).to_string();
                let mut response = Response::new(200, "application/json", document);
                let etag = etag::of(&response.body);
                tag(&mut response, etag);
                encoding::encode(request, &mut response);
                response
            });
        }
        Resource::Alive => json!({ "status": "alive" }),
        Resource::Ready => ready(service, store, settings),
        Resource::V2Server => v2::server(),
        Resource::V2Live => json!({ "live": true }),
        Resource::V2Ready => json!({ "ready": true }),
        Resource::V2Model => v2::model(manifest, version),
        Resource::V2ModelReady => json!({ "name": manifest.name, "ready": true }),
        Resource::V2ModelConfig => v2::config(manifest, version),
        Resource::V2Index => v2::index(manifest, version),
        Resource::Endpoint(_) | Resource::Predictions | Resource::Infer => {
            unreachable!("they answer with predictions")
        }
    };
    let mut response = Response::new(200, "application/json", document.to_string());
    if resource == Resource::Index {
        response.vary("accept");
    }
    response.headers.push(Header::new("cache-control", "no-store"));
    response
}

/// Whether a client likes a page better than JSON: a browser does.
fn wants_page(request: &Request<'_>) -> bool {
    let media_types = Resource::Index.media_types();
    accept::best(request.headers.accept, media_types) == Some("text/html")
}

/// What there is, for programs and for people with a command line. The documents' paths are relative,
/// since a host may have put the service below a path of its own.
fn index(service: &Service) -> Json {
    let manifest = service.manifest();
    let relative = |path: &'static str| path.trim_start_matches('/');
    json!({
        "name": manifest.name,
        "description": manifest.description,
        "version": service.version(),
        "endpoints": service.endpoints(),
        "openapi": relative(paths::OPENAPI),
        "docs": relative(paths::DOCS),
        "health": [relative(paths::HEALTHZ), relative(paths::READYZ)],
    })
}

/// The model is loaded, or nothing would answer. Without a store predictions go on.
fn ready(service: &Service, store: &impl Store, settings: &Settings) -> Json {
    let manifest = service.manifest();
    let layout = service.key_layout();
    let packed = layout.pack(&manifest.example());
    let key = layout.key(
        settings.keys,
        settings.key_secret.as_ref(),
        manifest.endpoints.first(),
        &packed,
    );
    let (status, found) = match store.get(&[key]) {
        Ok(_) => ("ready", "available"),
        Err(_) => ("degraded", "unavailable"),
    };
    json!({ "status": status, "model": manifest.name, "store": found })
}

fn page_response(page: &Page, request: &Request<'_>) -> Response {
    let takes_gzip = accept::takes_gzip(request.headers.accept_encoding);
    let mut response = Response::new(200, page.content_type, "");
    response.body = match page.is_compressed && !takes_gzip {
        true => encoding::decompress(page.bytes),
        false => page.bytes.to_vec(),
    };
    if page.is_compressed && takes_gzip {
        response.headers.push(Header::new("content-encoding", "gzip"));
    }
    if page.is_compressed {
        response.vary("accept-encoding");
    }
    response.headers.extend([
        Header::new("content-security-policy", pages::CONTENT_SECURITY_POLICY),
        Header::new("x-content-type-options", "nosniff"),
        Header::new("referrer-policy", "no-referrer"),
    ]);
    tag(&mut response, page.tag(!takes_gzip));
    response
}

/// Lets a client keep the response and ask whether it is still the same.
fn tag(response: &mut Response, etag: String) {
    response.headers.push(Header::new("cache-control", "no-cache"));
    response.headers.push(Header::new("etag", etag));
}

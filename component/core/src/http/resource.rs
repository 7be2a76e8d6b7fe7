//! What is where: the paths of a service, the methods that each knows, and what each answers with.

use crate::documents::pages::{self, Page};
use crate::model::manifest::Manifest;
use crate::settings::Allowed;

/// Paths that a manifest cannot use for an endpoint: these, and all below the last two.
pub(crate) const RESERVED: [&str; 6] =
    ["/predictions", "/openapi.json", "/healthz", "/readyz", "/docs", "/v2"];

/// What a path means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Resource {
    /// The answers of one endpoint, by its position.
    Endpoint(usize),
    /// `/predictions`: the answers of all endpoints, or of those that the query names.
    Predictions,
    /// Predictions as the Open Inference Protocol has them.
    Infer,
    /// What there is, for browsers a page.
    Index,
    /// A page, or a file that one needs.
    Page(&'static Page),
    /// The OpenAPI document.
    OpenApi,
    /// Whether the process is alive.
    Alive,
    /// Whether it can predict, and whether it has a store.
    Ready,
    /// What the server is, to clients of the Open Inference Protocol.
    V2Server,
    /// Whether it is alive, likewise.
    V2Live,
    /// Whether it can predict, likewise.
    V2Ready,
    /// What the model takes and gives, likewise.
    V2Model,
    /// Whether the model can predict, likewise.
    V2ModelReady,
}

impl Resource {
    /// What a path means, if anything. `version` is the model's, in paths of the protocol V2.
    pub(crate) fn at(path: &str, manifest: &Manifest, version: &str) -> Option<Resource> {
        // First what is asked most.
        if let Some(endpoint) = manifest.endpoints.iter().position(|known| known.path == path) {
            return Some(Resource::Endpoint(endpoint));
        }
        Some(match path {
            "/predictions" => Resource::Predictions,
            "/" | "" => Resource::Index,
            "/openapi.json" => Resource::OpenApi,
            "/healthz" => Resource::Alive,
            "/readyz" => Resource::Ready,
            "/docs" => Resource::Page(&pages::DOCS),
            "/v2" => Resource::V2Server,
            "/v2/health/live" => Resource::V2Live,
            "/v2/health/ready" => Resource::V2Ready,
            _ => match path.strip_prefix("/docs/") {
                Some(file) => Resource::Page(pages::file(file)?),
                None => Resource::of_model(path, &manifest.name, version)?,
            },
        })
    }

    /// `/v2/models/NAME[/versions/VERSION][/ready|/infer]`
    fn of_model(path: &str, name: &str, version: &str) -> Option<Resource> {
        let rest = path.strip_prefix("/v2/models/")?.strip_prefix(name)?;
        let rest = match rest.strip_prefix("/versions/") {
            Some(versioned) => versioned.strip_prefix(version)?,
            None => rest,
        };
        match rest {
            "" => Some(Resource::V2Model),
            "/ready" => Some(Resource::V2ModelReady),
            "/infer" => Some(Resource::Infer),
            _ => None,
        }
    }

    /// Whether it answers with predictions.
    pub(crate) fn predicts(self) -> bool {
        matches!(self, Resource::Endpoint(_) | Resource::Predictions | Resource::Infer)
    }

    /// The methods it knows, for the `Allow` header.
    pub(crate) fn methods(self, allowed: Allowed) -> &'static str {
        match self {
            Resource::Endpoint(_) | Resource::Predictions => allowed.methods(),
            Resource::Infer => "POST, OPTIONS",
            _ => "GET, HEAD, OPTIONS",
        }
    }

    /// The media type of its answers, as one that may be asked for.
    pub(crate) fn media_types(self) -> &'static [&'static str] {
        match self {
            Resource::Page(page) => std::slice::from_ref(&page.media_type),
            Resource::Index => &["application/json", "text/html"],
            Resource::Infer => &["application/json", "application/octet-stream"],
            _ => &["application/json"],
        }
    }
}

/// Whether a path and query is one of the Open Inference Protocol, whose clients read errors their own way.
pub(crate) fn is_v2(target: &str) -> bool {
    let path = target.split('?').next().unwrap_or_default();
    path.strip_prefix("/v2").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

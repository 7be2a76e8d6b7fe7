//! What is where: the paths of a service, the methods that each knows, and what each answers with.

use crate::documents::pages::{self, Page};
use crate::http::paths;
use crate::model::manifest::Manifest;
use crate::settings::Allowed;

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
    /// Whether it is alive, in that protocol.
    V2Live,
    /// Whether it can predict, in that protocol.
    V2Ready,
    /// What the model takes and gives, in that protocol.
    V2Model,
    /// Whether the model can predict, in that protocol.
    V2ModelReady,
    /// What the model is set to, as Triton says it.
    V2ModelConfig,
    /// The models that there are, as Triton says it.
    V2Index,
}

impl Resource {
    /// What a path means, if anything; its escapes are resolved. `version` is the model's, in paths of the protocol V2.
    pub(crate) fn at(path: &str, manifest: &Manifest, version: &str) -> Option<Resource> {
        // First what is asked most.
        if let Some(endpoint) = manifest.endpoints.iter().position(|known| known.path == path) {
            return Some(Resource::Endpoint(endpoint));
        }
        Some(match path {
            paths::PREDICTIONS => Resource::Predictions,
            paths::INDEX | "" => Resource::Index,
            paths::OPENAPI => Resource::OpenApi,
            paths::HEALTHZ => Resource::Alive,
            paths::READYZ => Resource::Ready,
            paths::DOCS => Resource::Page(&pages::DOCS),
            paths::V2 => Resource::V2Server,
            paths::V2_LIVE => Resource::V2Live,
            paths::V2_READY => Resource::V2Ready,
            paths::V2_INDEX => Resource::V2Index,
            _ => match paths::below(path, paths::DOCS) {
                Some(file) => Resource::Page(pages::file(file.strip_prefix('/')?)?),
                None => Resource::of_model(paths::below_model(path, &manifest.name, version)?)?,
            },
        })
    }

    /// What is where below the path of the model, with or without its version.
    fn of_model(rest: &str) -> Option<Resource> {
        match rest {
            "" => Some(Resource::V2Model),
            paths::READY => Some(Resource::V2ModelReady),
            paths::CONFIG => Some(Resource::V2ModelConfig),
            paths::INFER => Some(Resource::Infer),
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
            Resource::Infer | Resource::V2Index => "POST, OPTIONS",
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

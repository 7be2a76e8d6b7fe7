//! A model that is served: its manifest, its keys and its paths.

use std::sync::OnceLock;

use crate::cache::key::{KeyLayout, ModelId};
use crate::http::paths;
use crate::http::resource::Resource;
use crate::http::{REQUEST_HEADERS, Response};
use crate::model::manifest::Manifest;
use crate::settings::Settings;

/// What the pipeline needs to know of a model, made once when it is loaded.
#[derive(Clone, Debug)]
pub struct Service {
    manifest: Manifest,
    layout: KeyLayout,
    version: String,
    /// The OpenAPI document, plain and compressed, each with the settings that it was made for: it
    /// takes a thousand times as long as a prediction, and whoever wants to do harm asks for it.
    openapi: [OnceLock<(Settings, Response)>; 2],
}

/// What a host needs to know of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Name of the model.
    pub model: String,
    /// The model's id.
    pub version: String,
    /// Longest that an entry may be served, in seconds.
    pub ttl_seconds: u32,
    /// Every path that answers with predictions, in the order of their endpoints; of several for
    /// one endpoint the usual one first.
    pub paths: Vec<PredictionPath>,
    /// The request headers that matter, in lower case.
    pub request_headers: Vec<String>,
}

/// A path that answers with predictions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PredictionPath {
    /// The path, e.g. `/decisions`.
    pub path: String,
    /// What it is counted as: [`Report::endpoint`](crate::report::Report::endpoint) of its requests,
    /// and its position in [`Service::endpoints`].
    pub endpoint: usize,
}

/// When a request is answered: what this crate needs of a clock, which it never reads itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Seconds since 1970: entries are dated in them, and their age is judged by them.
    pub seconds: u32,
    /// A number that differs from request to request, e.g. of a nanosecond clock: early refresh
    /// draws with it.
    pub entropy: u64,
}

impl Description {
    /// The usual path of each endpoint: [`Report::endpoint`](crate::report::Report::endpoint) is a
    /// position in this list.
    pub fn endpoints(&self) -> Vec<String> {
        let mut paths: Vec<&PredictionPath> = self.paths.iter().collect();
        paths.dedup_by_key(|path| path.endpoint);
        paths.into_iter().map(|path| path.path.clone()).collect()
    }
}

impl Service {
    /// The service for a manifest and the model it belongs to.
    pub fn new(manifest: Manifest, model: ModelId) -> Service {
        let layout = KeyLayout::new(model, &manifest.features);
        let openapi = [OnceLock::new(), OnceLock::new()];
        Service { manifest, layout, version: model.to_string(), openapi }
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The layout of the keys.
    pub fn key_layout(&self) -> &KeyLayout {
        &self.layout
    }

    /// The version of the model: its id as text.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The usual path of each endpoint: those of the manifest, then all answers in one, then the
    /// Open Inference Protocol's. [`Report::endpoint`](crate::report::Report::endpoint) is a
    /// position in this list.
    pub fn endpoints(&self) -> Vec<String> {
        let endpoints = self.manifest.endpoints.iter().map(|endpoint| endpoint.path.clone());
        let infer = paths::v2_model(&self.manifest.name) + paths::INFER;
        endpoints.chain([paths::PREDICTIONS.to_owned(), infer]).collect()
    }

    /// What a host needs to know of the service.
    pub fn description(&self, settings: &Settings) -> Description {
        Description {
            model: self.manifest.name.clone(),
            version: self.version.clone(),
            ttl_seconds: settings.longest_seconds(&self.manifest),
            paths: self.prediction_paths(),
            request_headers: REQUEST_HEADERS.map(str::to_owned).to_vec(),
        }
    }

    fn prediction_paths(&self) -> Vec<PredictionPath> {
        let endpoints = self.endpoints().into_iter().enumerate();
        let mut paths: Vec<PredictionPath> =
            endpoints.map(|(endpoint, path)| PredictionPath { path, endpoint }).collect();
        let versioned = paths::v2_version(&self.manifest.name, &self.version) + paths::INFER;
        let infer = self.position(Resource::Infer);
        paths.extend(infer.map(|endpoint| PredictionPath { path: versioned, endpoint }));
        paths
    }

    /// The response with the OpenAPI document, which is made once for the settings of the first
    /// request for it.
    pub(crate) fn openapi(
        &self,
        settings: &Settings,
        is_compressed: bool,
        make: impl Fn() -> Response,
    ) -> Response {
        let kept =
            self.openapi[usize::from(is_compressed)].get_or_init(|| (settings.clone(), make()));
        if kept.0 == *settings { kept.1.clone() } else { make() }
    }

    /// The position of a resource in [`Service::endpoints`].
    pub(crate) fn position(&self, resource: Resource) -> Option<usize> {
        let endpoints = self.manifest.endpoints.len();
        match resource {
            Resource::Endpoint(endpoint) => Some(endpoint),
            Resource::Predictions => Some(endpoints),
            Resource::Infer => Some(endpoints + 1),
            _ => None,
        }
    }
}

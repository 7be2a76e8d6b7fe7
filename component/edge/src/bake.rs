//! The model, loaded once when the component is baked and part of its snapshot from then on.
//!
//! Invariant: what happens here is frozen and the same in every instance, so nothing is printed,
//! no store is opened and no clock is read.

use std::sync::OnceLock;

use foretold_core::key::ModelId;
use foretold_core::manifest::Manifest;
use foretold_core::pipeline::Service;
use foretold_inference::{OnnxModel, SEMANTICS};

use crate::Component;
use crate::bindings::exports::foretold::component::bake::Guest;

/// A service and its model.
pub(crate) struct Baked {
    pub(crate) service: Service,
    pub(crate) model: OnnxModel,
    pub(crate) id: ModelId,
    /// Text of the manifest.
    pub(crate) manifest: String,
}

static BAKED: OnceLock<Baked> = OnceLock::new();

/// What was baked in.
///
/// # Errors
/// What to do, where nothing was.
pub(crate) fn baked() -> Result<&'static Baked, String> {
    BAKED.get().ok_or_else(|| {
        "this component has no model yet; run `foretold bake MODEL_DIR -o FILE.wasm` and use that file"
            .to_owned()
    })
}

impl Guest for Component {
    fn bake(manifest: String, model: Vec<u8>) -> Result<(), String> {
        let text = manifest;
        let manifest =
            Manifest::parse(&text).map_err(|errors| format!("the manifest:\n{errors}"))?;
        let id = ModelId::new(&model, &manifest, SEMANTICS);
        let file = &manifest.file;
        let model = OnnxModel::load(&model, &manifest)
            .map_err(|error| format!("the model {file}: {error}"))?;
        let service = Service::new(manifest, id);
        BAKED.set(Baked { service, model, id, manifest: text }).map_err(|_| {
            "this component has a model already; bake the generic component".to_owned()
        })
    }
}

impl crate::bindings::Guest for Component {
    fn wizer_initialize() {}
}

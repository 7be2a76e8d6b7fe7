//! The model that a component carries: loaded once when it is baked, and part of its snapshot from
//! then on.
//!
//! Invariant: what happens in [`bake`] is frozen and the same in every instance, so nothing is
//! printed, no store is opened and no clock is read.

use std::sync::OnceLock;

use foretold_core::Model;
use foretold_core::cache::key::ModelId;
use foretold_core::model::feature::Value;
use foretold_core::model::manifest::Manifest;
use foretold_core::service::Service;

use crate::pack::{self, Packed};
use crate::{OnnxModel, SEMANTICS};

/// A service and its model.
#[derive(Debug)]
pub struct Baked {
    /// What the pipeline needs to know of the model.
    pub service: Service,
    /// The model.
    pub model: OnnxModel,
    /// The model's id.
    pub id: ModelId,
    /// Text of the manifest.
    pub manifest: String,
}

static BAKED: OnceLock<Baked> = OnceLock::new();

/// Loads the model of this component. `packed` is the id of the file that the model was [packed](pack())
/// from.
///
/// # Errors
/// With what is wrong with the manifest or the model, or if there is a model already.
pub fn bake(manifest: String, mut model: Vec<u8>, packed: Option<&str>) -> Result<(), String> {
    let text = manifest;
    let manifest = parse(&text)?;
    let id = match packed {
        Some(id) => id.parse::<ModelId>().map_err(|error| error.to_string())?,
        None => ModelId::new(&model, &manifest, SEMANTICS),
    };
    let bytes = &mut model;
    let file = &manifest.file;
    let loaded = OnnxModel::load(bytes, &manifest);
    // What is freed is part of the snapshot, too; zeros take no room there.
    bytes.fill(0);
    let model = loaded
        .map_err(|error| error.to_string())
        .and_then(|model| check_optional(&model, &manifest).map(|()| model))
        .map_err(|error| format!("the model {file}: {error}"))?;
    let service = Service::new(manifest, id);
    BAKED
        .set(Baked { service, model, id, manifest: text })
        .map_err(|_| "this component has a model already; bake the generic component".to_owned())
}

/// The small form of a model, if there is one, and the id of the file: for [`bake`] in another
/// instance.
///
/// # Errors
/// With what is wrong with the manifest or the model.
pub fn pack(manifest: &str, model: &[u8]) -> Result<Option<Packed>, String> {
    let manifest = parse(manifest)?;
    pack::pack(model, &manifest).map_err(|error| format!("the model {}: {error}", manifest.file))
}

fn parse(manifest: &str) -> Result<Manifest, String> {
    Manifest::parse(manifest).map_err(|errors| format!("the manifest:\n{errors}"))
}

/// Refuses a feature as optional without which the model gives no number: each request without it
/// would fail.
fn check_optional(model: &OnnxModel, manifest: &Manifest) -> Result<(), String> {
    let example = manifest.example();
    let is_finite = |row: &[Value]| {
        model.predict(row).is_ok_and(|outputs| outputs.iter().all(|output| output.is_finite()))
    };
    if !is_finite(&example) {
        return Ok(());
    }
    for (position, feature) in manifest.features.iter().enumerate().filter(|(_, it)| it.optional) {
        let mut row = example.clone();
        row[position] = Value::Missing;
        if !is_finite(&row) {
            return Err(format!(
                "the feature {:?} is optional, but the model gives no number without it; let the \
                 model impute it, or remove `optional`",
                feature.name
            ));
        }
    }
    Ok(())
}

/// What was baked in.
///
/// # Errors
/// What to do, where nothing was. `target` is the component's, as `foretold bake` takes it.
pub fn baked(target: &str) -> Result<&'static Baked, String> {
    BAKED.get().ok_or_else(|| {
        format!(
            "this component has no model yet; run `foretold bake MODEL_DIR --target {target} \
             -o FILE.wasm` and use that file"
        )
    })
}

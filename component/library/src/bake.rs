//! Loading the model, when the component is baked.

use foretold_inference::baked::{self, Baked};

use crate::Component;
use crate::bindings::exports::foretold::component::bake::Guest;

/// What was baked in.
///
/// # Errors
/// What to do, where nothing was.
pub(crate) fn baked() -> Result<&'static Baked, String> {
    baked::baked("library")
}

impl Guest for Component {
    fn bake(manifest: String, model: Vec<u8>) -> Result<(), String> {
        baked::bake(manifest, &model)
    }
}

impl crate::bindings::Guest for Component {
    fn wizer_initialize() {}
}

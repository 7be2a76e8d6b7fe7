//! A folder with a manifest and the ONNX model that it names.

use std::path::Path;

use anyhow::{Context, Result, bail};
use foretold_core::model::manifest::Manifest;

use crate::plain_file;

/// Longest files. Loading a model takes several times its length, and instances have at most 4 GiB.
const MAX_MANIFEST_BYTES: u64 = 16 << 20;
pub(crate) const MAX_MODEL_BYTES: u64 = 1 << 30;

/// What is baked into a component.
#[derive(Clone, Debug)]
pub struct ModelDir {
    /// Text of `manifest.toml`; it has been checked.
    pub manifest: String,
    /// Bytes of the ONNX file.
    pub model: Vec<u8>,
    /// The model's name, from the manifest.
    pub name: String,
}

impl ModelDir {
    /// Reads and checks `manifest.toml`, and reads the model beside it.
    ///
    /// # Errors
    /// If a file cannot be read, is no plain file or too long, or with all that is wrong with the
    /// manifest.
    pub fn read(folder: &Path) -> Result<ModelDir> {
        if folder.is_file() {
            bail!("{} is a file; name the folder of the manifest and the model", folder.display());
        }
        let path = folder.join("manifest.toml");
        let unreadable = || format!("cannot read the manifest {}", path.display());
        let text = plain_file::read(&path, MAX_MANIFEST_BYTES).with_context(unreadable)?;
        let text = String::from_utf8(text).context("it is not UTF-8").with_context(unreadable)?;
        let manifest = Manifest::parse(&text).map_err(|errors| {
            anyhow::anyhow!("{} is not a valid manifest:\n{errors}", path.display())
        })?;
        let path = folder.join(&manifest.file);
        let model = plain_file::read(&path, MAX_MODEL_BYTES)
            .with_context(|| format!("cannot read the model {}", path.display()))?;
        Ok(ModelDir { manifest: text, model, name: manifest.name })
    }
}

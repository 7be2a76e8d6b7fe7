//! `foretold bake`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use tracing::info;

use crate::artefact::bake::bake;
use crate::artefact::model_dir::ModelDir;
use crate::artefact::target::Target;

/// Makes a component of a model: one file that any host of WASI components can run.
#[derive(Args)]
pub(crate) struct Bake {
    /// Folder with manifest.toml and the ONNX model that it names.
    model_dir: PathBuf,

    /// The component to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// Where the component will run.
    #[arg(long, value_name = "TARGET", value_enum, default_value_t = Target::Edge)]
    target: Target,
}

impl Bake {
    pub(crate) async fn run(&self) -> Result<()> {
        let model = ModelDir::read(&self.model_dir)?;
        let component = bake(self.target.generic()?, &model).await?;
        let path = &self.output;
        std::fs::write(path, &component)
            .with_context(|| format!("cannot write {}", path.display()))?;
        info!("wrote {} ({:.1} MB)", path.display(), component.len() as f64 / 1e6);
        Ok(())
    }
}

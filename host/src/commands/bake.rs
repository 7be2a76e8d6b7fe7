//! `foretold bake`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Args, value_parser};
use tracing::info;

use crate::artefact::bake::{BakeLimits, Baked, bake_measured};
use crate::artefact::model_dir::ModelDir;
use crate::artefact::target::Target;
use crate::commands::output::Output;

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

    /// Memory of an instance, in MiB, as `foretold serve` has it; a model that needs more is
    /// refused.
    #[arg(long, value_name = "MIB", default_value_t = 128, value_parser = value_parser!(u64).range(1..=4096))]
    max_memory_mib: u64,

    /// Time that loading the model may take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = value_parser!(u64).range(1..=86_400))]
    time_limit_s: u64,
}

impl Bake {
    pub(crate) async fn run(&self) -> Result<()> {
        let model = ModelDir::read(&self.model_dir)?;
        let limits = BakeLimits {
            memory_bytes: (self.max_memory_mib as usize) << 20,
            time: Duration::from_secs(self.time_limit_s),
        };
        let start = Instant::now();
        let Baked { component, memory_bytes } =
            bake_measured(self.target.generic()?, &model, &limits).await?;
        let path = &self.output;
        write(path, &component).with_context(|| format!("cannot write {}", path.display()))?;
        info!(
            "wrote {} ({:.1} MB) in {:.1} s; an instance takes {} MiB of memory of the {} that are \
             allowed (--max-memory-mib)",
            path.display(),
            component.len() as f64 / 1e6,
            start.elapsed().as_secs_f32(),
            memory_bytes.div_ceil(1 << 20),
            self.max_memory_mib
        );
        Ok(())
    }
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut output = Output::at(path)?;
    output.write_all(bytes)?;
    output.finish()
}

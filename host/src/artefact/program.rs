//! A compiled component: from the compiled form in the cache folder if there is one, else made now.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::Path;

use anyhow::{Context, Result, bail};
use tracing::{info, warn};
use wasmtime::component::Component;
use wasmtime::{Config, Engine};

use crate::artefact::bake;
use crate::artefact::compiled_cache::CacheFolder;
use crate::artefact::model_dir::ModelDir;
use crate::artefact::target::Target;

/// Snapshots up to this size are mapped copy-on-write into a fresh instance; larger ones would be
/// copied, which takes milliseconds.
const MAX_MAPPED_IMAGE_BYTES: u64 = 1 << 30;

/// A compiled component, ready to be instantiated.
pub struct Program {
    pub(crate) engine: Engine,
    pub(crate) component: Component,
    /// What the component is for.
    pub(crate) target: Target,
    /// The model to load into each fresh instance, where the component has none.
    pub(crate) model: Option<ModelDir>,
}

/// What to run.
pub enum Source<'a> {
    /// A folder with a manifest and a model.
    ModelDir {
        /// The folder's content.
        model: ModelDir,
        /// The component without a model.
        generic: &'a [u8],
        /// Whether the loaded model becomes part of the component. If not, every fresh instance
        /// loads it, which takes a millisecond or more, but nothing needs to be compiled.
        snapshot: bool,
    },
    /// The bytes of a baked component.
    Baked(Vec<u8>),
}

impl Source<'static> {
    /// Reads a model folder or a component file, whichever the path is.
    ///
    /// # Errors
    /// If it is neither, or not readable.
    pub fn read(path: &Path, snapshot: bool) -> Result<Source<'static>> {
        if path.is_dir() {
            let model = ModelDir::read(path)?;
            return Ok(Source::ModelDir { model, generic: Target::Edge.generic()?, snapshot });
        }
        let bytes = std::fs::read(path).with_context(|| {
            format!("cannot read {}: expected a model folder or a baked .wasm file", path.display())
        })?;
        if !bytes.starts_with(b"\0asm") {
            bail!(
                "{} is not a WebAssembly file; to serve a model, name its folder",
                path.display()
            );
        }
        Ok(Source::Baked(bytes))
    }
}

impl Program {
    /// Loads the compiled form of a source, or bakes and compiles it now.
    ///
    /// # Errors
    /// If the source is no Foretold component, its model is refused, or the folder is not usable.
    pub async fn load(source: Source<'_>, folder: &CacheFolder) -> Result<Program> {
        let engine = engine()?;
        let key = key(&engine, source.parts());
        let component = match kept(&engine, folder, &key) {
            Some(component) => component,
            None => keep(&engine, folder, &key, &compile(&engine, &source).await?)?,
        };
        let model = match source {
            Source::ModelDir { model, snapshot: false, .. } => Some(model),
            _ => None,
        };
        let target = Target::of(&component)?;
        Ok(Program { engine, component, target, model })
    }

    /// Checks that the component was baked for a target; `use_is` is what needs it.
    ///
    /// # Errors
    /// If it was not; the message says what to run.
    pub fn require(&self, target: Target, use_is: &str) -> Result<()> {
        if self.target == target {
            return Ok(());
        }
        let (found, needed) = (self.target.name(), target.name());
        bail!(
            "this component was baked for the target {found}, and {use_is} needs {needed}; run \
             `foretold bake MODEL_DIR --target {needed} -o FILE.wasm` and use that file"
        )
    }

    /// The same for a baked component, where nobody can wait asynchronously.
    ///
    /// # Errors
    /// If the bytes are no Foretold component, or the folder is not usable.
    pub fn load_baked(bytes: Vec<u8>, folder: &CacheFolder) -> Result<Program> {
        let engine = engine()?;
        let key = key(&engine, component_parts(&bytes));
        let component = match kept(&engine, folder, &key) {
            Some(component) => component,
            None => keep(&engine, folder, &key, &precompile(&engine, &bytes)?)?,
        };
        let target = Target::of(&component)?;
        Ok(Program { engine, component, target, model: None })
    }
}

/// The compiled form that the folder has, unless it is damaged.
fn kept(engine: &Engine, folder: &CacheFolder, key: &blake3::Hash) -> Option<Component> {
    let path = folder.path(key);
    let component = path.exists().then(|| read_compiled(engine, &path))?;
    if component.is_err() {
        warn!("{} is damaged: compiling again", path.display());
    }
    component.ok()
}

fn keep(
    engine: &Engine,
    folder: &CacheFolder,
    key: &blake3::Hash,
    compiled: &[u8],
) -> Result<Component> {
    read_compiled(engine, &folder.put(key, compiled)?).map_err(anyhow::Error::from)
}

fn read_compiled(engine: &Engine, path: &Path) -> wasmtime::Result<Component> {
    // SAFETY: the folder belongs to this user, nobody else may write to it, and this process or one
    // like it wrote the file with the same engine settings, which are part of its name.
    unsafe { Component::deserialize_file(engine, path) }
}

async fn compile(engine: &Engine, source: &Source<'_>) -> Result<Vec<u8>> {
    match source {
        Source::ModelDir { model, generic, snapshot: true } => {
            info!("first start with this model: baking {} and compiling it", model.name);
            precompile(engine, &bake::bake(generic, model).await?)
        }
        Source::ModelDir { generic, .. } => {
            info!("first start: compiling the generic component");
            precompile(engine, generic)
        }
        Source::Baked(bytes) => {
            info!("first start with this component: compiling it");
            precompile(engine, bytes)
        }
    }
}

fn precompile(engine: &Engine, component: &[u8]) -> Result<Vec<u8>> {
    let start = std::time::Instant::now();
    let compiled = engine.precompile_component(component).map_err(anyhow::Error::from);
    let compiled = compiled.context("cannot compile the component")?;
    info!("compiled in {:.1} s; later starts take milliseconds", start.elapsed().as_secs_f32());
    Ok(compiled)
}

impl Source<'_> {
    /// All that the compiled form depends on, besides the engine.
    fn parts(&self) -> [&[u8]; 4] {
        match self {
            Source::ModelDir { model, generic, snapshot: true } => {
                [b"baked here", generic, model.manifest.as_bytes(), &model.model]
            }
            Source::ModelDir { generic, .. } => component_parts(generic),
            Source::Baked(bytes) => component_parts(bytes),
        }
    }
}

/// The same for a component as it is.
fn component_parts(bytes: &[u8]) -> [&[u8]; 4] {
    [b"component", bytes, b"", b""]
}

/// A digest of all that the compiled form depends on.
fn key(engine: &Engine, parts: [&[u8]; 4]) -> blake3::Hash {
    // The engine hashes its version, its settings and the processor's features; 64 bits of it
    // are enough, since nobody chooses them.
    let mut engine_hash = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut engine_hash);
    let mut hash = blake3::Hasher::new_derive_key("foretold compiled component, version 1");
    hash.update(&engine_hash.finish().to_le_bytes());
    for part in parts {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize()
}

fn engine() -> Result<Engine> {
    let mut config = Config::new();
    config
        // Its bookkeeping for async components would make every call slower.
        .concurrency_support(false)
        .memory_guaranteed_dense_image_size(MAX_MAPPED_IMAGE_BYTES)
        // Lets a request's time limit end a computation, at a few percent of its speed.
        .epoch_interruption(true);
    Engine::new(&config).map_err(anyhow::Error::from)
}

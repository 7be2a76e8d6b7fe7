//! A compiled component: from the compiled form in the cache folder if there is one, else made now.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tracing::{info, warn};
use wasmtime::component::Component;
use wasmtime::{Config, Engine};

use crate::artefact::bake::{self, BakeLimits};
use crate::artefact::compiled_cache::{CacheFolder, Kept};
use crate::artefact::model_dir::ModelDir;
use crate::artefact::modules;
use crate::artefact::target::Target;
use crate::plain_file;

/// Snapshots up to this size are mapped copy-on-write into a fresh instance; larger ones would be
/// copied, which takes milliseconds.
const MAX_MAPPED_IMAGE_BYTES: u64 = 1 << 30;
/// Longest component: what WebAssembly's limits for engines allow.
pub(crate) const MAX_COMPONENT_BYTES: u64 = 1 << 30;
/// How long a component may take to compile: ours take seconds, on a machine that has time for it.
const COMPILE_LIMIT: Duration = Duration::from_secs(600);

/// A compiled component, ready to be instantiated.
pub struct Program {
    pub(crate) engine: Engine,
    pub(crate) component: Component,
    /// Keeps the compiled form in the folder while it is run.
    kept: Option<Kept>,
    /// What the component is for.
    pub(crate) target: Target,
    /// Digest of the file that the component is; none where it was made from a model here.
    pub(crate) file: Option<blake3::Hash>,
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
        /// loads it, which takes a millisecond or more, but nothing needs to be compiled. A large
        /// one always does.
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
            let snapshot = snapshot || bake::is_large(&model);
            return Ok(Source::ModelDir { model, generic: Target::Edge.generic()?, snapshot });
        }
        let bytes = plain_file::read(path, MAX_COMPONENT_BYTES).with_context(|| {
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
    /// Loads the compiled form of a source, or bakes and compiles it now. An instance may have
    /// `max_memory_bytes`.
    ///
    /// # Errors
    /// If the source is no Foretold component, its model is refused or needs more memory, or the
    /// folder is not usable.
    pub async fn load(
        source: Source<'_>,
        folder: &CacheFolder,
        max_memory_bytes: usize,
    ) -> Result<Program> {
        let engine = engine()?;
        let (key, file) = source.digests(&engine);
        let kept = match folder.find(&engine, &key) {
            Some(kept) => Found::Kept(kept),
            None => {
                let compiled = compile(&engine, &source, max_memory_bytes).await?;
                keep(&engine, folder, &key, &compiled)?
            }
        };
        let model = match source {
            Source::ModelDir { model, snapshot: false, .. } => Some(model),
            _ => None,
        };
        let program = Program::new(engine, kept, model, file)?;
        program.check_memory(max_memory_bytes)?;
        Ok(program)
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
        let file = blake3::hash(&bytes);
        let key = component_key(&engine, &file);
        let found = match folder.find(&engine, &key) {
            Some(kept) => Found::Kept(kept),
            None => keep(&engine, folder, &key, &precompile(&engine, &bytes, COMPILE_LIMIT)?)?,
        };
        Program::new(engine, found, None, Some(file))
    }

    /// Goes over to another engine with the same [`config`], if that has room for such a component.
    ///
    /// # Errors
    /// If it has not.
    pub(crate) fn move_to(&mut self, engine: &Engine) -> Result<()> {
        self.component = match &self.kept {
            Some(kept) => kept.load_again(engine)?,
            None => {
                let compiled = self.component.serialize().map_err(anyhow::Error::from)?;
                // SAFETY: this process has compiled it, with an engine of the same settings.
                unsafe { load_compiled(engine, &compiled) }?
            }
        };
        self.engine = engine.clone();
        Ok(())
    }

    fn new(
        engine: Engine,
        found: Found,
        model: Option<ModelDir>,
        file: Option<blake3::Hash>,
    ) -> Result<Program> {
        let (component, kept) = match found {
            Found::Kept(kept) => (kept.component.clone(), Some(kept)),
            Found::InMemory(component) => (component, None),
        };
        let target = Target::of(&component)?;
        Ok(Program { engine, component, kept, target, file, model })
    }

    /// Checks what an instance has from its start on, for what says more than that none can start.
    fn check_memory(&self, max_memory_bytes: usize) -> Result<()> {
        let needed = self.component.resources_required();
        let needed = needed.and_then(|needed| needed.max_initial_memory_size).unwrap_or(0);
        if needed <= max_memory_bytes as u64 {
            return Ok(());
        }
        let (needed, allowed) = (needed.div_ceil(1 << 20), max_memory_bytes >> 20);
        bail!(
            "an instance of the component needs {needed} MiB of memory, and {allowed} MiB are \
             allowed; give --max-memory-mib with more than {needed}"
        )
    }
}

/// Where a compiled component is.
enum Found {
    Kept(Kept),
    InMemory(Component),
}

/// Puts what was compiled into the folder, and loads it from there. What the disk does not take is
/// run all the same.
fn keep(
    engine: &Engine,
    folder: &CacheFolder,
    key: &blake3::Hash,
    compiled: &[u8],
) -> Result<Found> {
    match folder.put(key, compiled) {
        Ok(true) => {
            if let Some(kept) = folder.find(engine, key) {
                return Ok(Found::Kept(kept));
            }
        }
        Ok(false) => {}
        Err(error) => {
            warn!(
                "the compiled component cannot be kept ({error:#}): the next start compiles again"
            );
        }
    }
    // SAFETY: this process has just compiled it, with this engine.
    Ok(Found::InMemory(unsafe { load_compiled(engine, compiled) }?))
}

/// Loads compiled code that is in no file.
///
/// # Safety
/// This process must have compiled it, with an engine of the same settings.
unsafe fn load_compiled(engine: &Engine, compiled: &[u8]) -> Result<Component> {
    // SAFETY: the caller's promise.
    unsafe { Component::deserialize(engine, compiled) }.map_err(anyhow::Error::from)
}

async fn compile(engine: &Engine, source: &Source<'_>, memory_bytes: usize) -> Result<Vec<u8>> {
    match source {
        Source::ModelDir { model, generic, snapshot: true } => {
            info!("first start with this model: baking {} and compiling it", model.name);
            let limits = BakeLimits { memory_bytes, ..BakeLimits::default() };
            let baked = bake::bake_within(generic, model, &limits).await?;
            precompile(engine, &baked, COMPILE_LIMIT)
        }
        Source::ModelDir { generic, .. } => {
            info!("first start: compiling the generic component");
            precompile(engine, generic, COMPILE_LIMIT)
        }
        Source::Baked(bytes) => {
            info!("first start with this component: compiling it");
            precompile(engine, bytes, COMPILE_LIMIT)
        }
    }
}

/// Compiles a component in a thread of its own, since the compiler cannot be interrupted: what
/// takes too long goes on until the process ends.
fn precompile(engine: &Engine, component: &[u8], limit: Duration) -> Result<Vec<u8>> {
    modules::check(component)?;
    let start = Instant::now();
    let (sender, compiled) = channel();
    let (compiler, bytes) = (engine.clone(), component.to_vec());
    std::thread::spawn(move || sender.send(compiler.precompile_component(&bytes)));
    let compiled = match compiled.recv_timeout(limit) {
        Ok(compiled) => compiled.map_err(anyhow::Error::from),
        Err(RecvTimeoutError::Timeout) => {
            bail!("the component takes longer than {} s to compile", limit.as_secs())
        }
        Err(RecvTimeoutError::Disconnected) => bail!("the compiler broke down over the component"),
    };
    let compiled = compiled.context("cannot compile the component")?;
    info!("compiled in {:.1} s; later starts take milliseconds", start.elapsed().as_secs_f32());
    Ok(compiled)
}

impl Source<'_> {
    /// A digest of all that the compiled form depends on, and that of the file, if it is one.
    fn digests(&self, engine: &Engine) -> (blake3::Hash, Option<blake3::Hash>) {
        match self {
            Source::ModelDir { model, generic, snapshot: true } => {
                let parts = [b"baked here", *generic, model.manifest.as_bytes(), &model.model];
                (key(engine, &parts), None)
            }
            Source::ModelDir { generic, .. } => {
                (component_key(engine, &blake3::hash(generic)), None)
            }
            Source::Baked(bytes) => {
                let file = blake3::hash(bytes);
                (component_key(engine, &file), Some(file))
            }
        }
    }
}

/// The same for a component as it is, by the digest of its bytes.
fn component_key(engine: &Engine, component: &blake3::Hash) -> blake3::Hash {
    key(engine, &[b"component", component.as_bytes()])
}

fn key(engine: &Engine, parts: &[&[u8]]) -> blake3::Hash {
    // The engine hashes its version, its settings and the processor's features; 64 bits of it
    // are enough, since nobody chooses them.
    let mut engine_hash = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut engine_hash);
    let mut hash = blake3::Hasher::new_derive_key("foretold compiled component, version 2");
    hash.update(&engine_hash.finish().to_le_bytes());
    for part in parts {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize()
}

fn engine() -> Result<Engine> {
    Engine::new(&config()).map_err(anyhow::Error::from)
}

/// The settings that compiled code depends on.
pub(crate) fn config() -> Config {
    let mut config = Config::new();
    config
        // Its bookkeeping for async components would make every call slower.
        .concurrency_support(false)
        .memory_guaranteed_dense_image_size(MAX_MAPPED_IMAGE_BYTES)
        // Numbers of functions would tell nobody anything.
        .wasm_backtrace_max_frames(None)
        // Lets a request's time limit end a computation, at a few percent of its speed.
        .epoch_interruption(true);
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_that_takes_too_long_to_compile_is_refused() {
        let engine = engine().unwrap();
        let mut component = b"(component (core module (func".to_vec();
        component.extend(b" i32.const 0 drop".repeat(100_000));
        component.extend(b")))");
        let component = wat::parse_bytes(&component).unwrap();
        let error = precompile(&engine, &component, Duration::from_millis(1)).unwrap_err();
        assert!(error.to_string().contains("takes longer"), "{error}");
    }
}

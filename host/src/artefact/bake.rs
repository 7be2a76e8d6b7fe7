//! Bakes a model into the generic component: instantiate, load the model, keep a snapshot.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use wasmtime::component::{
    Component, ComponentNamedList, ComponentType, Instance, Lift, Lower, TypedFunc,
};
use wasmtime::{AsContextMut, Config, Engine, OptLevel, Store, Trap};
use wasmtime_wizer::Wizer;

use crate::artefact::model_dir::ModelDir;
use crate::artefact::scratch::{self, Scratch, ScratchMemory, interrupt_after, isolated};

const INTERFACE: &str = "foretold:component/bake@0.1.0";

/// The function `bake`: the manifest, the model, and the id of the file that it was packed from; and
/// what the component says of them.
type Bake<'a> = TypedFunc<(&'a str, &'a [u8], Option<&'a str>), (Result<(), String>,)>;
/// The function `pack`: the manifest and the model, and its small form.
type Pack<'a> = TypedFunc<(&'a str, &'a [u8]), (Result<Option<Packed>, String>,)>;

/// A model in a form that takes less memory to read, and the id of its file.
#[derive(ComponentType, Lift)]
#[component(record)]
struct Packed {
    model: Vec<u8>,
    #[component(name = "model-id")]
    model_id: String,
}

/// A smaller model is not worth a second instance to make it small, and is loaded in an instant.
const LARGE_BYTES: usize = 2 << 20;

/// Whether a model is so large that it is worth making it small, and loading it once.
pub(crate) fn is_large(model: &ModelDir) -> bool {
    model.model.len() >= LARGE_BYTES
}

/// What loading a model may take at most while it is looked at how much it needs, if more than that
/// is not allowed anyway.
const SCRATCH_BYTES: usize = 1 << 30;

/// What a model may take.
#[derive(Clone, Copy, Debug)]
pub struct BakeLimits {
    /// Memory of an instance with the model; the default is that of `foretold serve`.
    pub memory_bytes: usize,
    /// Time that loading it may take.
    pub time: Duration,
}

impl Default for BakeLimits {
    fn default() -> BakeLimits {
        BakeLimits { memory_bytes: 128 << 20, time: Duration::from_secs(60) }
    }
}

/// The component with the model loaded, within the default limits.
///
/// # Errors
/// As [`bake_within`].
pub async fn bake(generic: &[u8], model: &ModelDir) -> Result<Vec<u8>> {
    bake_within(generic, model, &BakeLimits::default()).await
}

/// The component with the model loaded.
///
/// # Errors
/// If the component cannot be used, with what the component says of the manifest or the model, or
/// if the model is beyond the limits.
pub async fn bake_within(generic: &[u8], model: &ModelDir, limits: &BakeLimits) -> Result<Vec<u8>> {
    Ok(bake_measured(generic, model, limits).await?.component)
}

/// A component with its model.
pub(crate) struct Baked {
    pub(crate) component: Vec<u8>,
    /// What an instance has from its start on.
    pub(crate) memory_bytes: usize,
}

/// [`bake_within`], and what an instance takes.
pub(crate) async fn bake_measured(
    generic: &[u8],
    model: &ModelDir,
    limits: &BakeLimits,
) -> Result<Baked> {
    // This instance lives for milliseconds: compiling it well would take longer than running it.
    let mut config = Config::new();
    config
        .cranelift_opt_level(OptLevel::None)
        .wasm_backtrace_max_frames(None)
        .epoch_interruption(true);
    let engine = Engine::new(&config).map_err(anyhow::Error::from)?;
    let packed = pack(&engine, generic, model, limits).await?;
    let mut store = scratch::store(&engine, limits.memory_bytes.max(SCRATCH_BYTES));
    let mut refusal = None;
    let snapshot = Wizer::new()
        .keep_init_func(true)
        .run_component(&mut store, generic, async |store, component| {
            store.set_epoch_deadline(1);
            let start = Instant::now();
            let _running = interrupt_after(component.engine(), limits.time);
            let instance = isolated(component)?.instantiate_async(&mut *store).await;
            let result = match &instance {
                Ok(instance) => load_packed(&mut *store, instance, model, packed.as_ref()).await,
                Err(_) => Ok(Ok(())),
            };
            let result = instance.and_then(|instance| Ok(result?.map(|()| instance)));
            let result = unless_late(result, start, limits);
            let instance = match judge(result, &store.data().memory, limits) {
                Ok(instance) => instance,
                Err(error) => {
                    refusal = Some(error);
                    wasmtime::bail!("there is no model");
                }
            };
            // What is read for the snapshot must not fail.
            store.set_epoch_deadline(u64::MAX >> 1);
            store.data_mut().memory.max_bytes = usize::MAX;
            Ok(instance)
        })
        .await
        .map_err(anyhow::Error::from);
    match refusal {
        Some(refusal) => Err(refusal),
        None => {
            let (component, _) = snapshot.context("cannot take a snapshot of the component")?;
            Ok(Baked { component, memory_bytes: store.data().memory.bytes })
        }
    }
}

/// The small form of a large model, if it has one. It is made in an instance of its own, since one in
/// which a file was read stays as large for ever.
async fn pack(
    engine: &Engine,
    generic: &[u8],
    model: &ModelDir,
    limits: &BakeLimits,
) -> Result<Option<Packed>> {
    if !is_large(model) {
        return Ok(None);
    }
    let component = Component::new(engine, generic).map_err(anyhow::Error::from)?;
    // How large this instance gets counts for nothing.
    let memory_bytes = limits.memory_bytes.max(SCRATCH_BYTES);
    call_once(&component, &BakeLimits { memory_bytes, ..*limits }, async |store, instance| {
        let pack: Pack<'_> = function(&mut *store, instance, INTERFACE, "pack")?;
        Ok(pack.call_async(&mut *store, (&model.manifest, &model.model)).await?.0)
    })
    .await
}

/// Calls a fresh instance, within the limits, and throws it away.
pub(crate) async fn call_once<T>(
    component: &Component,
    limits: &BakeLimits,
    call: impl AsyncFnOnce(&mut Store<Scratch>, &Instance) -> wasmtime::Result<Result<T, String>>,
) -> Result<T> {
    let mut store = scratch::store(component.engine(), limits.memory_bytes);
    store.set_epoch_deadline(1);
    let start = Instant::now();
    let _running = interrupt_after(component.engine(), limits.time);
    let result = async {
        let instance = isolated(component)?.instantiate_async(&mut store).await?;
        call(&mut store, &instance).await
    };
    let result = unless_late(result.await, start, limits);
    judge(result, &store.data().memory, limits)
}

/// It may end before it notices that it was interrupted.
fn unless_late<T>(
    result: wasmtime::Result<T>,
    start: Instant,
    limits: &BakeLimits,
) -> wasmtime::Result<T> {
    if start.elapsed() > limits.time { Err(Trap::Interrupt.into()) } else { result }
}

/// What came of loading a model, or what is to be said of why nothing did.
fn judge<T>(
    result: wasmtime::Result<Result<T, String>>,
    memory: &ScratchMemory,
    limits: &BakeLimits,
) -> Result<T> {
    let mib = |bytes: usize| bytes.div_ceil(1 << 20);
    let allowed = mib(limits.memory_bytes);
    if memory.was_refused {
        return Err(anyhow!(
            "the model needs more than {} MiB of memory, and {allowed} MiB are allowed \
             (--max-memory-mib)",
            mib(memory.max_bytes)
        ));
    }
    match result {
        Err(error) if error.downcast_ref() == Some(&Trap::Interrupt) => Err(anyhow!(
            "loading the model takes longer than {} s; bake it with more time: `foretold bake \
             --time-limit-s`",
            limits.time.as_secs_f32()
        )),
        Err(error) => {
            let cause = error.root_cause();
            Err(anyhow!("the component broke down over the model: {cause}"))
        }
        Ok(Err(refusal)) => Err(anyhow!(refusal)),
        Ok(Ok(_)) if memory.bytes > limits.memory_bytes => {
            let needed = mib(memory.bytes);
            Err(anyhow!(
                "an instance with the model needs {needed} MiB of memory, and {allowed} MiB are \
                 allowed; give --max-memory-mib with more than {needed}, to `foretold bake` and to \
                 `foretold serve`"
            ))
        }
        Ok(Ok(found)) => Ok(found),
    }
}

/// Calls the component's `bake`; the inner error is what it says of the manifest or the model.
pub(crate) async fn load(
    store: impl AsContextMut<Data: Send>,
    instance: &Instance,
    model: &ModelDir,
) -> wasmtime::Result<Result<(), String>> {
    load_packed(store, instance, model, None).await
}

/// The same of the model's small form, if there is one.
async fn load_packed(
    mut store: impl AsContextMut<Data: Send>,
    instance: &Instance,
    model: &ModelDir,
    packed: Option<&Packed>,
) -> wasmtime::Result<Result<(), String>> {
    let bake: Bake<'_> = function(&mut store, instance, INTERFACE, "bake")?;
    let (bytes, id) = match packed {
        Some(Packed { model, model_id }) => (model, Some(&**model_id)),
        None => (&model.model, None),
    };
    Ok(bake.call_async(&mut store, (&model.manifest, bytes, id)).await?.0)
}

/// A function that an instance exports in an interface.
pub(crate) fn function<Params, Results>(
    mut store: impl AsContextMut,
    instance: &Instance,
    interface: &str,
    name: &str,
) -> wasmtime::Result<TypedFunc<Params, Results>>
where
    Params: ComponentNamedList + Lower,
    Results: ComponentNamedList + Lift,
{
    let absent = || wasmtime::format_err!("the component has no function {name} in {interface}");
    let position = instance.get_export_index(&mut store, None, interface).ok_or_else(absent)?;
    let position = instance.get_export_index(&mut store, Some(&position), name);
    instance.get_typed_func(&mut store, position.ok_or_else(absent)?)
}

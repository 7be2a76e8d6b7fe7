//! Bakes a model into the generic component: instantiate, load the model, keep a snapshot.

use anyhow::{Context, Result};
use wasmtime::component::{
    Component, ComponentNamedList, Instance, InstancePre, Lift, Linker, Lower, ResourceTable,
    TypedFunc,
};
use wasmtime::{AsContextMut, Config, Engine, OptLevel, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wizer::Wizer;

use crate::artefact::model_dir::ModelDir;
use crate::guest::imports::unavailable;

const INTERFACE: &str = "foretold:component/bake@0.1.0";

/// The function `bake`: the manifest and the model, and what the component says of them.
type Bake<'a> = TypedFunc<(&'a str, &'a [u8]), (Result<(), String>,)>;

/// The component with the model loaded.
///
/// # Errors
/// If the component cannot be used, or with what the component says of the manifest or the model.
pub async fn bake(generic: &[u8], model: &ModelDir) -> Result<Vec<u8>> {
    // This instance lives for milliseconds: compiling it well would take longer than running it.
    let mut config = Config::new();
    config.cranelift_opt_level(OptLevel::None);
    let engine = Engine::new(&config).map_err(anyhow::Error::from)?;
    let mut store = Store::new(&engine, Scratch::new());
    let mut refusal = None;
    let snapshot = Wizer::new()
        .keep_init_func(true)
        .run_component(&mut store, generic, async |store, component| {
            let instance = isolated(component)?.instantiate_async(&mut *store).await?;
            refusal = load(&mut *store, &instance, model).await?.err();
            Ok(instance)
        })
        .await
        .map_err(anyhow::Error::from);
    match (refusal, snapshot) {
        (Some(refusal), _) => Err(anyhow::anyhow!(refusal)),
        (None, snapshot) => Ok(snapshot.context("cannot take a snapshot of the component")?.0),
    }
}

/// Calls the component's `bake`; the inner error is what it says of the manifest or the model.
pub(crate) async fn load(
    mut store: impl AsContextMut<Data: Send>,
    instance: &Instance,
    model: &ModelDir,
) -> wasmtime::Result<Result<(), String>> {
    let bake: Bake<'_> = function(&mut store, instance, INTERFACE, "bake")?;
    Ok(bake.call_async(&mut store, (&model.manifest, &model.model)).await?.0)
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

/// Loading a model needs nothing from outside but a seed for Rust's hash maps, and a snapshot must
/// not hold anything of it: the seed is fixed, so that the same model gives the same component.
fn isolated(component: &Component) -> wasmtime::Result<InstancePre<Scratch>> {
    let mut linker = Linker::new(component.engine());
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    unavailable::add_to_linker(&mut linker, component, "wasi:http/")?;
    unavailable::add_to_linker(&mut linker, component, "wasi:keyvalue/")?;
    unavailable::add_to_linker(&mut linker, component, "fermyon:spin/")?;
    linker.instantiate_pre(component)
}

/// What belongs to the instance that a snapshot is taken of.
struct Scratch {
    wasi: WasiCtx,
    resources: ResourceTable,
}

impl Scratch {
    fn new() -> Scratch {
        let wasi = WasiCtx::builder().insecure_random_seed(0).build();
        Scratch { wasi, resources: ResourceTable::new() }
    }
}

impl WasiView for Scratch {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.resources }
    }
}

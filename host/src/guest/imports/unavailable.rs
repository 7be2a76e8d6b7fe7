//! Imports that are linked but not there: a call traps.
//!
//! wasmtime can do this for all imports that a linker lacks, but it takes an interface of another
//! patch version for lacking, and would trap on WASI that is there.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, LinkerInstance, ResourceType};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, IoError};

/// Stands for every resource of these interfaces; none is ever made.
struct Nothing;

/// Links all interfaces that a component imports and whose names start with a prefix.
pub(crate) fn add_to_linker<T>(
    linker: &mut Linker<T>,
    component: &Component,
    prefix: &str,
) -> wasmtime::Result<()> {
    let engine = component.engine();
    for (name, import) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(interface) = import.ty else { continue };
        if !name.starts_with(prefix) {
            continue;
        }
        let mut linked = linker.instance(name)?;
        for (item, export) in interface.exports(engine) {
            add_item(&mut linked, name, item, &export.ty)?;
        }
    }
    Ok(())
}

fn add_item<T>(
    linked: &mut LinkerInstance<'_, T>,
    interface: &str,
    name: &str,
    item: &ComponentItem,
) -> wasmtime::Result<()> {
    match item {
        ComponentItem::ComponentFunc(_) => {
            let message = format!("{interface} {name} is not there for this component");
            linked.func_new(name, move |_, _, _, _| Err(wasmtime::format_err!("{message}")))
        }
        ComponentItem::Resource(_) => linked.resource(name, resource(name), |_, _| Ok(())),
        _ => Ok(()),
    }
}

/// An interface repeats the resources that it uses of `wasi:io`: these must be the linked ones.
fn resource(name: &str) -> ResourceType {
    match name {
        "input-stream" => ResourceType::host::<DynInputStream>(),
        "output-stream" => ResourceType::host::<DynOutputStream>(),
        "pollable" => ResourceType::host::<DynPollable>(),
        "io-error" => ResourceType::host::<IoError>(),
        _ => ResourceType::host::<Nothing>(),
    }
}

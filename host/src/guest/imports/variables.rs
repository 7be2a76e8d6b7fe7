//! `fermyon:spin/variables@2.0.0`: what the operator decides, for components made with Spin's SDK.

use wasmtime::component::{ComponentType, Linker, Lower};

use crate::guest::pool::Guest;

/// The variant `error`.
#[derive(ComponentType, Lower)]
#[component(variant)]
#[allow(dead_code, reason = "cases of the interface")]
enum Error {
    #[component(name = "invalid-name")]
    InvalidName(String),
    #[component(name = "undefined")]
    Undefined(String),
    #[component(name = "provider")]
    Provider(String),
    #[component(name = "other")]
    Other(String),
}

pub(crate) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut interface = linker.instance("fermyon:spin/variables@2.0.0")?;
    interface.func_wrap("get", |guest, (name,): (String,)| {
        let value = guest.data().variables.get(&name).cloned();
        Ok((value.ok_or(Error::Undefined(name)),))
    })
}

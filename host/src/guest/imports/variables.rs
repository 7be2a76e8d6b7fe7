//! `fermyon:spin/variables@2.0.0`: what the operator decides, for components made with Spin's SDK.

use std::collections::BTreeMap;

use wasmtime::component::{ComponentType, Linker, Lower};

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

/// Links the interface; `variables` finds them in what belongs to an instance.
pub(crate) fn add_to_linker<T: 'static>(
    linker: &mut Linker<T>,
    variables: fn(&T) -> &BTreeMap<String, String>,
) -> wasmtime::Result<()> {
    let mut interface = linker.instance("fermyon:spin/variables@2.0.0")?;
    interface.func_wrap("get", move |guest, (name,): (String,)| {
        let value = variables(guest.data()).get(&name).cloned();
        Ok((value.ok_or(Error::Undefined(name)),))
    })
}

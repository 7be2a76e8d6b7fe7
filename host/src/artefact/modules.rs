//! Bounds what the host keeps for each instance of a component's modules, beside their memories and
//! tables: nothing in wasmtime counts it when an instance is made.

use anyhow::{Context, Result, bail};
use wasmparser::{Encoding, Parser, Payload};

/// What the host keeps for an instance of a module at most.
const MAX_CONTEXT_BYTES: u64 = 1 << 20;
/// What wasmtime keeps for a global, and for a function that something refers to.
const GLOBAL_BYTES: u64 = 16;
const FUNCTION_BYTES: u64 = 32;

/// Checks all modules of a component, nested ones too.
///
/// # Errors
/// If it is not WebAssembly, or a module has too many globals and functions.
pub(crate) fn check(component: &[u8]) -> Result<()> {
    let (mut globals, mut functions) = (0, 0);
    for payload in Parser::new(0).parse_all(component) {
        match payload.context("cannot read the component")? {
            Payload::Version { encoding: Encoding::Module, .. } => (globals, functions) = (0, 0),
            Payload::GlobalSection(section) => globals += u64::from(section.count()),
            Payload::FunctionSection(section) => functions += u64::from(section.count()),
            // Whatever it is.
            Payload::ImportSection(section) => functions += u64::from(section.count()),
            _ => {}
        }
        let bytes = globals * GLOBAL_BYTES + functions * FUNCTION_BYTES;
        if bytes > MAX_CONTEXT_BYTES {
            bail!(
                "a module of the component has {globals} globals and {functions} functions, for \
                 which the host would need {bytes} bytes of memory in each instance; \
                 {MAX_CONTEXT_BYTES} are allowed"
            );
        }
    }
    Ok(())
}

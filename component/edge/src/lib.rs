//! The component that `foretold serve`, `wasmtime serve` and wasmCloud run.
//!
//! It glues three things together and decides nothing: the pipeline of `foretold-core`, the model
//! of `foretold-inference`, and the host's key-value store and clocks.

#![allow(unreachable_pub, reason = "the macro that exports the component makes such items")]

mod clock;
mod draft;
mod handler;
mod http;
mod store;

/// The world `edge` of `wit/component.wit`.
mod bindings {
    #![allow(
        missing_docs,
        unreachable_pub,
        clippy::undocumented_unsafe_blocks,
        reason = "generated code"
    )]
    wit_bindgen::generate!({
        path: "../../wit",
        world: "edge",
        generate_all,
        pub_export_macro: true,
    });
}

/// Implements the world's exports.
struct Component;

bindings::export!(Component with_types_in bindings);
foretold_inference::export_bake!("edge", Component, bindings);
foretold_inference::export_about!(Component, bindings, handler::describe);

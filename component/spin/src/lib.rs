//! The component that Spin and Fermyon-style platforms run.
//!
//! Spin gives every request a fresh instance, so the model must be baked in. What Spin's stores
//! guarantee is little: `get` and `set`, and keys of up to 255 bytes. No more is used.

#![allow(unreachable_pub, reason = "the macros that export the component make such items")]

mod http;
mod instance;
mod store;

/// The world `spin` of `wit/component.wit`. The handler is exported by Spin's SDK.
mod bindings {
    #![allow(
        missing_docs,
        unreachable_pub,
        clippy::undocumented_unsafe_blocks,
        reason = "generated code"
    )]
    wit_bindgen::generate!({
        path: "../../wit",
        world: "spin",
        generate_all,
        pub_export_macro: true,
    });
}

/// Implements the world's exports.
struct Component;

bindings::export!(Component with_types_in bindings);
foretold_inference::export_bake!("spin", Component, bindings);
// For our own host: Spin does not ask.
foretold_inference::export_about!(Component, bindings, instance::describe);

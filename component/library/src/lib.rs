//! The component for programs that are not servers: typed rows in, typed predictions out.

#![allow(unreachable_pub, reason = "the macro that exports the component makes such items")]

mod predictor;
mod row;
mod store;

/// The world `library` of `wit/component.wit`.
mod bindings {
    #![allow(
        missing_docs,
        unreachable_pub,
        clippy::undocumented_unsafe_blocks,
        reason = "generated code"
    )]
    wit_bindgen::generate!({
        path: "../../wit",
        world: "library",
        generate_all,
        pub_export_macro: true,
    });
}

/// Implements the world's exports.
struct Component;

bindings::export!(Component with_types_in bindings);
foretold_inference::export_bake!("library", Component, bindings);

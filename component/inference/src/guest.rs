//! What the artefacts share besides the model: their glue between core, the model and a host.
//!
//! Each has bindings of its own, since their worlds differ; so what touches generated types is a
//! macro here, and all else is written for the types of core.

pub mod clock;
pub mod http;
pub mod store;

/// Implements the export `bake` for an artefact, and defines `baked()`, which gives what was baked.
///
/// Takes the artefact's target, as `foretold bake` does, the type that implements the exports, and
/// the module of the generated bindings.
#[macro_export]
macro_rules! export_bake {
    ($target:literal, $component:ident, $bindings:ident) => {
        /// What was baked in.
        ///
        /// # Errors
        /// What to do, where nothing was.
        pub(crate) fn baked() -> Result<&'static $crate::baked::Baked, String> {
            $crate::baked::baked($target)
        }

        impl $bindings::exports::foretold::component::bake::Guest for $component {
            fn pack(
                manifest: String,
                model: Vec<u8>,
            ) -> Result<Option<$bindings::exports::foretold::component::bake::Packed>, String> {
                let packed = $crate::baked::pack(&manifest, &model)?;
                Ok(packed.map(|packed| $bindings::exports::foretold::component::bake::Packed {
                    model: packed.model,
                    model_id: packed.id.to_string(),
                }))
            }

            fn bake(
                manifest: String,
                model: Vec<u8>,
                packed: Option<String>,
            ) -> Result<(), String> {
                $crate::baked::bake(manifest, model, packed.as_deref())
            }
        }

        impl $bindings::Guest for $component {
            fn wizer_initialize() {}
        }
    };
}

/// Implements the export `about` for an artefact that has [`export_bake`].
///
/// Takes the type that implements the exports, the module of the generated bindings, and a function
/// that gives core's description of the service with the host's settings.
#[macro_export]
macro_rules! export_about {
    ($component:ident, $bindings:ident, $describe:path) => {
        impl $bindings::exports::foretold::component::about::Guest for $component {
            fn describe()
            -> Result<$bindings::exports::foretold::component::about::Description, String> {
                let description = $describe()?;
                Ok($bindings::exports::foretold::component::about::Description {
                    model: description.model,
                    model_id: description.version,
                    ttl_seconds: description.ttl_seconds,
                    paths: description
                        .paths
                        .into_iter()
                        .map(|path| (path.path, path.endpoint as u32))
                        .collect(),
                    request_headers: description.request_headers,
                })
            }

            fn manifest() -> Result<String, String> {
                Ok(baked()?.manifest.clone())
            }
        }
    };
}

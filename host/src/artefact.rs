//! Components as files: made of a model, read, compiled, and kept in compiled form.

pub(crate) mod bake;
pub(crate) mod compiled_cache;
pub(crate) mod draft;
pub(crate) mod model_dir;
pub(crate) mod modules;
pub(crate) mod program;
pub(crate) mod scratch;
pub(crate) mod target;

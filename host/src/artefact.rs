//! Components as files: made of a model, read, compiled, and kept in compiled form.

pub mod bake;
pub mod compiled_cache;
pub mod model_dir;
pub mod program;
pub mod target;

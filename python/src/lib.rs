//! The native module of the Python package `foretold`: the command, and predictions in this process.
//!
//! It is small on purpose: bytes go in and out. What values of Python mean is in the package beside it.

mod command;
mod model;
mod store;

use pyo3::prelude::*;

/// The module `foretold._native`.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(command::run_command, module)?)?;
    module.add_class::<model::Model>()
}

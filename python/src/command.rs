//! The command `foretold`, run by a Python interpreter.

use std::ffi::OsString;
use std::io::Write;

use pyo3::prelude::*;

/// Runs the command with arguments, the first of them its name, and gives the exit code. A process can
/// do that once.
#[pyfunction]
pub(crate) fn run_command(py: Python<'_>, arguments: Vec<OsString>) -> PyResult<u8> {
    py.detach(|| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let code = runtime.block_on(foretold::run_command_with(arguments));
        // Only a program of Rust's own does that at its end.
        let _ = std::io::stdout().flush();
        Ok(code)
    })
}

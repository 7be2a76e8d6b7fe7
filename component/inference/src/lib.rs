//! Runs ONNX models of tabular data, natively and in WebAssembly.
//!
//! ```no_run
//! use foretold_core::{Model, model::feature::Value, model::manifest::Manifest};
//! use foretold_inference::OnnxModel;
//!
//! # fn example(bytes: &[u8], manifest: &Manifest) -> Result<(), Box<dyn std::error::Error>> {
//! let model = OnnxModel::load(bytes, manifest)?;
//! let row = [Value::Number(0.25), Value::Integer(30), Value::Category(0)];
//! let outputs = model.predict(&row).map_err(|error| error.0)?;
//! # Ok(())
//! # }
//! ```
//!
//! prost reads the file; tract types the graph, optimises it, and runs it where it is not a program
//! of this crate's kernels, as those of most tabular models are. Which operators there are is
//! this crate's choice: each is registered by name, and a model that needs another one is refused
//! with the list.
//!
//! # Why not tract-onnx
//! That crate reads ONNX files too, but it depends on tract-nnef, which registers a graph transform
//! through the crate inventory. No linker may leave that out, nor what it reaches: NNEF's parser and
//! operators. The component would be of 8.4 MB instead of 5.5 MB, and import the file system. Used
//! would be only the messages of the file and a walk over its nodes.
//!
//! # Why own operators
//! All operators that compute are written here; tract wires those that only move elements.
//!
//! - tract's drop NaN in one place and keep it in another, natively otherwise than in WebAssembly;
//!   its kernels for matrices and activations are picked by processor and differ in the last bits;
//!   and its optimiser rewrites them, as `x · 0` to 0.
//! - It finds the votes of a leaf by walking over all leaves before it, so that a forest of 200 deep
//!   trees takes a tenth of a second for one row; and it lacks most of `ai.onnx.ml`.
//!
//! Their formulas are those of the [ONNX specification][spec]. Where it leaves something open, they
//! do what onnxruntime does on x86-64, and `tests/operators` holds them against it.
//!
//! [spec]: https://onnx.ai/onnx/operators/index.html
//!
//! # Bits
//! A cache that serves one answer in place of another must know when they could differ, so answers
//! are the same to the last bit on every processor, natively and in WebAssembly: a row does not see
//! the rows beside it, sums are made in an order that the file decides, and no function calls the
//! platform's C library. [`SEMANTICS`] counts the changes.

pub mod baked;
mod binding;
mod buffer;
#[doc(hidden)]
pub mod conformance;
pub mod draft;
mod error;
mod functions;
mod graph;
pub mod guest;
mod labels;
mod late;
mod math;
mod missing;
mod model;
mod node;
mod ops;
mod opset;
mod output;
pub mod pack;
mod program;
mod proto;
mod run;
mod tensor;
mod unknown;
mod upstream;
mod width;
mod wiring;

pub use error::LoadError;
pub use model::OnnxModel;

/// Number of the arithmetic. It is raised whenever a bit of any answer changes, and is part of what
/// a cache key is made of, so that answers of other arithmetic are never served.
pub const SEMANTICS: u32 = 6;

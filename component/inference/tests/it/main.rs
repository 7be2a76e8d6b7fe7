//! The model as components see it: files in, numbers out.

mod golden;
mod operators;
mod refusal;
mod row;
mod semantics;
mod support;

//! The model as components see it: files in, numbers out.

mod agreement;
mod draft;
mod executors;
mod golden;
mod imports;
mod operators;
mod packed;
mod refusal;
mod reports;
mod row;
mod semantics;
mod support;

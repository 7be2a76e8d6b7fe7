//! Operators of `ai.onnx` that move elements, or change their type.

pub(super) mod cast;
pub(super) mod gather;
pub(super) mod shape;

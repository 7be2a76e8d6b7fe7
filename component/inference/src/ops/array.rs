//! Operators of `ai.onnx` that move elements, or change their type.

pub(super) mod cast;
pub(super) mod choice;
pub(super) mod gather;
pub(super) mod gather_elements;
pub(super) mod one_hot;
pub(super) mod scan;
pub(super) mod scatter;
pub(super) mod sequence;
pub(super) mod shape;
pub(super) mod take;
pub(super) mod text;

//! Operators of `ai.onnx` that compute.

pub(super) mod activation;
pub(super) mod arithmetic;
pub(super) mod broadcast;
pub(super) mod logic;
pub(super) mod lp_normalization;
pub(super) mod matrix;
pub(super) mod reduction;
pub(super) mod softmax;
pub(super) mod unary;

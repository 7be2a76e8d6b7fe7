//! Operators of `ai.onnx` that compute.

pub(super) mod activation;
pub(super) mod arithmetic;
pub(super) mod broadcast;
pub(super) mod c_dist;
pub(super) mod cumulative;
pub(super) mod distances;
pub(super) mod einsum;
pub(super) mod hardmax;
pub(super) mod lines;
pub(super) mod logic;
pub(super) mod lp_normalization;
pub(super) mod matrix;
pub(super) mod normalization;
pub(super) mod pool;
pub(super) mod reduction;
pub(super) mod softmax;
pub(super) mod top_k;
pub(super) mod unary;

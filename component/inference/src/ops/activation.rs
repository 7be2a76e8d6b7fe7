//! Activations of neural networks.
//!
//! tract's kernels for them may differ in the last bits between processors.

use tract_hir::internal::*;
use tract_hir::ops::activations;
use tract_hir::tract_core::ops::math;
use tract_hir::tract_core::ops::nn;

use super::Built;
use super::arithmetic::{unary, unary_single};
use crate::node::{Node, axis};
use crate::tensor::View;

pub(crate) fn relu(node: &Node<'_>) -> Result<Built, String> {
    node.input(0)?.float()?;
    Ok(Built::expansion(activations::Clip::new(Some(0.0), None)))
}

pub(crate) fn leaky_relu(node: &Node<'_>) -> Result<Built, String> {
    unary_single(node, nn::leaky_relu(node.float("alpha")?.unwrap_or(0.01)))
}

pub(crate) fn elu(node: &Node<'_>) -> Result<Built, String> {
    node.input(0)?.float()?;
    Ok(Built::expansion(activations::Elu(node.float("alpha")?.unwrap_or(1.0))))
}

pub(crate) fn sigmoid(node: &Node<'_>) -> Result<Built, String> {
    unary_single(node, nn::sigmoid())
}

pub(crate) fn tanh(node: &Node<'_>) -> Result<Built, String> {
    unary(node, math::tanh())
}

/// log(1 + e^x) as max(x, 0) + log(1 + e^-|x|), which does not overflow.
pub(crate) fn softplus(node: &Node<'_>) -> Result<Built, String> {
    node.input(0)?.float()?;
    Ok(Built::wiring(|prefix, model, inputs| {
        let name = |step: &str| format!("{prefix}.{step}");
        let positive =
            activations::Clip::new(Some(0.0), None).wire(&name("max"), model, &inputs[..1])?;
        let magnitude = model.wire_node(name("abs"), math::abs(), &inputs[..1])?;
        let negated = model.wire_node(name("neg"), math::neg(), &magnitude)?;
        let logarithm = activations::Softplus.wire(&name("log"), model, &negated)?;
        model.wire_node(prefix, math::add(), &[positive[0], logarithm[0]])
    }))
}

/// The bounds are inputs since operator set 11, attributes before.
pub(crate) fn clip(node: &Node<'_>) -> Result<Built, String> {
    node.input(0)?.float()?;
    let bound = |position: usize, name: &str| {
        let Some(operand) = node.optional_input(position) else { return node.float(name) };
        let constant = operand.constant.filter(|it| it.len() == 1);
        let constant = constant.ok_or_else(|| format!("input {position} is not one constant"))?;
        operand.float()?;
        Ok(Some(View::of(constant).map_err(|e| e.to_string())?.single(0)))
    };
    let clip = activations::Clip::new(bound(1, "min")?, bound(2, "max")?);
    Ok(Built::wiring(move |prefix, model, inputs| clip.wire(prefix, model, &inputs[..1])))
}

pub(crate) fn softmax(node: &Node<'_>) -> Result<Built, String> {
    normalized(node, nn::SoftmaxKind::Softmax)
}

pub(crate) fn log_softmax(node: &Node<'_>) -> Result<Built, String> {
    normalized(node, nn::SoftmaxKind::LogSoftmax)
}

fn normalized(node: &Node<'_>, kind: nn::SoftmaxKind) -> Result<Built, String> {
    let input = node.input(0)?;
    input.float()?;
    let rank = input.fact.shape.len();
    // Before operator set 13, the axis starts the part of the shape that is taken together.
    let axes: TVec<usize> = if node.opset < 13 {
        (axis(node.int("axis")?.unwrap_or(1), rank)?..rank).collect()
    } else {
        tvec![axis(node.int("axis")?.unwrap_or(-1), rank)?]
    };
    let op = nn::Softmax { axes, quant_output_dt: None, kind };
    Ok(Built::wiring(move |prefix, model, inputs| {
        model.wire_node(prefix, op.clone(), &inputs[..1])
    }))
}

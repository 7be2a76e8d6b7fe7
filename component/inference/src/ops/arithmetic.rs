//! Arithmetic on the elements of one, two or more tensors, stretched to one shape.

use tract_hir::internal::*;
use tract_hir::ops::binary::{InferenceBinOp, wire_cast, wire_rank_broadcast};
use tract_hir::tract_core::ops::binary::{BinMiniOp, TypedBinOp};
use tract_hir::tract_core::ops::element_wise::ElementWiseOp;
use tract_hir::tract_core::ops::math;

use super::Built;
use crate::node::{Node, Operand};
use crate::tensor::{Element, View};

/// A function of one float.
pub(crate) fn unary(node: &Node<'_>, op: ElementWiseOp) -> Result<Built, String> {
    node.input(0)?.float()?;
    Ok(Built::wiring(move |prefix, model, inputs| {
        model.wire_node(prefix, op.clone(), &inputs[..1])
    }))
}

/// A function of one float32.
pub(crate) fn unary_single(node: &Node<'_>, op: ElementWiseOp) -> Result<Built, String> {
    match node.input(0)?.fact.element {
        Element::F32 => unary(node, op),
        element => Err(format!("an input of type {element}, expected float32")),
    }
}

/// All inputs, which have one type.
pub(crate) fn uniform<'a>(node: &Node<'a>) -> Result<(Vec<Operand<'a>>, Element), String> {
    let operands = node.all_inputs()?;
    let element = operands[0].fact.element;
    match operands.iter().find(|operand| operand.fact.element != element) {
        Some(other) => {
            Err(format!("inputs of types {element} and {}, expected one type", other.fact.element))
        }
        None => Ok((operands, element)),
    }
}

/// A function of two numbers, over all inputs from left to right.
fn fold(node: &Node<'_>, op: impl BinMiniOp + Clone) -> Result<Built, String> {
    let (operands, _) = uniform(node)?;
    operands[0].numeric()?;
    let op = InferenceBinOp(Box::new(op));
    Ok(Built::wiring(move |prefix, model, inputs| {
        let mut wire: TVec<OutletId> = tvec![inputs[0]];
        for (i, &input) in inputs.iter().enumerate().skip(1) {
            wire = op.wire(&format!("{prefix}.{i}"), model, &[wire[0], input])?;
        }
        Ok(wire)
    }))
}

pub(crate) fn add(node: &Node<'_>) -> Result<Built, String> {
    node.input(1)?;
    fold(node, math::Add)
}

pub(crate) fn sub(node: &Node<'_>) -> Result<Built, String> {
    node.input(1)?;
    fold(node, math::Sub)
}

pub(crate) fn mul(node: &Node<'_>) -> Result<Built, String> {
    node.input(1)?;
    fold(node, math::Mul)
}

pub(crate) fn div(node: &Node<'_>) -> Result<Built, String> {
    let divisor = node.input(1)?;
    if !divisor.fact.element.is_float() {
        let view = divisor.constant.map(View::of).transpose().map_err(|e| e.to_string())?;
        let safe =
            view.is_some_and(|it| (0..it.len()).all(|i| it.integer(i).is_some_and(|x| x != 0)));
        if !safe {
            return Err(
                "a division of integers, expected constants other than 0 to divide by".into()
            );
        }
    }
    fold(node, math::Div)
}

pub(crate) fn sum(node: &Node<'_>) -> Result<Built, String> {
    fold(node, math::Add)
}

pub(crate) fn max(node: &Node<'_>) -> Result<Built, String> {
    fold(node, math::Max)
}

pub(crate) fn min(node: &Node<'_>) -> Result<Built, String> {
    fold(node, math::Min)
}

/// The exponent may have a type of its own.
pub(crate) fn pow(node: &Node<'_>) -> Result<Built, String> {
    let element = node.input(0)?.float()?;
    node.input(1)?.numeric()?;
    Ok(Built::wiring(move |prefix, model, inputs| {
        let wires = wire_cast(prefix, model, &inputs[..2], element.datum())?;
        let wires = wire_rank_broadcast(prefix, model, &wires)?;
        model.wire_node(prefix, TypedBinOp(Box::new(math::Pow), None), &wires)
    }))
}

pub(crate) fn abs(node: &Node<'_>) -> Result<Built, String> {
    unary(node, math::abs())
}

pub(crate) fn neg(node: &Node<'_>) -> Result<Built, String> {
    unary(node, math::neg())
}

pub(crate) fn reciprocal(node: &Node<'_>) -> Result<Built, String> {
    unary(node, math::recip())
}

pub(crate) fn sqrt(node: &Node<'_>) -> Result<Built, String> {
    unary(node, math::sqrt())
}

pub(crate) fn exp(node: &Node<'_>) -> Result<Built, String> {
    unary(node, math::exp())
}

pub(crate) fn log(node: &Node<'_>) -> Result<Built, String> {
    unary(node, math::ln())
}

pub(crate) fn erf(node: &Node<'_>) -> Result<Built, String> {
    unary_single(node, math::erf())
}

//! Comparisons and logic.

use tract_hir::internal::*;
use tract_hir::ops::binary::InferenceBinOp;
use tract_hir::tract_core::ops::binary::BinMiniOp;
use tract_hir::tract_core::ops::{logic, math};

use super::Built;
use super::arithmetic::{unary_single, uniform};
use crate::node::Node;
use crate::tensor::Element;

fn compare(node: &Node<'_>, op: Box<dyn BinMiniOp>) -> Result<Built, String> {
    node.input(1)?;
    let (_, element) = uniform(node)?;
    if matches!(element, Element::Text) {
        return Err("inputs of type string, expected numbers".into());
    }
    Ok(Built::expansion(InferenceBinOp(op)))
}

pub(crate) fn equal(node: &Node<'_>) -> Result<Built, String> {
    compare(node, logic::comp_eq())
}

pub(crate) fn less(node: &Node<'_>) -> Result<Built, String> {
    compare(node, logic::comp_lt())
}

pub(crate) fn less_or_equal(node: &Node<'_>) -> Result<Built, String> {
    compare(node, logic::comp_lte())
}

pub(crate) fn greater(node: &Node<'_>) -> Result<Built, String> {
    compare(node, logic::comp_gt())
}

pub(crate) fn greater_or_equal(node: &Node<'_>) -> Result<Built, String> {
    compare(node, logic::comp_gte())
}

/// Checks that all inputs are truth values.
fn truths(node: &Node<'_>) -> Result<(), String> {
    match uniform(node)?.1 {
        Element::Bool => Ok(()),
        element => Err(format!("inputs of type {element}, expected bool")),
    }
}

pub(crate) fn and(node: &Node<'_>) -> Result<Built, String> {
    node.input(1)?;
    truths(node)?;
    Ok(Built::expansion(InferenceBinOp(Box::new(logic::And))))
}

pub(crate) fn or(node: &Node<'_>) -> Result<Built, String> {
    node.input(1)?;
    truths(node)?;
    Ok(Built::expansion(InferenceBinOp(Box::new(logic::Or))))
}

pub(crate) fn not(node: &Node<'_>) -> Result<Built, String> {
    truths(node)?;
    Ok(Built::wiring(|prefix, model, inputs| model.wire_node(prefix, logic::not(), &inputs[..1])))
}

pub(crate) fn is_nan(node: &Node<'_>) -> Result<Built, String> {
    unary_single(node, math::is_nan())
}

pub(crate) fn where_(node: &Node<'_>) -> Result<Built, String> {
    let [condition, yes, no] = [node.input(0)?, node.input(1)?, node.input(2)?];
    yes.numeric()?;
    if condition.fact.element != Element::Bool || yes.fact.element != no.fact.element {
        return Err(format!(
            "inputs of types {}, {} and {}, expected bool and twice the same type",
            condition.fact.element, yes.fact.element, no.fact.element
        ));
    }
    Ok(Built::expansion(tract_hir::ops::logic::Iff))
}

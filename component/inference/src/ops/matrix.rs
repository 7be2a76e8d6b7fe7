//! `MatMul` and `Gemm`.

use tract_hir::internal::*;
use tract_hir::ops::logic::wire_with_rank_broadcast;
use tract_hir::ops::matmul::MatMulInference;
use tract_hir::tract_core::ops::math;

use super::Built;
use super::arithmetic::uniform;
use crate::node::Node;
use crate::tensor::elements;

pub(crate) fn mat_mul(node: &Node<'_>) -> Result<Built, String> {
    let (a, b) = (node.input(0)?.fact, node.input(1)?.fact);
    let (_, element) = uniform(node)?;
    let (left, right) = (&a.shape, &b.shape);
    let inner = right.len().saturating_sub(2);
    let fits = element.is_float()
        && left.len().max(right.len()) > 1
        && !right.is_empty()
        && left.last() == right.get(inner);
    if !fits {
        return Err(format!(
            "inputs of {element} {left:?} and {right:?}, expected floats that fit"
        ));
    }
    Ok(Built::expansion(MatMulInference::default()))
}

/// alpha · A · B + beta · C
pub(crate) fn gemm(node: &Node<'_>) -> Result<Built, String> {
    let (a, b) = (node.input(0)?.fact, node.input(1)?.fact);
    let (_, element) = uniform(node)?;
    let transposed = |name| Ok::<_, String>(node.int(name)?.unwrap_or(0) != 0);
    let (transpose_a, transpose_b) = (transposed("transA")?, transposed("transB")?);
    let fits = match (&a.shape[..], &b.shape[..]) {
        (&[a0, a1], &[b0, b1]) => {
            let (rows, inner) = if transpose_a { (a1, a0) } else { (a0, a1) };
            let (b_inner, columns) = if transpose_b { (b1, b0) } else { (b0, b1) };
            // C must not stretch the product.
            let c_fits = node.optional_input(2).is_none_or(|c| match c.fact.shape[..] {
                [] | [1] => true,
                [c1] => c1 == columns,
                [c0, c1] => (c0 == 1 || c0 == rows) && (c1 == 1 || c1 == columns),
                _ => false,
            });
            elements(&[rows, columns])?;
            element.is_float() && inner == b_inner && c_fits
        }
        _ => false,
    };
    if !fits {
        return Err(format!(
            "inputs of {element} {:?} and {:?}, expected floats that fit",
            a.shape, b.shape
        ));
    }
    let alpha = node.float("alpha")?.unwrap_or(1.0);
    let beta = node.float("beta")?.unwrap_or(1.0);
    let product = MatMulInference::default().with_a_trans(transpose_a).with_b_trans(transpose_b);
    Ok(Built::wiring(move |prefix, model, inputs| {
        let scaled = |model: &mut TypedModel, step: &str, by: f32, wire: TVec<OutletId>| {
            if by == 1.0 {
                return Ok(wire);
            }
            let name = format!("{prefix}.{step}");
            let factor = tensor0(by).cast_to_dt(element.datum())?.into_owned();
            let factor = model.add_const(format!("{name}.factor"), factor)?;
            wire_with_rank_broadcast(name, model, math::mul(), &[wire[0], factor])
        };
        let wire = product.wire(&format!("{prefix}.product"), model, &inputs[..2])?;
        let wire = scaled(model, "alpha", alpha, wire)?;
        let Some(&c) = inputs.get(2) else { return Ok(wire) };
        let c = scaled(model, "beta", beta, tvec![c])?;
        wire_with_rank_broadcast(prefix, model, math::add(), &[wire[0], c[0]])
    }))
}

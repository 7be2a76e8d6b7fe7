//! `ReduceSum` and its like: one number of all elements along some axes.

use tract_hir::internal::*;
use tract_hir::ops::nn::{Reduce, Reducer};
use tract_hir::tract_core::ops::math;

use super::Built;
use crate::node::{Node, axis};

/// The axes, which are an input in later operator sets and an attribute in earlier ones, and
/// whether they are kept; `None` if there is nothing to reduce.
fn axes(node: &Node<'_>) -> Result<Option<(Vec<i64>, bool)>, String> {
    let input = node.input(0)?;
    input.float()?;
    let rank = input.fact.shape.len();
    let given = match node.constant_integers(1)? {
        Some(axes) => axes,
        None => node.ints("axes")?.to_vec(),
    };
    if given.is_empty() && node.int("noop_with_empty_axes")?.unwrap_or(0) != 0 {
        return Ok(None);
    }
    let axes: Vec<usize> = if given.is_empty() {
        (0..rank).collect()
    } else {
        given.iter().map(|&it| axis(it, rank)).collect::<Result<_, _>>()?
    };
    if axes.iter().enumerate().any(|(i, axis)| axes[..i].contains(axis)) {
        return Err(format!("the axes {given:?}, expected no axis twice"));
    }
    if axes.iter().any(|&axis| input.fact.shape[axis] == 0) {
        return Err(format!("an input of shape {:?}, expected elements", input.fact.shape));
    }
    let keep = node.int("keepdims")?.unwrap_or(1) != 0;
    Ok(Some((axes.into_iter().map(|axis| axis as i64).collect(), keep)))
}

fn reduce(node: &Node<'_>, reducer: Reducer) -> Result<Built, String> {
    Ok(match axes(node)? {
        None => Built::wiring(|_, _, inputs| Ok(tvec![inputs[0]])),
        Some((axes, keep)) => {
            let op = Reduce::new(Some(axes), keep, reducer);
            Built::wiring(move |prefix, model, inputs| op.wire(prefix, model, &inputs[..1]))
        }
    })
}

pub(crate) fn sum(node: &Node<'_>) -> Result<Built, String> {
    reduce(node, Reducer::Sum)
}

pub(crate) fn mean(node: &Node<'_>) -> Result<Built, String> {
    reduce(node, Reducer::Mean)
}

pub(crate) fn product(node: &Node<'_>) -> Result<Built, String> {
    reduce(node, Reducer::Prod)
}

pub(crate) fn max(node: &Node<'_>) -> Result<Built, String> {
    reduce(node, Reducer::Max)
}

pub(crate) fn min(node: &Node<'_>) -> Result<Built, String> {
    reduce(node, Reducer::Min)
}

pub(crate) fn l2(node: &Node<'_>) -> Result<Built, String> {
    reduce(node, Reducer::L2)
}

pub(crate) fn sum_square(node: &Node<'_>) -> Result<Built, String> {
    reduce(node, Reducer::SumSquare)
}

/// Relative to the largest element, so that nothing overflows: tract's own reducer does.
pub(crate) fn log_sum_exp(node: &Node<'_>) -> Result<Built, String> {
    let Some((axes, keep)) = axes(node)? else { return reduce(node, Reducer::Sum) };
    Ok(Built::wiring(move |prefix, model, inputs| {
        let name = |step: &str| format!("{prefix}.{step}");
        let along = |reducer, keep| Reduce::new(Some(axes.clone()), keep, reducer);
        let largest = along(Reducer::Max, true).wire(&name("max"), model, &inputs[..1])?;
        let shifted = model.wire_node(name("shift"), math::sub(), &[inputs[0], largest[0]])?;
        let logarithm = along(Reducer::LogSumExp, true).wire(&name("log"), model, &shifted)?;
        let kept = model.wire_node(name("add"), math::add(), &[logarithm[0], largest[0]])?;
        if keep {
            return Ok(kept);
        }
        // The axes have one element each by now.
        along(Reducer::Sum, false).wire(prefix, model, &kept)
    }))
}

pub(crate) fn arg_max(node: &Node<'_>) -> Result<Built, String> {
    arg(node, Reducer::ArgMax)
}

pub(crate) fn arg_min(node: &Node<'_>) -> Result<Built, String> {
    arg(node, Reducer::ArgMin)
}

fn arg(node: &Node<'_>, reducer: fn(bool) -> Reducer) -> Result<Built, String> {
    let input = node.input(0)?;
    input.numeric()?;
    let shape = &input.fact.shape;
    let axis = axis(node.int("axis")?.unwrap_or(0), shape.len())?;
    if shape[axis] == 0 {
        return Err(format!("an input of shape {shape:?}, expected elements"));
    }
    let keep = node.int("keepdims")?.unwrap_or(1) != 0;
    let last = node.int("select_last_index")?.unwrap_or(0) != 0;
    Ok(Built::expansion(Reduce::new(Some(vec![axis as i64]), keep, reducer(last))))
}
